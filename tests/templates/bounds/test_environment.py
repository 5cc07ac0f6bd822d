"""The bounded environment: what templates can say, what they cannot reach, and how those that want too much end."""

from __future__ import annotations

import tracemalloc
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2.loaders import FunctionLoader

from mockforge_asgi.errors import TemplateFailed
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.templates.bounds.environment import BoundedEnvironment
from mockforge_asgi.templates.bounds.meter import TemplateLimits
from mockforge_asgi.templates.formats import TEXT
from mockforge_asgi.types import Json
from tests.support.template_rendering import PlainPlugin, at_once, exchange, render, render_now, renderer

SMALL = TemplateLimits(output_bytes=20_000, made_bytes=200_000, steps=5_000, values=2_000, time_ms=60_000)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{% for x in [1, 2, 3] %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}", "1, 2, 3"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        ("{% for x in range(10) if x is odd %}{{ x }}{% else %}none{% endfor %}", "13579"),
        ("{% for x in [] %}{{ x }}{% else %}none{% endfor %}", "none"),
        ("{% for x in range(9) %}{% if x == 2 %}{% continue %}{% endif %}{% if x > 3 %}{% break %}{% endif %}{{ x }}{% endfor %}", "013"),
        ("{% for n in tree recursive %}{{ n.v }}{% if n.c is defined %}({{ loop(n.c) }}){% endif %}{% endfor %}", "1(23)"),
        ("{% macro twice(x, y=2) %}{{ x }}{{ y }}{% endmacro %}{{ twice(1) }}{{ twice(1, y=3) }}", "1213"),
        ("{% macro box() %}[{{ caller() }}]{% endmacro %}{% call box() %}in{% endcall %}", "[in]"),
        ("{% set ns = namespace(n=0) %}{% for x in range(4) %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}", "6"),
        ("{% set x %}a{{ 1 }}{% endset %}{{ x }}{{ x }}", "a1a1"),
        ("{% filter upper %}ab{{ 'c' }}{% endfilter %}", "ABC"),
        ("{{ 'a' ~ 1 ~ none ~ true }}", "a1true"),
        ("{{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 4 }} {{ 2 ** 10 }} {{ 'ab' * 2 }} {{ [1] + [2] }} {{ 3 - 5 }}", "3 3.5 3 1024 abab [1,2] -2"),
        ("{{ 'abcdef'[1:3] }}{{ 'abcdef'[-1] }}{{ [1, 2, 3][::2] }}", "bcf[1,3]"),
        ("{{ 'a,b'.split(',') | join('+') }}{{ 'ab'.upper() }}{{ ' x '.strip() }}", "a+bABx"),
        ("{{ d.a.b }}{{ d['a']['b'] }}{{ d.get('zz', 5) }}{{ d.items }}", "115own"),
        ("{{ missing | default('d') }}{{ d.zz | default('e') }}{{ missing is defined }}", "defalse"),
        ("{{ cycler('a', 'b').next() }}{% set j = joiner('-') %}{{ j() }}x{{ j() }}y", "ax-y"),
        ("{% block b %}in{% endblock %}{{ self.b() }}", "inin"),
        ("{{ dict(a=1) | json }}{{ (1, 2) }}", '{"a":1}[1,2]'),
        ("{% do [1] %}{% with x = 5 %}{{ x }}{% endwith %}{# gone #}{% raw %}{{ x }}{% endraw %}", "5{{ x }}"),
        ("  {% if true %}\nx\n  {% endif %}\ny\n", "x\ny\n"),
    ],
)
async def test_a_template_makes_the_same_with_and_without_waiting(text: str, made: str) -> None:
    d: Json = {"a": {"b": 1}, "items": "own"}
    tree = [{"v": 1, "c": [{"v": 2}, {"v": 3}]}]
    assert render_now(text, d=d, tree=tree) == made
    assert await render("{% set q = p.f() %}\n" + text, "txt", PlainPlugin("p", {"f": lambda: ""}), d=d, tree=tree) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a\n", "a\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n"),
        ("a\rb\r", "a\rb\r"),
        ("a\r\nb\nc\rd\n\r\n\n", "a\r\nb\nc\rd\n\r\n\n"),
        ("a\r\n{% if true %}\r\nb\nc{% endif %}\r\n  {% if true %}\nd\r\n{% endif %}\r\n\r\n", "a\r\nb\ncd\r\n\r\n"),
        ("a\n{%- if true -%}\r\n b\r\n{% endif %}\n", "ab\r\n"),
        ("a\n \n{{- 1 }}\r\n{{ 2 -}}\n\r\n {{ 3 }}\r\n", "a1\r\n23\r\n"),
        ("{# a\nb\r\n #}\r\nc\r\nd\n", "c\r\nd\n"),
        ("\n{{ 1 +\n\n 1 }}\r\nx\n", "\n2\r\nx\n"),
        ("\n{% raw %}\r\n{{ x }}\n{% endraw %}\r\n\r\ny\n", "\n\r\n{{ x }}\n\r\ny\n"),
        ("\n{% if true +%}\r\na{% endif %}", "\n\r\na"),
        ("\n{{ 'a\r\nb' }}\r\n\n", "\na\r\nb\r\n\n"),
        ("{% set x %}a\r\nb\n{% endset %}\r\n[{{ x }}]", "[a\r\nb\n]"),
        ("a\x85b\u2028c\x0bd\n", "a\x85b\u2028c\x0bd\n"),
    ],
)
async def test_a_text_keeps_its_line_ends(text: str, made: str) -> None:
    assert render_now(text) == made
    assert await render("{{ p.f() }}" + text, "txt", PlainPlugin("p", {"f": lambda: ""})) == made
    assert render_now(text.replace("\r\n", "\n").replace("\r", "\n")) == made.replace("\r\n", "\n").replace("\r", "\n")


LINES = st.sampled_from(["\n", "\r", "\r\n", "a", " ", "%}", "\t", "\x0c"])
TAGS = st.sampled_from(
    [
        "{{ 1 }}",
        "{{- 1 +\r\n\n1 -}}",
        "{# \n\r #}",
        "{#- a -#}",
        "{% raw %}\r\n{{ x\n{% endraw %}",
        "{%- raw -%}\n \r\nx{%- endraw -%}",
        "{%- set x = 1 -%}",
        "{% set x = '\r\n' +%}",
        "{%+ if true %}",
        "{% if true %}\r",
    ]
)


def unified(text: str) -> str:
    """The text with all line ends alike."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES).map("".join), st.lists(LINES | TAGS).map("".join))
@example("", "\r{% set x = '\r\n' +%}\n")
def test_line_ends_change_nothing_but_themselves(text: str, tagged: str) -> None:
    assert render_now(text + "{{ 1 }}\r\n" + text) == text + "1\r\n" + text
    tagged += "{% endif %}" * (tagged.count("if true"))
    # Piece by piece: a "\r" before a tag and a "\n" after it are two line ends, which look like one once the tag is gone.
    pieces, wanted = tokens(tagged), tokens(unified(tagged))
    assert [(line, kind, unified(piece)) for line, kind, piece in pieces] == wanted
    for end in ("\r", "\r\n"):
        assert unified(render_now(unified(tagged).replace("\n", end))) == render_now(unified(tagged))


def tokens(text: str) -> list[tuple[int, str, str]]:
    """What the lexer makes of a template."""
    loader = FunctionLoader(lambda name: None)
    return list(BoundedEnvironment(TEXT, loader, functions={}, filters={}).lexer.tokeniter(text, "t", None))


def test_line_ends_on_both_sides_of_a_tag_are_two() -> None:
    assert render_now("a\r{% set x = '\r\n' +%}\nb") == "a\r\nb"
    assert render_now("a\n{% set x = 1 +%}\nb") == "a\n\nb"


@pytest.mark.parametrize("suffix", ["txt", "json", "html", "tokens.txt"])
def test_files_keep_their_last_line_end(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"t.{suffix}").write_bytes(b"[1,\r\n2]\r\n\n")
    response = at_once(renderer({}, folder=tmp_path), exchange(), TemplateResponse(template=f"t.{suffix}"))
    assert response is not None and response.body == b"[1,\r\n2]\r\n\n"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ d.b.c | default('x') }}", "x"),
        ("{{ d['b']['c'] | default('x') }}", "x"),
        ("{{ d.b.c.d.e | default('x') }}{{ d.b[0][1] | d('y') }}", "xy"),
        ("{{ nobody.b.c is defined }}{{ d.b.c is undefined }}", "falsetrue"),
        ("{{ d.none.c | default('x') }}{{ d.text.c.d | default('y') }}{{ d.list[7].c | default('z') }}", "xyz"),
        ("{{ request.query.none.x | default('x') }}{{ request.nothing.y | default('y') }}", "xy"),
        ("{{ [d] | map(attribute='b.c', default='x') | join }}", "x"),
        ("{% if d.b.c is defined and d.b.c %}a{% else %}b{% endif %}", "b"),
    ],
)
async def test_a_part_of_what_is_missing_is_missing(text: str, made: str) -> None:
    d: Json = {"a": 1, "none": None, "text": "t", "list": []}
    assert render_now(text, d=d) == made
    assert await render("{{ p.f() }}" + text, "txt", PlainPlugin("p", {"f": lambda: ""}), d=d) == made


@pytest.mark.parametrize(
    "text",
    ["{{ d.b.c }}", "{{ d.b.c() }}", "{% for x in d.b.c %}{% endfor %}", "{{ d.b.c + 1 }}", "{{ d.b.c | upper }}", "{{ d.b.c | json }}"],
)
def test_what_is_missing_is_told_when_it_is_used_and_by_its_first_part(text: str) -> None:
    with pytest.raises(TemplateFailed, match="'b'"):
        render_now(text, d={"a": 1})


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ [''] | map(attribute='__class__') | list }}",
        "{{ [''] | map('attr', '__class__') | list }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{{ request.__class__ }}",
        "{{ request._exchange }}",
        "{{ request['_exchange'] }}",
        "{{ request | attr('_exchange') }}",
        "{{ request.expose }}",
        "{{ request.query.expose }}",
        "{{ request.query._pairs }}",
        "{{ range.__init__ }}",
        "{{ now.__globals__ }}",
        "{{ now.__closure__ }}",
        "{{ uuid.__module__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ joiner.__init__ }}",
        "{{ namespace.__init__ }}",
        "{{ dict.__code__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ self.__init__ }}",
        "{% macro m() %}{% endmacro %}{{ m._environment }}",
        "{% macro m() %}{% endmacro %}{{ m.__init__.__globals__ }}",
        "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
        "{% for x in [1] %}{{ loop.__init__ }}{% endfor %}",
        "{{ lipsum() }}",
        "{{ lipsum.__globals__ }}",
        "{{ 'x'.format(1) }}",
        "{{ '{0.__class__}'.format('') }}",
        "{{ 'x'.format_map({}) }}",
        "{{ 'x'.encode() }}",
        "{{ 'x'.translate({}) }}",
        "{{ 'x'.join(['a', 'b']) }}",
        "{{ 'x'.zfill(5) }}",
        "{{ 'x'.center(5) }}",
        "{{ (1).to_bytes(4, 'big') }}",
        "{{ (1.5).hex() }}",
        "{{ [1].append(2) }}",
        "{{ {'a': 1}.update({}) }}",
        "{{ {'a': 1}.clear() }}",
        "{{ '%s' % 1 }}",
        "{{ 1 | pprint }}",
        "{{ 'http://x' | urlize }}",
        "{{ '<b>' | striptags }}",
        "{{ {'a': 1} | xmlattr }}",
        "{{ context }}",
        "{{ environment }}",
        "{{ request }}",
        "{{ now }}",
        "{{ faker._locale }}",
        "{{ faker.seed_instance(1) }}",
        "{% include '/etc/passwd' %}",
        "{% include '../x' %}",
    ],
)
def test_a_template_cannot_reach(text: str) -> None:
    with pytest.raises(TemplateFailed):
        render_now(text)


DOUBLE = "{% set ns = namespace(x=%s) %}{% for i in range(60) %}{% set ns.x = %s %}{% endfor %}{{ ns.x | length }}"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("{{ 'x' * 100000000 }}", "output_bytes"),
        ("{{ 100000000 * 'x' }}", "output_bytes"),
        ("{{ [0] * 100000000 }}", "values"),
        ("{{ (0,) * 100000000 }}", "values"),
        ("{{ range(100000000) | list }}", "values"),
        ("{{ range(100000000) | join }}", "values"),
        ("{{ range(100000000) | sum }}", "values"),
        ("{% for i in range(100000000) %}{% endfor %}", "values"),
        ("{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}", "steps"),
        ("{% for i in range(1000) %}{% for j in range(1000) if false %}{% endfor %}{% endfor %}", "steps"),
        ("{% for i in range(1999) %}{{ 'x' * 100 }}{% endfor %}", "output_bytes|made_bytes"),
        ("{{ 9 ** 9 ** 9 }}", "integer_bits"),
        ("{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}", "integer_bits"),
        ("{% set ns = namespace(x=3) %}{% for i in range(999) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}", "integer_bits"),
        (DOUBLE.replace("%s", "'x'", 1).replace("%s", "ns.x + ns.x"), "output_bytes"),
        (DOUBLE.replace("%s", "'x'", 1).replace("%s", "ns.x ~ ns.x"), "output_bytes"),
        (DOUBLE.replace("%s", "'x'", 1).replace("%s", "[ns.x, ns.x] | join"), "output_bytes"),
        (DOUBLE.replace("%s", "'xx'", 1).replace("%s", "ns.x | replace('x', 'xx')"), "output_bytes"),
        (DOUBLE.replace("%s", "'x'", 1).replace("%s", "'%s%s' | format(ns.x, ns.x)"), "output_bytes"),
        (DOUBLE.replace("%s", "[0]", 1).replace("%s", "ns.x + ns.x"), "values"),
        (DOUBLE.replace("%s", "[0]", 1).replace("%s", "[ns.x, ns.x]"), "values"),
        (DOUBLE.replace("%s", "[0]", 1).replace("%s", "(ns.x, ns.x)"), "values"),
        (DOUBLE.replace("%s", "{}", 1).replace("%s", "{'a': ns.x, 'b': ns.x}"), "values"),
        (DOUBLE.replace("%s", "{}", 1).replace("%s", "dict(a=ns.x, b=ns.x)"), "values"),
        (DOUBLE.replace("%s", "[0]", 1).replace("%s", "[0, 0] | map('default', ns.x, true) | list"), "values"),
        (DOUBLE.replace("%s", "[0]", 1).replace("%s", "[1] | batch(3, ns.x)"), "values"),
        ("{% set ns = namespace(l=[]) %}{% for i in range(900) %}{% set ns.l = ns.l + ['x' * 9999] %}{% endfor %}", "made_bytes"),
        ("{% set t = 'x' * 9999 %}{% for i in range(900) %}{% set s = t[1:] %}{% endfor %}", "made_bytes"),
        ("{% set t = 'x' * 9999 %}{% for i in range(900) %}{% set s = t.upper() %}{% endfor %}", "made_bytes"),
        ("{{ ('x,' * 9000).split(',') | length }}", "values"),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", "depth|nest too deep"),
        ("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(30) }}", "steps"),
        ("{% for x in t recursive %}{{ loop(t) }}{% endfor %}", "depth|nest too deep|steps"),
        ("{% include 't.txt' %}", "nest too deep|steps"),
        ("{% extends 't.txt' %}", "nest too deep|steps"),
        ("{% import 't.txt' as t %}", "nest too deep|steps"),
        ("{% block a %}{{ self.a() }}{% endblock %}", "nest too deep|steps"),
        ("{{ 'x' | center(100000000) }}", "width"),
        ("{{ 'x' | indent(100000000) }}", "width"),
        ("{{ '%100000000d' | format(1) }}", "format takes|width"),
        ("{{ '%*d' | format(100000000, 1) }}", "format takes"),
        ("{{ [1] | batch(100000000, 0) }}", "width"),
        ("{{ [1] | slice(100000000) }}", "width"),
        ("{{ rand_hex(100000000) }}", "1 to 1024"),
        ("{{ now(format='%100000000Y') }}", "strftime"),
        ("{{ ('9' * 5000) | int + 1 }}{{ " + "9" * 5000 + " }}", "."),
        ("{{ '" + "(" * 300 + "' }}{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "nests too deep|compiled|parse"),
        ("{% if 1 %}" * 400 + "{% endif %}" * 400, "compiled|nests"),
    ],
)
def test_a_hostile_template_ends_at_a_limit(text: str, limit: str) -> None:
    with pytest.raises(TemplateFailed, match=limit):
        render_now(text, limits=SMALL, t=[1])


@pytest.mark.parametrize("waits", ["", "{{ p.f() }}"])
async def test_waiting_templates_have_the_same_bounds(waits: str) -> None:
    plugin = PlainPlugin("p", {"f": lambda: "ok"})
    for text in ("{{ 'x' * 100000000 }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% include 't.txt' %}"):
        with pytest.raises(TemplateFailed):
            await render(waits + text, "txt", plugin)


def test_a_clock_that_has_run_out_ends_the_rendering() -> None:
    seconds = iter(range(1_000_000))
    made = renderer(
        {"t.txt": "{% for i in range(9999) %}{% endfor %}"}, limits=TemplateLimits(time_ms=50), timer=lambda: float(next(seconds))
    )
    with pytest.raises(TemplateFailed, match="time_ms"):
        at_once(made, exchange(), TemplateResponse(template="t.txt"))


A_LOT = "{% set s = 'x' * 9999 %}{% set l = [s] * 1900 %}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.txt", A_LOT + "{{ l | tojson | length }}"),
        ("t.json", A_LOT + "{{ l }}"),
        ("t.txt", A_LOT + "{{ {'a': l} | string | length }}"),
        ("t.json", A_LOT + "{{ (l + ['a' | safe]) | join }}"),
        ("t.txt", A_LOT + "{{ {'a': s, 'b': l} | urlencode | length }}"),
        ("t.txt", A_LOT + "{{ ('%s' * 900) | format(*(l[:900])) }}"),
        ("t.json", A_LOT + "{% macro m() %}{% for i in range(900) %}{{ s }}{% endfor %}{% endmacro %}{{ m() | length }}"),
        ("t.html", A_LOT + "{% set b %}{% for i in range(900) %}{{ s }}{% endfor %}{% endset %}{{ b | length }}"),
        ("t.txt", A_LOT + "{% filter length %}{% for i in range(900) %}{{ [s] }}{% endfor %}{% endfilter %}"),
        ("t.tokens.json", "{{x}}" * 900),
    ],
)
def test_text_that_would_be_too_long_is_not_made_first(name: str, text: str) -> None:
    made = renderer({name: text}, limits=TemplateLimits(output_bytes=20_000, made_bytes=200_000, values=4000, time_ms=60_000))
    answer = TemplateResponse(template=name, vars={"x": "x" * 9999})
    made.compiler.get(name)
    tracemalloc.start()
    try:
        with pytest.raises(TemplateFailed, match="output_bytes|made_bytes"):
            at_once(made, exchange(), answer)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in l %}{% if l == m %}{% endif %}{% endfor %}",
        "{% for i in l %}{% set x = 1 %}{% endfor %}",
        "{% for i in l if true %}{% endfor %}",
        "{% for i in l recursive %}{% if loop.depth0 == 0 %}{{ loop(l) }}{% endif %}{% endfor %}",
        "{{ 'xy'.count('z') }}" * 200,
        "{{ [l, m] and 1 }}" * 200,
        "{{ l | select('in', m) | list }}",
        "{{ l | reject('eq', m) | list }}",
        "{{ l | map('default', 1) | sum }}",
        "{{ l | sort }}",
        "{{ l | max }}",
        "{{ faker.words(900) }}",
    ],
)
@pytest.mark.parametrize("waits", [False, True])
async def test_what_takes_long_in_few_steps_ends_by_the_clock(text: str, waits: bool) -> None:
    ticks = count()
    plugin = PlainPlugin("p", {"f": lambda: ""})
    limits = TemplateLimits(time_ms=100_000)
    made = renderer({"t.txt": ("{{ p.f() }}" if waits else "") + text}, plugin, limits=limits, timer=lambda: float(next(ticks)))
    lists: Json = list(range(150))
    with pytest.raises(TemplateFailed, match="time_ms"):
        await made.render(exchange(), TemplateResponse(template="t.txt", vars={"l": lists, "m": list(lists)}))


@pytest.mark.parametrize("call", ["strip(%s)", "lstrip(%s)", "rstrip(%s)", "rfind(%s)", "rsplit(%s)", "rsplit(sep=%s)", "rpartition(%s)"])
def test_a_search_that_compares_all_with_all_is_paid_for_in_steps(call: str) -> None:
    with pytest.raises(TemplateFailed, match="steps"):
        render_now("{{ ('a' * 9999)." + call % "'b' * 9999 ~ 'a'" + " }}", limits=SMALL)
    with pytest.raises(TemplateFailed, match="steps"):
        render_now("{{ ('a' * 9999) | trim('b' * 9999 ~ 'a') }}", limits=SMALL)
    assert render_now("{{ ('a' * 9999)." + call % "'b'" + " | string | length > 0 }}", limits=SMALL) == "true"


@pytest.mark.parametrize("waits", ["", "{{ p.f() }}"])
@pytest.mark.parametrize("how", ["{% import 'lib.txt' as lib %}{{ lib.id }}", "{% from 'lib.txt' import id %}{{ id }}"])
async def test_what_an_imported_template_sets_is_of_one_rendering(how: str, waits: str) -> None:
    made = renderer({"t.txt": waits + how, "lib.txt": "{% set id = uuid() %}"}, PlainPlugin("p", {"f": lambda: ""}))
    bodies = {(await made.render(exchange(), TemplateResponse(template="t.txt"))).body for _ in range(5)}
    assert len(bodies) == 5


def test_an_undefined_name_is_told_with_template_and_line() -> None:
    with pytest.raises(TemplateFailed) as caught:
        render_now("a\nb {{ user.name }}\n", user={"nam": 1})
    assert (caught.value.template, caught.value.line) == ("t.txt", 2)
    assert "name" in str(caught.value)


def test_a_part_of_the_request_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(TemplateFailed, match="request has no 'qery'"):
        render_now("{{ request.qery }}")


PIECES = st.sampled_from(
    """x 1 9999 'ab' [x] [x,x] {'a':x} x*x x+x x**9 x~x x|length x|list x|join x|upper x|json x|map('upper') x|batch(3) x|sort x|unique
    x|replace('a','bb') x|format(x) x|center(50) x|indent(9) x[1:] x.upper() x.split('a') range(x) x|sum x|int x|round(3) x|first x|last
    x|random x|dictsort x|groupby('a') x|tojson x|urlencode x|trim x.a x['a'] x.__class__ request now() uuid() rand_int(1,x) choice(x)
    x|attr('a') x|select('odd') x|reject x|items x|abs x|float x|string x|truncate(3) x|wordcount x|xmlattr""".split()
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=8), st.sampled_from(["txt", "json", "html"]))
def test_any_mix_of_expressions_makes_a_text_or_fails_with_words(pipeline: list[str], kind: str) -> None:
    text = "{% set x = 3 %}"
    for piece in pipeline:
        text += "{% for i in [1, 2] %}{% set x = " + piece + " %}{{ x is defined }}{% endfor %}{% set x = " + piece + " %}"
    try:
        made = render_now(text + "{{ x }}", kind, limits=SMALL)
    except TemplateFailed as error:
        assert str(error)
    else:
        assert len(made) <= SMALL.output_bytes


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60).map(lambda inner: "{{" + inner + "}}") | st.text(max_size=60).map(lambda inner: "{%" + inner + "%}"))
def test_any_source_makes_a_text_or_fails_with_words(text: str) -> None:
    try:
        render_now(text, limits=SMALL)
    except TemplateFailed as error:
        assert str(error)
