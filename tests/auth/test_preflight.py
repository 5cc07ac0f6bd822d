"""CORS preflights on protected paths: who may answer before auth, and what of the answer is sent."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Allow, Deny, Principal
from mockforge_asgi.mocks.middleware import ResponseMiddleware
from mockforge_asgi.mocks.responders import Responders
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.testing import Client, Response
from mockforge_asgi.types import Receive, Scope, Send
from tests.support.auth_plugins import Decider, Runtime
from tests.support.template_rendering import renderer

ASKS = {"origin": "https://web.test", "access-control-request-method": "GET"}
GRANT = (b"access-control-allow-origin", b"https://web.test")


class View:
    """An app that does its work whatever the method, as a view that is bound to every method does."""

    def __init__(self, *headers: tuple[bytes, bytes], status: int = 200) -> None:
        self.headers, self.status, self.runs = headers, status, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.runs += 1
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"secret"})


def guarded(
    view: View, preflight: Literal["cors", "app"], says: Any = None, *, methods: frozenset[str] = frozenset()
) -> tuple[AuthMiddleware, Decider]:
    decider = Decider(says or Deny())
    rules = [ProtectRule("/**", ("key",), methods=methods, preflight=preflight)]
    return AuthMiddleware(view, runtime=Runtime({"key": decider}), rules=rules), decider


async def ask(
    app: AuthMiddleware, headers: dict[str, str] = ASKS, *, method: str = "OPTIONS", path: str = "/hello/x", body: bytes = b""
) -> Response:
    return await Client(app).request(method, path, headers=headers, body=body)


async def test_a_forged_preflight_runs_nothing_of_the_app() -> None:
    app, decider = guarded(view := View(GRANT, (b"set-cookie", b"session=1")), "cors")
    answer = await ask(app)
    assert (answer.status, answer.header("set-cookie"), view.runs, decider.asked) == (401, None, 0, ["/hello/x"])


async def test_one_that_auth_lets_pass_reaches_the_app_whole() -> None:
    app, _ = guarded(view := View(GRANT), "cors", Allow(Principal("demo")))
    assert ((await ask(app)).body, view.runs) == (b"secret", 1)


async def test_where_the_rule_says_so_the_app_answers_before_auth() -> None:
    app, decider = guarded(View(GRANT, (b"content-length", b"6")), "app")
    answer = await ask(app)
    assert (answer.status, answer.header("access-control-allow-origin"), answer.body) == (200, "https://web.test", b"")
    assert decider.asked == []


@pytest.mark.parametrize(
    "name",
    ["set-cookie", "location", "x-secret", "server-timing", "link", "etag", "www-authenticate", "clear-site-data", "content-type",
     "refresh", "access-control", "varying", "Set-Cookie"],
)  # fmt: skip
async def test_of_its_headers_only_those_of_cors_are_sent(name: str) -> None:
    app, _ = guarded(View(GRANT, (name.encode(), b"leak"), (b"Vary", b"Origin"), (b"Access-Control-Max-Age", b"9")), "app")
    sent = (await ask(app)).headers
    assert sent == (GRANT_TEXT, ("vary", "Origin"), ("access-control-max-age", "9"), ("content-length", "0"))


GRANT_TEXT = ("access-control-allow-origin", "https://web.test")


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_what_is_no_answer_to_a_preflight_is_not_sent_without_auth(status: int) -> None:
    app, decider = guarded(View((b"set-cookie", b"s=1"), status=status), "app")
    answer = await ask(app)
    assert (answer.status, answer.header("set-cookie"), len(decider.asked)) == (401, None, 1) and b"secret" not in answer.body


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {"origin": "https://web.test"}},
        {"headers": {"access-control-request-method": "GET"}},
        {"headers": {}},
        {"method": "GET"},
        {"method": "options-x"},
        {"body": b"x"},
        {"path": "/x/../hello/x"},
        {"path": "//hello/x"},
    ],
)
async def test_what_is_no_preflight_needs_credentials(how: dict[str, Any]) -> None:
    app, _ = guarded(view := View(GRANT), "app")
    assert (await ask(app, **how)).status in (400, 401) and view.runs == 0


@pytest.mark.parametrize(("grants", "status"), [([GRANT], 200), ([], 401)])
async def test_middlewares_further_in_do_not_take_it_for_the_request_itself(grants: list[tuple[bytes, bytes]], status: int) -> None:
    app, _ = guarded(View(*grants), "app")
    app.app = ResponseMiddleware(app.app, runtime=app.runtime, responders=Responders())
    whole = TemplateMiddleware(app, runtime=app.runtime, renderer=renderer({}))
    assert (await Client(whole).request("OPTIONS", "/hello/x", headers=ASKS)).status == status
