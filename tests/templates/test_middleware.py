"""The ASGI piece that renders what the app inside it answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mockforge_asgi.errors import PluginFailed, RequestRejected
from mockforge_asgi.events import Event, RenderFailed
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.testing import Client
from mockforge_asgi.types import Receive, Scope, Send
from tests.support.template_rendering import PlainPlugin, exchange, renderer


class Runtime(PluginRuntime):
    """One without plugins; `told` has every event."""

    def __init__(self) -> None:
        super().__init__({"version": 1})
        self.told: list[Event] = []
        self.events.subscribe(self.told.append)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with a template, or with bytes where nobody renders."""
    if scope["type"] != "http":
        return
    if "mockforge.template" not in (scope.get("extensions") or {}) or scope["path"] == "/bytes":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bytes"})
        return
    name = scope["path"][1:]
    await send({"type": "mockforge.template", "status": 201, "headers": [(b"x-a", b"1")], "name": name, "vars": {"who": "Ada"}})


def piece(runtime: Runtime, templates: Mapping[str, str], *, shows_errors: bool = False) -> TemplateMiddleware:
    """The piece around the app."""
    made = renderer(templates, PlainPlugin("p", {"f": lambda: "called"}))
    return TemplateMiddleware(app, runtime=runtime, renderer=made, shows_errors=shows_errors)


async def test_a_message_of_the_app_is_rendered() -> None:
    client = Client(piece(Runtime(), {"hi.txt": "Hi {{ who }} at {{ request.path }} {{ p.f() }}"}))
    answer = await client.get("/hi.txt")
    assert (answer.status, answer.text, answer.header("x-a")) == (201, "Hi Ada at /hi.txt called", "1")
    assert answer.header("content-type") == "text/plain; charset=utf-8"


async def test_other_answers_pass() -> None:
    answer = await Client(piece(Runtime(), {})).get("/bytes")
    assert answer.body == b"bytes"


@pytest.mark.parametrize("shows", [False, True])
async def test_a_failure_is_an_event_and_shown_to_developers_only(shows: bool) -> None:
    runtime = Runtime()
    answer = await Client(piece(runtime, {"bad.txt": "\n{{ secret_name }}"}, shows_errors=shows)).get("/bad.txt")
    assert answer.status == 500
    assert ("secret_name" in answer.text) is shows
    assert [(type(e), getattr(e, "template", "")) for e in runtime.told] == [(RenderFailed, "bad.txt")]


async def test_a_failure_names_the_place_and_line_of_its_template() -> None:
    def fail() -> None:
        raise PluginFailed("p", "template.call", "no such word", author_traceback='Traceback\n  File "plugin.py", line 7')

    runtime = Runtime()
    texts = {"routes[0].txt": "\n{{ nothing }}", "page.txt": "{{ p.f() }}"}
    store = TemplateStore(None, texts, locations={"routes[0].txt": "mockforge.yaml:9 routes[0].response.template_text"})
    plugin = PlainPlugin("p", {"f": fail})
    client = Client(TemplateMiddleware(app, runtime=runtime, renderer=Renderer(store, aliases={"p": "p"}, plugin=lambda name: plugin)))
    assert [(await client.get(f"/{name}")).status for name in texts] == [500, 502]
    assert [getattr(event, "reason", "") for event in runtime.told] == [
        "template 'routes[0].txt' (mockforge.yaml:9 routes[0].response.template_text) line 2: 'nothing' is undefined",
        "template 'page.txt' line 1: plugin 'p' failed in template.call: no such word",
    ], "why a plugin failed is told by the event of its call"


@pytest.mark.parametrize("shows", [False, True])
async def test_developers_are_told_the_plugin_and_its_line_and_no_secret(shows: bool) -> None:
    def fail() -> None:
        raise PluginFailed("p", "template.call", "no word hush-hush-1", author_traceback='Traceback\n  File "plugin.py", line 7')

    runtime = Runtime()
    runtime.events.redact = Redactor(Secrets({"word": "hush-hush-1"}))
    made = renderer({"page.txt": "\n{{ p.f() }}", "own.txt": "{{ p['hush-hush-1']() }}"}, PlainPlugin("p", {"f": fail}))
    client = Client(TemplateMiddleware(app, runtime=runtime, renderer=made, shows_errors=shows))
    for name, status, words in (
        ("page", 502, ("'page.txt' line 2", "plugin 'p'", "no word [redacted]", "line 7")),
        ("own", 500, ("line 1",)),
    ):
        for headers, is_told in (({}, shows), ({"origin": "https://web.test"}, False)):
            response = await client.get(f"/{name}.txt", headers=headers)
            assert (response.status, all(word in response.json()["message"] for word in words)) == (status, is_told)
            assert "hush" not in response.text


async def test_the_clients_own_fault_is_not_a_failed_template() -> None:
    runtime = Runtime()
    templates = piece(runtime, {"b.txt": "{{ request.text }}"})
    with pytest.raises(RequestRejected):
        await templates.render(exchange(method="POST", body=b"x" * (64 << 20)), TemplateResponse(template="b.txt"))
    assert not runtime.told
