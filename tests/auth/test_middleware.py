"""AuthMiddleware around an app: who passes, who is refused and how, what the app and later plugins get to see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Allow, Decision, Deny, Principal, Reply
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.exact_json import loads
from mockforge_asgi.http.body import BodyLimits
from mockforge_asgi.http.exchange import SCOPE_KEY, Exchange
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.testing import Client, Conversation
from mockforge_asgi.types import Message, Receive, Scope, Send
from mockforge_plugin.values import Response
from tests.support.auth_plugins import KEYS, Decider, Runtime, allow, by_key
from tests.support.plain_host import PlainHost, PlainRuntime, plain_plugin
from tests.support.template_rendering import renderer


class App:
    """The wrapped app: answers 200, remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Scope, Receive, Send]] = []
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope, receive, send))
        if scope["type"] == "websocket":
            return await send({"type": "websocket.accept"})
        if scope["type"] != "http":
            return
        while True:
            message = await receive()
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1"), (b"vary", b"accept")]})
        await send({"type": "http.response.body", "body": b"app"})

    @property
    def scope(self) -> Scope:
        return self.calls[-1][0]


def chain(says: Decision | Exception | Decider = None, mode: Any = "first", **more: Any) -> AuthMiddleware:
    decider = says if isinstance(says, Decider) else Decider(says if says is not None else by_key, challenge="ApiKey")
    rules = [ProtectRule("/hello/**", ("key",), mode)]
    return AuthMiddleware(App(), runtime=Runtime({"key": decider}), rules=rules, **more)


def app_of(chain: AuthMiddleware) -> App:
    assert isinstance(chain.app, App)
    return chain.app


async def test_without_credentials_the_challenge_of_the_plugin_is_sent() -> None:
    answer = await Client(guarded := chain()).get("/hello/Ada")
    assert (answer.status, answer.header("www-authenticate")) == (401, "ApiKey")
    assert answer.json() == {"error": "Authentication required", "message": "authentication required"}
    assert answer.header("cache-control") == "no-store" and app_of(guarded).calls == []


@pytest.mark.parametrize("mode", ["first", "any", "all", "optional"])
async def test_wrong_credentials_are_refused_in_every_mode(mode: str) -> None:
    answer = await Client(guarded := chain(mode=mode)).get("/hello/Ada", headers={"X-API-Key": "wrong"})
    assert (answer.status, answer.header("www-authenticate")) == (401, "ApiKey")
    assert answer.json()["message"] == "unknown key" and app_of(guarded).calls == []


async def test_the_caller_is_in_the_scope_in_starlettes_conventions() -> None:
    answer = await Client(guarded := chain()).get("/hello/Ada", headers={"X-API-Key": "k1"})
    scope = app_of(guarded).scope
    assert answer.body == b"app" and scope["user"].is_authenticated
    assert (scope["user"].identity, scope["user"].display_name, scope["user"].principal.id) == ("demo", "demo", "demo")
    assert scope["auth"].scopes == ["authenticated", "reader", "read", "write"]
    assert dict(scope["headers"])[b"x-api-key"] == b"k1"


async def test_an_anonymous_caller_passes_where_auth_is_optional() -> None:
    assert (await Client(guarded := chain(mode="optional")).get("/hello/Ada")).status == 200
    assert not app_of(guarded).scope["user"].is_authenticated and app_of(guarded).scope["auth"].scopes == []


async def test_unprotected_requests_pass_with_the_very_same_objects() -> None:
    guarded, talk = chain(), Conversation([{"type": "http.request", "body": b""}])
    scope = Client(guarded).scope("GET", "/other")
    receive, send = talk.receive, talk.send
    await guarded(scope, receive, send)
    assert app_of(guarded).calls[0][0] is scope
    assert app_of(guarded).calls[0][1] is receive and app_of(guarded).calls[0][2] is send


async def test_headers_of_an_allow_are_put_on_the_apps_answer() -> None:
    decision = Allow(Principal("demo"), {}, (("Set-Cookie", "s=1"), ("Vary", "cookie"), ("X-App", "2")))
    answer = await Client(chain(decision)).get("/hello/x")
    assert answer.headers == (("vary", "accept"), ("set-cookie", "s=1"), ("vary", "cookie"), ("x-app", "2"))


async def test_the_apps_send_is_its_own_when_no_header_is_to_be_put_on() -> None:
    guarded, talk = chain(allow()), Conversation([{"type": "http.request", "body": b""}])
    send = talk.send
    await guarded(Client(guarded).scope("GET", "/hello/x"), talk.receive, send)
    assert app_of(guarded).calls[0][2] is send


async def test_a_reply_is_the_answer() -> None:
    answer = await Client(guarded := chain(Reply(Response(302, (("Location", "/login"),), b"")))).get("/hello/x")
    assert (answer.status, answer.header("location")) == (302, "/login") and app_of(guarded).calls == []


async def test_a_reply_may_only_have_templates_rendered_that_the_operator_lists() -> None:
    talk = Conversation()
    for template, kind in (("login.html", "mockforge.template"), ("other.html", "http.response.start")):
        guarded, talk = chain(Reply(Response.render(template))), Conversation()
        scope = {**Client(guarded).scope("GET", "/hello/x"), "extensions": {"mockforge.template": {}}}
        await guarded(scope, talk.receive, talk.send)
        assert talk.sent[0]["type"] == kind
    assert talk.response.status == 503


@pytest.mark.parametrize(
    ("failure", "retry_after"),
    [(PluginFailed("key", "auth.authenticate", "secret inside"), "1"), (PluginUnavailable("key", "secret inside", retry_after_s=5), "5")],
)
async def test_a_plugin_that_fails_answers_503(failure: Exception, retry_after: str) -> None:
    answer = await Client(guarded := chain(failure)).get("/hello/x")
    assert (answer.status, answer.header("retry-after")) == (503, retry_after)
    assert "secret" not in answer.text and app_of(guarded).calls == []


async def test_a_plugin_that_is_not_loaded_lets_nobody_pass() -> None:
    guarded = AuthMiddleware(App(), runtime=Runtime({}), rules=[ProtectRule("/**", ("gone",), "optional")])
    assert (await Client(guarded).get("/x")).status == 503


@pytest.mark.parametrize("url", ["//hello/x", "/a/../hello/x", "/hello%2Fx", "/hello/%2e%2e/x", "/hello%5cx", "/hello/x%00"])
async def test_an_ambiguous_path_is_refused_before_any_plugin_is_asked(url: str) -> None:
    decider = Decider(allow())
    assert (await Client(guarded := chain(decider)).get(url)).status == 400
    assert decider.asked == [] and app_of(guarded).calls == []


async def test_the_rules_apply_below_the_root_path() -> None:
    guarded = chain()
    assert (await Client(guarded, root_path="/api").get("/hello/x")).status == 401
    assert (await Client(guarded, root_path="/hello").get("/other")).status == 200


async def test_the_lowest_priority_number_is_asked_first() -> None:
    late, early = Decider(Deny(403, "late"), priority=200), Decider(Deny(403, "early"), priority=10)
    guarded = AuthMiddleware(App(), runtime=Runtime({"late": late, "early": early}), rules=[ProtectRule("/**", ("late", "early"))])
    assert (await Client(guarded).get("/x")).json()["message"] == "early"


async def test_a_new_generation_of_a_plugin_decides_the_next_request() -> None:
    runtime = Runtime({"key": Decider(allow())})
    client = Client(AuthMiddleware(App(), runtime=runtime, rules=[ProtectRule("/**", ("key",))]))
    assert (await client.get("/x")).status == 200
    runtime.registry.put(Decider(Deny(403, "new"), name="key"))
    assert (await client.get("/x")).status == 403


async def test_a_body_read_by_the_plugin_is_replayed_to_the_app() -> None:
    async def by_signature(exchange: Exchange) -> Decision:
        return allow() if await exchange.body() == b"signed" else Deny()

    assert (await Client(guarded := chain(Decider(by_signature))).post("/hello/x", body=[b"sig", b"ned"])).status == 200
    assert app_of(guarded).body == b"signed"


async def test_a_body_over_the_limit_is_refused_when_a_plugin_asks_for_it() -> None:
    async def by_signature(exchange: Exchange) -> Decision:
        return allow() if await exchange.body() else None

    client = Client(chain(Decider(by_signature), limits=BodyLimits(4)))
    assert (await client.post("/hello/x", body=b"12345")).status == 413


async def test_credentials_are_hidden_from_the_documents_of_later_plugins() -> None:
    seen: list[Any] = []
    view = RequestView(headers=None, cookies=None, query=None)

    class Inner(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            exchange, is_new = Exchange.of(scope, receive, send)
            assert not is_new
            seen.append(loads(exchange.document(view)))
            await super().__call__(scope, receive, send)

    asks = RequestView(headers=frozenset({"x-api-key", "accept"}), cookies=frozenset({"session"}), query=frozenset({"key"}))
    decider = Decider(allow(), view=asks)
    guarded = AuthMiddleware(Inner(), runtime=Runtime({"key": decider}), rules=[ProtectRule("/**", ("key",))])
    headers = {"x-api-key": "k", "authorization": "Bearer t", "accept": "a", "x-other": "o", "cookie": "session=s; theme=t"}
    await Client(guarded).get("/x?key=k&q=1", headers=headers)
    shown = [tuple(pair) for pair in seen[0]["headers"]]
    assert shown == [("host", "testserver"), ("accept", "a"), ("x-other", "o"), ("cookie", "theme=t")]
    assert [tuple(pair) for pair in seen[0]["query"]] == [("q", "1")]


@pytest.mark.parametrize(("says", "mode"), [(allow(), "first"), (allow(), "all"), (None, "optional")])
async def test_credentials_are_hidden_even_from_a_later_plugin_that_may_see_just_what_auth_saw(says: Decision, mode: Any) -> None:
    seen: list[list[Any]] = []

    async def look(exchange: Exchange) -> Decision:
        seen.append(loads(exchange.document(KEYS))["headers"])
        return says

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await look(Exchange.of(scope, receive, send)[0])
        await App()(scope, receive, send)

    guarded = AuthMiddleware(inner, runtime=Runtime({"key": Decider(look)}), rules=[ProtectRule("/**", ("key",), mode)])
    await Client(guarded).get("/x", headers={"x-api-key": "k", "accept": "a"})
    assert [[name for name, _ in headers] for headers in seen] == [["x-api-key", "accept"], ["accept"]]


@pytest.mark.parametrize(
    "headers", [{"origin": "https://web.test"}, {"access-control-request-method": "GET"}, {}],
)  # fmt: skip
async def test_other_options_requests_need_credentials(headers: dict[str, str]) -> None:
    guarded = chain()
    assert (await Client(guarded).request("OPTIONS", "/hello/x", headers=headers)).status == 401
    assert app_of(guarded).calls == []


async def handshake(
    guarded: AuthMiddleware, path: str, headers: dict[str, str], extensions: dict[str, Any]
) -> tuple[list[Message], Conversation]:
    talk = Conversation([{"type": "websocket.connect"}])
    scope = {**Client(guarded).scope("GET", path, headers), "type": "websocket", "scheme": "ws", "extensions": extensions}
    del scope["method"]
    await guarded(scope, talk.receive, talk.send)
    return talk.sent, talk


async def test_a_websocket_is_refused_with_the_challenge_where_the_server_can_send_it() -> None:
    sent, talk = await handshake(guarded := chain(), "/hello/ws", {}, {"websocket.http.response": {}})
    assert [m["type"] for m in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert (talk.response.status, talk.response.header("www-authenticate"), talk.received) == (401, "ApiKey", 1)
    assert app_of(guarded).calls == []


@pytest.mark.parametrize("path", ["/hello/ws", "//hello/ws"])
async def test_a_websocket_is_closed_where_it_cannot(path: str) -> None:
    sent, _ = await handshake(chain(), path, {}, {})
    assert [m["type"] for m in sent] == ["websocket.close"]


async def test_a_websocket_with_credentials_reaches_the_app_untouched() -> None:
    sent, talk = await handshake(guarded := chain(), "/hello/ws", {"x-api-key": "k1"}, {})
    assert sent == [{"type": "websocket.accept"}] and talk.received == 0
    assert app_of(guarded).scope["user"].identity == "demo"


async def test_errors_of_the_app_are_its_own() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise PluginFailed("inner", "op", "the app's own")

    guarded = AuthMiddleware(broken, runtime=Runtime({"key": Decider(allow())}), rules=[ProtectRule("/**", ("key",))])
    with pytest.raises(PluginFailed, match="own"):
        await Client(guarded).get("/x")


async def test_a_client_that_leaves_while_a_plugin_decides_gets_no_answer() -> None:
    talk = Conversation()

    async def never(exchange: Exchange) -> Decision:
        talk.leave()
        with exchange.watched():  # as a plugin's host does when it must wait
            await asyncio.Event().wait()
        return None

    guarded = chain(Decider(never))
    await guarded(Client(guarded).scope("GET", "/hello/x"), talk.receive, talk.send)
    assert talk.sent == [] and app_of(guarded).calls == []


async def test_plugins_live_as_long_as_the_app() -> None:
    guarded = chain()
    runtime = guarded.runtime
    assert isinstance(runtime, Runtime)
    async with Client(guarded):
        assert runtime.mounts == 1
    assert runtime.mounts == 0


async def test_the_exchange_does_not_leave_our_pieces() -> None:
    guarded = chain(allow())
    await Client(guarded).get("/other")
    assert SCOPE_KEY not in app_of(guarded).scope


async def test_unknown_scopes_pass() -> None:
    guarded = chain()
    talk = Conversation()
    scope = {"type": "something.new"}
    await guarded(scope, talk.receive, talk.send)
    assert app_of(guarded).scope is scope


async def test_leases_are_given_back_before_the_app_runs() -> None:
    plugin = plain_plugin("key", "auth", {"auth.authenticate": lambda document: {"allow": {"principal": {"id": "demo"}}}})
    host = plugin.host
    assert isinstance(host, PlainHost)
    logs: list[list[str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        logs.append(list(host.log))
        await App()(scope, receive, send)

    guarded = AuthMiddleware(app, runtime=PlainRuntime({"version": 1}, plugin), rules=[ProtectRule("/**", ("key",))])
    assert (await Client(guarded).get("/hello")).text == "app"
    assert logs == [["auth.authenticate", "release"]]


async def test_a_client_that_leaves_while_a_reply_is_rendered_gets_no_answer() -> None:
    decider = Decider(Reply(Response(200, template="login.html"))).called("key")
    guarded = chain(decider)
    whole = TemplateMiddleware(guarded, runtime=guarded.runtime, renderer=renderer({"login.html": "{{ request.text }}"}))
    talk = Conversation([{"type": "http.request", "body": b"half", "more_body": True}])
    talk.leave()
    await whole(Client(whole).scope("POST", "/hello/x", [("content-length", "8")]), talk.receive, talk.send)
    assert talk.sent == []


async def test_a_reply_that_nobody_renders_is_an_answer_too() -> None:
    guarded = chain(Decider(Reply(Response(200, template="login.html"))))
    answer = await Client(guarded).get("/hello/x")
    assert (answer.status, app_of(guarded).calls) == (500, [])
