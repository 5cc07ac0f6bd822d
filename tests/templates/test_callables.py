"""Functions of plugins and rows of named queries in templates."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from mockforge_asgi.errors import HostCallError, PluginFailed, PluginUnavailable, TemplateFailed
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.templates.bounds.meter import TemplateLimits
from mockforge_asgi.types import Json
from tests.support.template_rendering import PlainPlugin, exchange, render, renderer


async def later(value: Json) -> Json:
    """The value, after others had their turn."""
    await asyncio.sleep(0)
    return value


NAMES = PlainPlugin("names", {"initials": lambda name, sep="": later(sep.join(w[0] for w in name.split())), "double": lambda x: [x, x]})


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ names.initials(n) }}", "AL"),
        ("{{ names.initials(n, sep='.') }}", "A.L"),
        ("{{ names.initials(n) | lower }}", "al"),
        ("{{ n | names.initials('-') }}", "A-L"),
        ("{{ names['initials'](n) }}", "AL"),
        ("{% for x in names.double(n) %}{{ names.initials(x) }}{% endfor %}", "ALAL"),
        ("{% if names.initials(n) == 'AL' %}yes{% endif %}", "yes"),
        ("{% macro m(x) %}<{{ names.initials(x) }}>{% endmacro %}{{ m(n) }}{{ m('B') }}", "<AL><B>"),
        ("{% set x = names.initials(n) %}{{ x ~ x }}", "ALAL"),
        ("{{ [names.initials(n), 1] | join('+') }}", "AL+1"),
        ("{{ names.double({'a': [1, n]}) | json }}", '[{"a":[1,"Ada Lovelace"]},{"a":[1,"Ada Lovelace"]}]'),
        ("{% call(x) wrap() %}{{ names.initials(n) }}{% endcall %}", "AL"),
    ],
)
async def test_a_function_of_a_plugin_is_called(text: str, made: str) -> None:
    text = "{% macro wrap() %}{{ caller(1) }}{% endmacro %}" + text
    assert await render(text, "txt", NAMES, n="Ada Lovelace") == made


async def test_what_a_plugin_gives_is_escaped_and_never_read_as_a_template() -> None:
    plugin = PlainPlugin("p", {"f": lambda: '"{{ 7*7 }}<'})
    assert await render('{"v": "{{ p.f() }}"}', "json", plugin) == '{"v": "\\"{{ 7*7 }}<"}'
    assert await render("{{ p.f() }}", "html", plugin) == "&#34;{{ 7*7 }}&lt;"


@pytest.mark.parametrize("kind", ["json", "html", "txt"])
async def test_text_put_together_by_a_template_is_handed_over_as_it_was_meant(kind: str) -> None:
    plugin = PlainPlugin("p", {"f": lambda text: None})
    await render("{% set whole %}{{ first }} {{ last }}{% endset %}{{ p.f(whole) }}", kind, plugin, first='"Ada" <a&b>', last="L\n\\")
    assert plugin.calls[0][1] == ('"Ada" <a&b> L\n\\',)


async def test_what_a_template_hands_over_is_plain_data() -> None:
    plugin = PlainPlugin("p", {"f": lambda *args, **kwargs: None})
    await render("{% macro m() %}<b>{% endmacro %}{{ p.f(m(), range(2), (1, 2), x=none) }}", "html", plugin)
    assert plugin.calls == [("f", ("<b>", [0, 1], [1, 2]), {"x": None})]
    assert [type(arg) for arg in plugin.calls[0][1]] == [str, list, list]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ p.g() }}", r"plugin 'p' \(its functions: f\) has no 'g'"),
        ("{{ p.f(nope) }}", "nope"),
        ("{{ p.f(request) }}", "cannot be handed"),
        ("{{ p.f([p]) }}", "cannot be handed"),
        ("{{ p }}", "not a value that can be written"),
        ("{{ p._plugin }}", "has no '_plugin'"),
        ("{{ q.f() }}", "q"),
    ],
)
async def test_a_faulty_call_is_told(text: str, words: str) -> None:
    with pytest.raises(TemplateFailed, match=words):
        await render(text, "txt", PlainPlugin("p", {"f": lambda x=1: x}))


@pytest.mark.parametrize(
    "text",
    [
        "{{ p.f.args }}",
        "{{ p.f.func }}",
        "{{ p.f['keywords'] }}",
        "{{ p.f | attr('args') }}",
        "{{ ([p.f] | map(attribute='args') | list)[0][0] }}",
        "{{ ([p.f] | map('attr', 'func') | list)[0] }}",
        "{{ p.expose }}",
        "{{ p | attr('expose') }}",
        "{{ p.f }}",
        "{{ p.f.__call__ }}",
    ],
)
async def test_nothing_of_a_plugin_can_be_reached_but_its_functions(text: str) -> None:
    with pytest.raises(TemplateFailed):
        await render(text, "txt", PlainPlugin("p", {"f": lambda x=1: x}))


@pytest.mark.parametrize("error", [PluginFailed("p", "template.call", "inside"), PluginUnavailable("p", "full")])
async def test_a_failing_plugin_ends_the_rendering_unless_it_is_to_be_skipped(error: Exception) -> None:
    def fail() -> Json:
        raise error

    with pytest.raises(type(error)):
        await render("{{ p.f() }}", "txt", PlainPlugin("p", {"f": fail}))
    skipped = PlainPlugin("p", {"f": fail}, on_failure="skip")
    assert await render("a{{ p.f() }}b{{ p.f() | default('x', true) }}", "txt", skipped) == "abx"


async def test_64_renderings_at_once_each_get_their_own_answer() -> None:
    waiting: list[asyncio.Future[None]] = []

    async def meet(n: int) -> Json:
        """Answers only once all 64 wait here: calls that took turns would never end."""
        waiting.append(asyncio.get_running_loop().create_future())
        mine = waiting[-1]
        if len(waiting) == 64:
            for other in waiting:
                other.set_result(None)
        await mine
        return n * 10

    made = renderer({"t.txt": "{{ n }}:{{ p.meet(n) }}:{{ request.path }}"}, PlainPlugin("p", {"meet": meet}))

    async def one(n: int) -> str:
        return (await made.render(exchange(f"/{n}"), TemplateResponse(template="t.txt", vars={"n": n}))).body.decode()

    assert await asyncio.gather(*map(one, range(64))) == [f"{n}:{n * 10}:/{n}" for n in range(64)]


async def test_time_spent_waiting_is_not_the_templates_own() -> None:
    now = 0.0

    def slow() -> Json:
        nonlocal now
        now += 100.0
        return "ok"

    made = renderer(
        {"t.txt": "{{ p.slow() }}{% for i in range(900) %}{% endfor %}"},
        PlainPlugin("p", {"slow": slow}),
        limits=TemplateLimits(time_ms=50),
        timer=lambda: now,
    )
    assert (await made.render(exchange(), TemplateResponse(template="t.txt"))).body == b"ok"


async def query(exchange: Exchange, source: str, query: str, params: Mapping[str, Json]) -> Mapping[str, Json]:
    """A data source of two queries."""
    if query == "nothing":
        return {"columns": [{"name": "id", "type": "integer"}], "rows": [], "truncated": False}
    if query == "gone":
        raise HostCallError("not_found", "no such query")
    columns = [{"name": "id", "type": "integer"}, {"name": "price", "type": "float"}, {"name": "of", "type": "text"}]
    return {"columns": columns, "rows": [[params["id"], 0.5, source], [2, None, "{{ 7*7 }}"]], "truncated": False}


async def from_data(text: str, kind: str = "txt") -> str:
    """The text that a template with data makes."""
    made = renderer({f"t.{kind}": text}, query=query, sources=["users"])
    return (await made.render(exchange(), TemplateResponse(template=f"t.{kind}"))).body.decode()


async def test_rows_of_a_query_keep_their_types() -> None:
    text = "{{ data.users.by_id(id=42).rows | json }}"
    assert await from_data(text, "json") == '[{"id":42,"price":0.5,"of":"users"},{"id":2,"price":null,"of":"{{ 7*7 }}"}]'
    assert await from_data("{{ data.users.by_id(id=42).first.id + 1 }} {{ data.users.by_id(id=1).count }}") == "43 2"
    assert await from_data("{{ data.users.nothing().first is none }}") == "true"
    assert await from_data("{% for row in data.users.by_id(id=1).rows %}{{ row.id }};{% endfor %}") == "1;2;"


async def test_one_of_several_rows_is_a_fault_that_names_the_query() -> None:
    with pytest.raises(TemplateFailed, match=r"data\.users\.by_id gave 2 rows, and `one` is of at most one"):
        await from_data("{{ data.users.by_id(id=1).one.id }}")
    assert await from_data("{{ data.users.by_id(id=1).one is defined }} {{ data.users.by_id(id=1)['one'] | default('-') }}") == "false -"
    assert await from_data("{{ data.users.nothing().one is none }}") == "true"
    assert (await from_data("{{ data.users.by_id(id=1) | json }}", "json")).endswith('"count":2}')


async def test_an_unknown_source_or_query_fails() -> None:
    with pytest.raises(TemplateFailed, match="data has no 'orders'"):
        await from_data("{{ data.orders.all() }}")
    with pytest.raises(HostCallError):
        await from_data("{{ data.users.gone() }}")
    with pytest.raises(TemplateFailed):
        await render("{{ data.users.all() }}")
