"""Which challenge a 401 carries: that of the decision, else those of all that the rule's plugins want."""

from __future__ import annotations

import pytest

from mockforge_asgi.auth.challenge import challenges
from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Decision, Deny
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.testing import Client
from mockforge_asgi.types import Receive, Scope, Send
from tests.support.auth_plugins import Decider, Runtime


async def unreached(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the app was asked")


def reading(*headers: str) -> RequestView:
    return RequestView(headers=frozenset(headers))


@pytest.mark.parametrize(
    ("plugins", "challenge"),
    [
        ([({"x-signature", "x-timestamp"}, None)], "Custom"),
        ([(set(), None)], "Custom"),
        ([({"authorization"}, None)], "Bearer"),
        ([({"authorization"}, "Basic")], "Basic"),
        ([({"x-signature"}, "HMAC")], "HMAC"),
        ([({"x-signature"}, None), ({"authorization", "x-b"}, None)], "Custom, Bearer"),
        ([({"x-signature"}, "HMAC"), ({"authorization"}, None)], "HMAC, Bearer"),
        ([({"x-signature"}, "HMAC"), ({"authorization"}, "Basic"), ({"x-b"}, "HMAC")], "HMAC, Basic"),
    ],
)
@pytest.mark.parametrize("says", [None, Deny(401, "no")])
async def test_a_401_carries_the_challenge_of_what_its_plugins_read(
    plugins: list[tuple[set[str], str | None]], challenge: str, says: Decision
) -> None:
    deciders = {f"p{i}": Decider(says, name=f"p{i}", view=reading(*headers), challenge=said) for i, (headers, said) in enumerate(plugins)}
    guarded = AuthMiddleware(unreached, runtime=Runtime(deciders), rules=[ProtectRule("/**", tuple(deciders), "any")])
    answer = await Client(guarded).get("/x")
    assert (answer.status, answer.header("www-authenticate")) == (401, challenge)


@pytest.mark.parametrize(("says", "challenge"), [(Deny(401, "no", "Digest"), "Digest"), (Deny(403, "no"), None)])
async def test_a_challenge_of_the_decision_wins_and_a_403_needs_none(says: Deny, challenge: str | None) -> None:
    rules = [ProtectRule("/**", ("key",))]
    guarded = AuthMiddleware(unreached, runtime=Runtime({"key": Decider(says, challenge="ApiKey")}), rules=rules)
    assert (await Client(guarded).get("/x")).header("www-authenticate") == challenge


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Bearer", ["Bearer"]),
        ('Basic realm="a", Bearer', ['Basic realm="a"', "Bearer"]),
        ('Basic realm="a, B c", charset=x, Bearer scope="c d"', ['Basic realm="a, B c", charset=x', 'Bearer scope="c d"']),
        ('Custom realm="a \\" , B c", Bearer', ['Custom realm="a \\" , B c"', "Bearer"]),
        ("Negotiate abc==, Basic realm=x", ["Negotiate abc==", "Basic realm=x"]),
        ('Bearer realm="unclosed, Basic', ['Bearer realm="unclosed', "Basic"]),
        (" , ,Bearer,, ", ["Bearer"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_header_is_taken_apart_into_its_challenges(text: str, parts: list[str]) -> None:
    assert list(challenges(text)) == parts
