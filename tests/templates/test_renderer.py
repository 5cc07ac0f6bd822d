"""From a template answer to a response."""

from __future__ import annotations

import asyncio
import gc

import pytest

from mockforge_asgi.errors import PluginFailed, PluginUnavailable, RequestRejected, TemplateFailed
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.templates.bounds.meter import SLICE_S, TemplateLimits
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.types import Json
from tests.support.template_rendering import PlainPlugin, at_once, exchange, render_now, renderer


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
    made = at_once(renderer({name: "1"}), exchange(), TemplateResponse(201, ((b"x-a", b"1"),), name))
    assert made == MockResponse(201, ((b"content-type", content_type), (b"x-a", b"1")), b"1")


def test_a_content_type_of_the_answer_is_kept() -> None:
    headers = ((b"content-type", b"application/problem+json"),)
    made = at_once(renderer({"a.json": "{}"}), exchange(), TemplateResponse(400, headers, "a.json"))
    assert made is not None
    assert made.headers == headers


def test_variables_do_not_take_the_names_of_the_host() -> None:
    assert render_now("{{ request.path }} {{ vars.request }} {{ uuid }} {{ vars.uuid }}", request="mine", uuid="u") == "/hello/Ada mine u u"


async def test_a_plugins_alias_cannot_be_taken_by_a_variable() -> None:
    made = renderer({"t.txt": "{{ p.f() }}"}, PlainPlugin("p", {"f": lambda: "plugin"}))
    assert (await made.render(exchange(), TemplateResponse(template="t.txt", vars={"p": {"f": "var"}}))).body == b"plugin"


async def test_the_name_of_a_plugin_without_functions_is_free_for_a_variable() -> None:
    made = renderer({"t.txt": "Hi {{ name }}"}, PlainPlugin("name", {}))
    assert (await made.render(exchange(), TemplateResponse(template="t.txt", vars={"name": "Ada"}))).body == b"Hi Ada"


async def test_a_plugin_that_is_not_loaded_is_unavailable() -> None:
    nothing: dict[str, PlainPlugin] = {}
    made = Renderer(TemplateStore(None, {"t.txt": "{{ p.f() }}"}), aliases={"p": "gone"}, plugin=nothing.__getitem__)
    with pytest.raises(PluginUnavailable, match="gone"):
        await made.render(exchange(), TemplateResponse(template="t.txt"))


async def test_a_body_that_is_too_large_is_the_clients_fault() -> None:
    with pytest.raises(RequestRejected):
        await renderer({"b.txt": "{{ request.text }}"}).render(
            exchange(method="POST", body=b"x" * (64 << 20)), TemplateResponse(template="b.txt")
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
            await made.render(exchange(), TemplateResponse(template="t.txt"))
        assert (caught.value.template, caught.value.line) == where


def test_a_rendering_leaves_nothing_behind() -> None:
    text = "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}{{ xs | length }}"
    made = renderer({"t.txt": text}, limits=TemplateLimits(steps=20, time_ms=60_000))
    xs = [1, 2]
    for _ in range(5):
        response = at_once(made, exchange(), TemplateResponse(template="t.txt", vars={"xs": xs}))
        assert response is not None and response.body == b"32"
    assert xs == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "{{ request.path_params.id | tojson }}{{ request.method }}{{ request.query.a }}{{ request.headers.host }}",
        "{{ request.json.a }}{{ request.text }}{{ request.claims }}{{ request.principal }}",
        "{% macro m(n) %}{{ request.path }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(2) }}",
        "{% macro m() %}{{ caller() }}{{ request.path }}{% endmacro %}{% call m() %}{{ request.path }}{% endcall %}",
        "{% for x in [1, 2] recursive %}{{ x }}{{ request.path }}{% if x == 2 %}{{ loop([3]) }}{% endif %}{% endfor %}",
        "{% extends 'base.txt' %}{% block b %}{{ super() }}{{ request.path }}{{ self.c() }}{% endblock %}",
        "{% include 'base.txt' %}{% from 'lib.txt' import m %}{{ m() }}{% import 'lib.txt' as lib with context %}{{ lib.m() }}",
        "{% set ns = namespace(n=request) %}{% set x %}{{ ns.n.path }}{% endset %}{{ x }}{{ cycler(1, 2).next() }}{{ joiner()() }}",
        "{{ p.at_once(request.path) }}{{ p.later(request.path) }}{% macro m() %}{{ p.later(1) }}{{ request.path }}{% endmacro %}{{ m() }}",
        "{{ nothing }}",
        "{% macro m() %}{{ request.path }}{{ nothing }}{% endmacro %}{{ m() }}",
        "{{ request.json.a.b.c }}",
        "{% for i in range(99999) %}{{ 'x' * 999 }}{% endfor %}",
        "{{ p.fails(request.path) }}",
        "{{ p.fails_later(request.path) }}",
    ],
)
async def test_no_rendering_leaves_a_reference_cycle(text: str) -> None:
    async def later(value: Json) -> Json:
        await asyncio.sleep(0)
        return value

    async def fails_later(value: Json) -> Json:
        await asyncio.sleep(0)
        raise PluginFailed("p", "template.call", "inside")

    def fails(value: Json) -> Json:
        raise PluginFailed("p", "template.call", "inside")

    plugin = PlainPlugin("p", {"at_once": lambda value: value, "later": later, "fails": fails, "fails_later": fails_later})
    lib = "{% macro m() %}lib{% endmacro %}"
    made = renderer({"t.txt": text, "base.txt": "{% block b %}b{% endblock %}{% block c %}c{% endblock %}", "lib.txt": lib}, plugin)

    async def once() -> bytes:
        on = exchange("/a?a=1", method="POST", headers={"content-type": "application/json", "host": "h"}, body=b'{"a": 1}', route="/{id}")
        try:
            return (await made.render(on, TemplateResponse(template="t.txt"))).body
        except (TemplateFailed, PluginFailed):
            return b""

    await once()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await once()
        assert gc.collect() == 0
    finally:
        gc.enable()


class Clock:
    """A clock that goes on by a third of a slice each time it is looked at."""

    def __init__(self) -> None:
        self.now, self.turns = 0.0, 0

    def __call__(self) -> float:
        self.now += SLICE_S / 3
        return self.now

    async def turn(self) -> None:
        """Others compute for a minute."""
        self.turns += 1
        self.minute()

    def minute(self) -> None:
        """A minute passes."""
        self.now += 60.0


ROWS = [{"name": "x" * 100, "n": n} for n in range(3000)]


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("{% for row in rows %}{{ row.name }}{% endfor %}", 90),
        ("{% for row in rows %}{{ row.n | string }}{% endfor %}", 900),
        ("{% for row in rows %}{{ row.name | upper }}{% endfor %}", 900),
        ("{{ rows | json }}" * 9, 3),
        ("{% for row in rows %}{{ p.f(row.n) }}{% endfor %}", 900),
        ("{% include 'rows' %}{% include 'rows' %}", 180),
        ("{% extends 'rows' %}", 90),
    ],
)
async def test_a_long_rendering_lets_others_have_their_turn_and_their_time_is_not_its_own(text: str, least: int) -> None:
    clock = Clock()
    templates = {"t.txt": text, "rows": "{% for row in rows %}{{ row.name }}{% endfor %}"}
    limits = TemplateLimits(time_ms=30_000)
    made = renderer(templates, PlainPlugin("p", {"f": lambda n: n}), limits=limits, timer=clock, turn=clock.turn)
    response = await made.render(exchange(), TemplateResponse(template="t.txt", vars={"rows": ROWS}))
    assert response.body and clock.turns >= least


async def test_tokens_are_replaced_in_slices_too() -> None:
    clock = Clock()
    made = renderer({"t.tokens.txt": "{{path}} " * 600}, timer=clock, turn=clock.turn)
    assert (await made.render(exchange("/a"), TemplateResponse(template="t.tokens.txt"))).body == b"/a " * 600
    assert clock.turns >= 150


async def test_a_short_rendering_takes_no_turn() -> None:
    clock = Clock()
    made = renderer({"t.txt": "{{ name }}"}, timer=clock, turn=clock.turn)
    assert (await made.render(exchange(), TemplateResponse(template="t.txt", vars={"name": "Ada"}))).body == b"Ada"
    assert clock.turns == 0


async def test_a_rendering_that_computes_too_long_ends_however_often_it_waits() -> None:
    clock = Clock()
    text, limits = "{% for row in rows %}{{ row.name }}{% endfor %}", TemplateLimits(time_ms=20)
    made = renderer({"t.txt": text}, limits=limits, timer=clock, turn=clock.turn)
    with pytest.raises(TemplateFailed, match="computes too long"):
        await made.render(exchange(), TemplateResponse(template="t.txt", vars={"rows": ROWS}))
    assert 0 < clock.turns < 30


@pytest.mark.parametrize(
    ("charset", "body"), [("iso-8859-1", b"\xe9"), ("UTF-8", "é".encode()), ('"windows-1252"', b"\xe9"), ("utf-16be", b"\x00\xe9")]
)
async def test_a_declared_charset_is_obeyed(charset: str, body: bytes) -> None:
    headers = ((b"content-type", f"text/plain; charset={charset}".encode()),)
    answer = TemplateResponse(headers=headers, template="t.txt", vars={"v": "é"})
    assert (await renderer({"t.txt": "{{ v }}"}).render(exchange(), answer)).body == body


@pytest.mark.parametrize(("charset", "why"), [("iso-8859-1", "lacks '€'"), ("nonsense", "not known"), ("punycode", "not known")])
async def test_text_that_a_declared_charset_cannot_carry_is_a_failure(charset: str, why: str) -> None:
    headers = ((b"content-type", f"text/plain; charset={charset}".encode()),)
    with pytest.raises(TemplateFailed, match=why):
        await renderer({"t.txt": "€"}).render(exchange(), TemplateResponse(headers=headers, template="t.txt"))


async def test_a_rendering_that_has_waited_for_a_plugin_has_not_computed_meanwhile() -> None:
    """Else each of many that waited at once would have to wait for a turn of its own."""
    clock = Clock()

    async def wait(n: int) -> Json:
        asyncio.get_running_loop().call_soon(clock.minute)
        await asyncio.sleep(0)
        return n

    made = renderer({"t.txt": "{{ p.f(1) }} {{ p.f(2) }}"}, PlainPlugin("p", {"f": wait}), timer=clock, turn=clock.turn)
    assert (await made.render(exchange(), TemplateResponse(template="t.txt"))).body == b"1 2"
    assert clock.turns == 0
