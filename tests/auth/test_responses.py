"""Decisions as answers, over HTTP and on a websocket handshake."""

from __future__ import annotations

import pytest

from mockforge_asgi.auth.responses import decision_response, denial, refuse_handshake
from mockforge_asgi.contract import Deny, Reply
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.testing import Conversation
from mockforge_asgi.types import Scope
from mockforge_plugin.values import Response


@pytest.mark.parametrize(
    ("deny", "challenge", "error"),
    [
        (Deny(), b"Bearer", b"Authentication failed"),
        (Deny(401, "authentication required"), b"Bearer", b"Authentication required"),
        (Deny(401, "no", 'ApiKey realm="x"'), b'ApiKey realm="x"', b"Authentication failed"),
        (Deny(403, "not you"), None, b"Forbidden"),
        (Deny(403, "more rights", 'Bearer error="insufficient_scope"'), b'Bearer error="insufficient_scope"', b"Forbidden"),
        (Deny(429, "slowly"), None, b"Refused"),
    ],
)
def test_a_denial_is_never_kept_and_a_401_always_has_a_challenge(deny: Deny, challenge: bytes | None, error: bytes) -> None:
    answer = denial(deny)
    headers = dict(answer.headers)
    assert (answer.status, headers.get(b"www-authenticate")) == (deny.status, challenge)
    assert headers[b"cache-control"] == b"no-store" and error in answer.body and deny.reason.encode() in answer.body


def test_a_reply_is_sent_as_it_is_without_framing_headers_of_its_own() -> None:
    answer = decision_response(Reply(Response(302, (("Location", "/login"), ("Content-Length", "99"), ("Connection", "close")), b"go")))
    assert answer == MockResponse(302, ((b"location", b"/login"),), b"go")


def test_a_reply_may_be_a_template() -> None:
    assert decision_response(Reply(Response(template="login.html", vars={"next": "/x"}))) == TemplateResponse(
        200, (), "login.html", {"next": "/x"}
    )


@pytest.mark.parametrize(
    ("extensions", "answer", "sent"),
    [
        ({"websocket.http.response": {}}, MockResponse(401), ["websocket.http.response.start", "websocket.http.response.body"]),
        ({"websocket.http.response": {}}, TemplateResponse(401, (), "t", {}), ["websocket.close"]),
        ({}, MockResponse(401), ["websocket.close"]),
        (None, MockResponse(401), ["websocket.close"]),
    ],
)
async def test_a_handshake_is_refused_as_the_server_allows(
    extensions: dict[str, object] | None, answer: MockResponse | TemplateResponse, sent: list[str]
) -> None:
    talk = Conversation([{"type": "websocket.connect"}])
    scope: Scope = {"type": "websocket", "path": "/", "headers": [], "extensions": extensions}
    await refuse_handshake(Exchange(scope, talk.receive, talk.send), answer)
    assert [message["type"] for message in talk.sent] == sent and talk.received == 1
