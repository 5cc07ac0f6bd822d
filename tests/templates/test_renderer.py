"""From a template answer to a response."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import PluginUnavailable, Refused, TemplateFailed
from mockforge_asgi.http.answers import MockResponse, TemplateAnswer
from mockforge_asgi.templates.limits import TemplateLimits
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from tests.templates.rendering import PlainPlugin, exchange, render_now, renderer


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.json", b"application/json"),
        ("a.html", b"text/html; charset=utf-8"),
        ("a.xml", b"application/xml"),
        ("a.txt", b"text/plain; charset=utf-8"),
    ],
)
def test_the_name_tells_the_content_type(name: str, content_type: bytes) -> None:
    made = renderer({name: "1"}).render_now(exchange(), TemplateAnswer(201, ((b"x-a", b"1"),), name))
    assert made == MockResponse(201, ((b"content-type", content_type), (b"x-a", b"1")), b"1")


def test_a_content_type_of_the_answer_is_kept() -> None:
    headers = ((b"content-type", b"application/problem+json"),)
    made = renderer({"a.json": "{}"}).render_now(exchange(), TemplateAnswer(400, headers, "a.json"))
    assert made is not None
    assert made.headers == headers


def test_variables_do_not_take_the_names_of_the_host() -> None:
    assert render_now("{{ request.path }} {{ vars.request }} {{ uuid }} {{ vars.uuid }}", request="mine", uuid="u") == "/hello/Ada mine u u"


async def test_a_plugins_alias_cannot_be_taken_by_a_variable() -> None:
    made = renderer({"t.txt": "{{ p.f() }}"}, PlainPlugin("p", {"f": lambda: "plugin"}))
    assert (await made.render(exchange(), TemplateAnswer(template="t.txt", vars={"p": {"f": "var"}}))).body == b"plugin"


async def test_the_name_of_a_plugin_without_functions_is_free_for_a_variable() -> None:
    made = renderer({"t.txt": "Hi {{ name }}"}, PlainPlugin("name", {}))
    assert (await made.render(exchange(), TemplateAnswer(template="t.txt", vars={"name": "Ada"}))).body == b"Hi Ada"


async def test_a_plugin_that_is_not_loaded_is_unavailable() -> None:
    nothing: dict[str, PlainPlugin] = {}
    made = Renderer(TemplateStore(None, {"t.txt": "{{ p.f() }}"}), aliases={"p": "gone"}, plugin=nothing.__getitem__)
    with pytest.raises(PluginUnavailable, match="gone"):
        await made.render(exchange(), TemplateAnswer(template="t.txt"))


def test_what_has_to_wait_is_not_rendered_now() -> None:
    made = renderer({"a.txt": "{{ p.f() }}", "b.txt": "{{ request.text }}", "c.txt": "x"}, PlainPlugin("p", {"f": lambda: 1}))
    posted = exchange(method="POST", body=b"hi")
    assert made.render_now(posted, TemplateAnswer(template="a.txt")) is None
    assert made.render_now(posted, TemplateAnswer(template="b.txt")) is None
    assert made.render_now(posted, TemplateAnswer(template="c.txt")) is not None
    assert renderer({"c.txt": "x"}, seed="request").render_now(posted, TemplateAnswer(template="c.txt")) is None


async def test_a_body_that_was_read_is_there_at_once() -> None:
    made = renderer({"b.txt": "{{ request.text }}"})
    posted = exchange(method="POST", body=b"hi")
    assert (await made.render(posted, TemplateAnswer(template="b.txt"))).body == b"hi"
    assert made.render_now(posted, TemplateAnswer(template="b.txt")) is not None


async def test_a_body_that_is_too_large_is_the_clients_fault() -> None:
    with pytest.raises(Refused):
        await renderer({"b.txt": "{{ request.text }}"}).render(
            exchange(method="POST", body=b"x" * (64 << 20)), TemplateAnswer(template="b.txt")
        )


@pytest.mark.parametrize(
    ("templates", "where"),
    [
        ({"t.txt": "a\n\n{{ nope }}"}, ("t.txt", 3)),
        ({"t.txt": "{% include 'u.txt' %}", "u.txt": "\n{{ 1 / 0 }}"}, ("u.txt", 2)),
        ({"t.txt": "{% macro m() %}\n\n{{ nope }}{% endmacro %}\n{{ m() }}"}, ("t.txt", 3)),
        ({"t.txt": "{% extends 'u.txt' %}{% block b %}\n{{ nope }}{% endblock %}", "u.txt": "\n{% block b %}{% endblock %}"}, ("t.txt", 2)),
        ({"t.txt": "\n\n\n{% for %}"}, ("t.txt", 4)),
    ],
)
async def test_a_failure_names_template_and_line(templates: dict[str, str], where: tuple[str, int]) -> None:
    for waits in ({}, {"p": PlainPlugin("p", {"f": lambda: 1})}):
        made = renderer({**templates, "waits.txt": "{{ p.f() }}"}, *waits.values())
        with pytest.raises(TemplateFailed) as caught:
            await made.render(exchange(), TemplateAnswer(template="t.txt"))
        assert (caught.value.template, caught.value.line) == where


def test_a_rendering_leaves_nothing_behind() -> None:
    text = "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}{{ xs | length }}"
    made = renderer({"t.txt": text}, limits=TemplateLimits(steps=20, time_ms=60_000))
    xs = [1, 2]
    for _ in range(5):
        response = made.render_now(exchange(), TemplateAnswer(template="t.txt", vars={"xs": xs}))
        assert response is not None and response.body == b"32"
    assert xs == [1, 2]
