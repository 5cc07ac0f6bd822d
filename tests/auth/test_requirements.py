"""What a rule requires of callers that auth lets pass: who has it passes, who lacks it is refused by name, and nobody slips by."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.auth.requirements import lack, needed_scopes, scopes_of
from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import ProtectRule, Requirement
from mockforge_asgi.contract import Allow, Decision, Deny, Principal
from mockforge_asgi.errors import ConfigError, PluginFailed
from mockforge_asgi.events import AuthDecided, RequestAnswered
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client, Conversation, Response
from mockforge_asgi.types import Receive, Scope, Send
from mockforge_plugin import AuthPlugin
from mockforge_plugin.request import Request
from tests.support.auth_plugins import Decider, Runtime

ADMIN, WRITES = Requirement(roles=("admin",)), Requirement(scopes=("write",))


def caller(*roles: str, **claims: Any) -> Allow:
    return Allow(Principal("ada", roles), claims, (("x-session", "fresh"),))


@pytest.mark.parametrize(
    ("requirement", "allow", "told"),
    [
        (Requirement(), caller(), None),
        (ADMIN, caller("admin", "other"), None),
        (ADMIN, caller("administrator", "Admin"), "the role admin"),
        (ADMIN, caller(scope="admin"), "the role admin"),
        (WRITES, caller(scope="read write"), None),
        (WRITES, caller(scp=["read", "write"]), None),
        (WRITES, caller(scopes=["write"]), None),
        (WRITES, caller(scope="read", scp="write"), None),
        (WRITES, caller("write"), "the scope write"),
        (WRITES, caller(scope=["write"]), None),
        (WRITES, caller(scope="writes re-write write:all"), "the scope write"),
        (WRITES, caller(scope={"write": True}), "the scope write"),
        (WRITES, caller(scopes=[["write"], 7, None]), "the scope write"),
        (Requirement(("a", "b"), ("c", "d")), caller("b", scope="c"), "the role a and the scope d"),
        (Requirement(("a", "b"), ("c", "d")), caller(), "the roles a, b and the scopes c, d"),
        (Requirement(any=(ADMIN, WRITES)), caller("admin"), None),
        (Requirement(any=(ADMIN, WRITES)), caller(scope="write"), None),
        (Requirement(any=(ADMIN, WRITES)), caller(scope="read"), "one of (the role admin; or the scope write)"),
        (Requirement(("a",), any=(ADMIN,)), caller("admin"), "the role a"),
        (Requirement(("a",), any=(ADMIN,)), caller("a"), "one of (the role admin)"),
    ],
)
def test_a_caller_lacks_what_it_has_not(requirement: Requirement, allow: Allow, told: str | None) -> None:
    found = lack(requirement, allow)
    assert (None if found is None else str(found)) == told


def test_scopes_are_read_from_each_claim_that_tells_them() -> None:
    assert list(scopes_of({"scope": "a  b\tc", "scp": ["d", 1], "scopes": "e", "other": "f"})) == ["a", "b", "c", "d", "e"]
    assert needed_scopes(Requirement(scopes=("a", "b"), any=(Requirement(scopes=("b", "c")),))) == ("a", "b", "c")
    assert needed_scopes(Requirement(scopes=("a",), any=(Requirement(scopes=("b",)), Requirement(scopes=("c",))))) == ("a",)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.accept"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"app"})


async def asked(kind: str, require: Requirement, *deciders: Decider, mode: Any = "first") -> Response | None:
    """What the caller gets; None where it reached the app."""
    named = {f"p{i}": decider for i, decider in enumerate(deciders)}
    guarded = AuthMiddleware(app, runtime=Runtime(named), rules=[ProtectRule("/**", tuple(named), mode, require=require)])
    talk = Conversation([{"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}])
    scope = {**Client(guarded).scope("GET", "/x"), "type": kind, "extensions": {"websocket.http.response": {}}}
    await guarded(scope, talk.receive, talk.send)
    if talk.sent[0]["type"] == "websocket.accept":
        return None
    return None if talk.response.status == 200 else talk.response


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("says", "challenge", "status", "sent"),
    [
        (caller("admin", scope="write"), "Bearer", None, None),
        (caller("admin"), "Bearer", 403, 'Bearer error="insufficient_scope", scope="write"'),
        (
            caller("admin"),
            'Bearer realm="a, b", error="x", scope="y"',
            403,
            'Bearer realm="a, b", error="insufficient_scope", scope="write"',
        ),
        (caller("admin"), 'Basic realm="x"', 403, None),
        (caller("admin"), 'Basic realm="x", bearer realm="y"', 403, 'bearer realm="y", error="insufficient_scope", scope="write"'),
        (caller("admin"), "ApiKey", 403, None),
        (None, "Bearer", 401, "Bearer"),
        (Deny(401, "expired", 'Bearer error="invalid_token"'), "Bearer", 401, 'Bearer error="invalid_token"'),
        (Deny(503, "unreachable"), "Bearer", 503, None),
    ],
)
async def test_who_is_known_and_lacks_something_is_refused_403_and_who_is_not_401(
    kind: str, says: Decision, challenge: str, status: int | None, sent: str | None
) -> None:
    answer = await asked(kind, Requirement(("admin",), ("write",)), Decider(says, challenge=challenge))
    assert (None if answer is None else answer.status) == status
    if answer is not None:
        assert answer.header("www-authenticate") == sent
    if answer is not None and status == 403:
        assert answer.json() == {"error": "Forbidden", "message": "the caller lacks the scope write"}
        assert answer.header("x-session") is None


async def test_the_challenge_is_of_the_plugin_that_let_the_caller_pass() -> None:
    basic, bearer = Decider(caller(), challenge='Basic realm="x"'), Decider(None, challenge="Bearer")
    answer = await asked("http", WRITES, bearer, basic, mode="any")
    assert answer is not None and (answer.status, answer.header("www-authenticate")) == (403, None)


async def test_where_all_must_allow_what_all_bring_counts() -> None:
    both = Decider(Allow(Principal("ada", ("a",)), {"scope": "x"})), Decider(Allow(Principal("bob", ("b",)), {"scp": "y"}))
    assert await asked("http", Requirement(("a", "b"), ("x", "y")), *both, mode="all") is None
    answer = await asked("http", Requirement(("a", "c")), *both, mode="all")
    assert answer is not None and answer.json()["message"] == "the caller lacks the role c"


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_nobody_has_no_roles_even_where_auth_is_optional(kind: str) -> None:
    answer = await asked(kind, ADMIN, Decider(None, challenge="Bearer"), mode="optional")
    assert answer is not None and (answer.status, answer.header("www-authenticate")) == (401, "Bearer")


class Anyone(AuthPlugin):
    """Lets pass whoever says a name, with the roles that it says."""

    name = "anyone"

    def capabilities(self) -> dict[str, str]:
        return {"challenge": 'Bearer realm="here"'}

    def authenticate(self, request: Request) -> Allow | None:
        who = request.headers.get("x-who")
        return None if who is None else Allow(Principal(who, ("reader",)), {"scope": request.headers.get("x-scope") or ""})


async def test_a_configuration_requires_and_the_event_tells_who_lacked_what() -> None:
    config = {
        "version": 1,
        "protect": [{"path": "/**", "auth": "anyone", "require": {"roles": "reader", "any": [{"scopes": "a b".split()}, {"scopes": "c"}]}}],
        "routes": [{"match": {"path": "/x"}, "response": {"text": "in"}}],
    }
    mock = MockForge(config=config, plugins=[Anyone()])
    heard: list[RequestAnswered] = []
    mock.runtime.events.subscribe(lambda event: heard.append(event), RequestAnswered)  # type: ignore[arg-type]
    async with Client(mock) as client:
        assert (await client.get("/x", headers={"x-who": "ada", "x-scope": "c"})).text == "in"
        answer = await client.get("/x", headers={"x-who": "ada", "x-scope": "a"})
        assert (answer.status, answer.header("www-authenticate")) == (403, 'Bearer realm="here", error="insufficient_scope"')
        assert answer.json()["message"] == "the caller lacks one of (the scope b; or the scope c)"
        assert (await client.get("/x")).header("www-authenticate") == 'Bearer realm="here"'
    told = heard[1]
    assert (told.status, told.principal, told.answered_by, told.allowed_by) == (403, "ada", "anyone", "")
    assert told.reason == "the caller lacks one of (the scope b; or the scope c)"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"require": {}}, "require: requires nothing. Write {roles: [admin]}"),
        ({"require": {"any": []}}, "require.any: is empty."),
        ({"require": {"any": [{}]}}, "require.any[0]: requires nothing."),
        ({"require": {"any": [{"any": []}]}}, "the key 'any' is not known"),
        ({"require": {"roles": []}}, "require.roles: is empty."),
        ({"require": {"role": ["a"]}}, "Did you mean 'roles'?"),
        ({"require": {"roles": ["a "]}}, "'a ' is not the name of a role"),
        ({"require": {"roles": ["a\nb"]}}, "is not the name of a role"),
        ({"require": {"scopes": ["a b"]}}, "'a b' is not a scope"),
        ({"require": {"scopes": ['a"b']}}, "is not a scope"),
        ({"require": {"roles": "a"}, "mode": "optional"}, "would be met by sending no credentials"),
    ],
)
def test_what_cannot_be_required_is_told(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config({"version": 1, "plugins": {"p": {"use": "./p"}}, "protect": [{"path": "/**", "auth": "p", **rule}]})
    assert words in str(raised.value)


async def test_who_subscribes_to_decisions_hears_each_of_them() -> None:
    async def by_name(exchange: Exchange) -> Decision:
        who = exchange.snapshot.header("x-who")
        if who == "broken":
            raise PluginFailed("p", "auth.authenticate", "boom")
        return None if who is None else Deny(401, "not you") if who == "eve" else Allow(Principal(who, (who,)))

    rules = [ProtectRule("/open", ("p",), "optional"), ProtectRule("/**", ("p",), require=ADMIN)]
    guarded = AuthMiddleware(app, runtime=(runtime := Runtime({"p": Decider(by_name)})), rules=rules)
    heard: list[AuthDecided] = []
    forget = runtime.events.subscribe(heard.append, AuthDecided)  # type: ignore[arg-type]
    client = Client(guarded)
    for path, who in (("/open", None), ("/x", None), ("/x", "admin"), ("/x", "ada"), ("/x", "eve"), ("/x", "broken")):
        await client.get(path, headers={"x-who": who} if who else {})
    forget()
    await client.get("/x")
    assert [(e.outcome, e.by, e.principal, e.status, e.reason) for e in heard] == [
        ("anonymous", "", None, None, ""),
        ("deny", "p", None, 401, "authentication required"),
        ("allow", "p", "admin", None, ""),
        ("deny", "p", "ada", 403, "the caller lacks the role admin"),
        ("deny", "p", None, 401, "not you"),
        ("unavailable", "p", None, 503, "it failed to decide about a request (internal)"),
    ]
    assert {(e.method, e.path, e.rule, e.plugins, e.client) for e in heard[1:]} == {("GET", "/x", "/**", ("p",), "127.0.0.1")}
