"""Kinds of text: what a value looks like in each, and that JSON templates make JSON."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import TemplateFailed
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.templates.formats import HTML, JSON, TEXT, XML, Format, format_of
from mockforge_asgi.types import Json
from tests.support.template_rendering import at_once, exchange, render_now, renderer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", JSON),
        ("a.JSON", JSON),
        ("dir/a.json.j2", JSON),
        ("a.html", HTML),
        ("a.htm", HTML),
        ("a.xml", XML),
        ("a.txt", TEXT),
        ("a", TEXT),
        ("json", TEXT),
        ("a.json.txt", TEXT),
        ("a.tokens.json", JSON),
    ],
)
def test_the_name_tells_the_kind(name: str, kind: Format) -> None:
    assert format_of(name) is kind


@pytest.mark.parametrize(
    ("name", "kind", "content_type"),
    [
        ("not-found.problem+json", "json", b"application/problem+json"),
        ("dir/Order.HAL+JSON.j2", "json", b"application/hal+json"),
        ("a.tokens.vnd-x+json", "json", b"application/vnd-x+json"),
        ("feed.atom+xml", "xml", b"application/atom+xml"),
        ("logo.svg", "xml", b"image/svg+xml"),
        ("page.xhtml", "xml", b"application/xhtml+xml"),
        ("c+json", "txt", b"text/plain; charset=utf-8"),
        ("a.b c+json", "txt", b"text/plain; charset=utf-8"),
        ("a.+json", "txt", b"text/plain; charset=utf-8"),
        ("a.json+zip", "txt", b"text/plain; charset=utf-8"),
    ],
)
def test_a_structured_suffix_tells_kind_and_type(name: str, kind: str, content_type: bytes) -> None:
    found = format_of(name)
    assert (found.name, found.content_type) == (kind.replace("txt", "text"), content_type)


@pytest.mark.parametrize(
    ("name", "text", "made"),
    [
        ("t.problem+json", '{"v": "{{ v }}"}', '{"v": "a\\"<&"}'),
        ("t.atom+xml", "<v>{{ v }}</v>", "<v>a&#34;&lt;&amp;</v>"),
        ("t.svg", "<v>{{ v }}</v>", "<v>a&#34;&lt;&amp;</v>"),
        ("t.tokens.hal+json", '{"v": "{{v}}"}', '{"v": "a\\"<&"}'),
    ],
)
def test_values_are_escaped_for_a_structured_suffix(name: str, text: str, made: str) -> None:
    response = at_once(renderer({name: text}), exchange(), TemplateResponse(template=name, vars={"v": 'a"<&'}))
    assert response is not None and response.body.decode() == made


def test_what_a_structured_json_template_makes_is_checked() -> None:
    with pytest.raises(TemplateFailed, match="the result is not JSON"):
        at_once(renderer({"t.hal+json": "{{ v }}"}), exchange(), TemplateResponse(template="t.hal+json", vars={"v": "x"}))


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("txt", '<"a">', '<"a">'),
        ("txt", None, ""),
        ("txt", True, "true"),
        ("txt", 1.50, "1.5"),
        ("txt", [1, "a", None], '[1,"a",null]'),
        ("html", '<"a">', "&lt;&#34;a&#34;&gt;"),
        ("html", None, ""),
        ("html", ["<"], "[&#34;&lt;&#34;]"),
        ("xml", "a&b", "a&amp;b"),
        ("html", 2**70, str(2**70)),
    ],
)
def test_a_value_is_put_in(kind: str, value: Json, made: str) -> None:
    assert render_now("{{ v }}", kind, v=value) == made


@pytest.mark.parametrize(
    ("text", "value", "meant"),
    [
        ('{"v": "{{ v }}"}', 'a"b\\\n\u2028é', {"v": 'a"b\\\n\u2028é'}),
        ('{"v": {{ v }}}', 5, {"v": 5}),
        ('{"v": {{ v }}}', True, {"v": True}),
        ('{"v": {{ v }}}', None, {"v": None}),
        ('{"v": {{ v }}}', {"a": ['"']}, {"v": {"a": ['"']}}),
        ('{"v": {{ v | json }}}', 'a"b', {"v": 'a"b'}),
        ('{"v": {{ v | tojson }}}', {"a": 1.5}, {"v": {"a": 1.5}}),
        ('{"v": "{{ v ~ 1 ~ v }}"}', '"', {"v": '"1"'}),
        ('{"v": "{% set x %}{{ v }}{% endset %}{{ x }}{{ x ~ v }}"}', '"', {"v": '"""'}),
        ('{% macro m(x) %}"{{ x }}"{% endmacro %}[{{ m(v) }}]', '"', ['"']),
        ('["{{ [v, v] | join(v) }}", "{{ v | upper }}", "{{ v | e }}"]', '"', ['"""', '"', "&#34;"]),
        ('["{{ v | replace(v, v ~ v) }}"]', '"', ['""']),
        ("[{{ v | safe }}]", '{"a":1}', [{"a": 1}]),
        ('["{{ v + v }}", "{{ v * 2 }}"]', '"', ['""', '""']),
    ],
)
def test_a_json_template_makes_the_json_that_is_meant(text: str, value: Json, meant: Json) -> None:
    assert orjson.loads(render_now(text, "json", v=value)) == meant


def test_json_in_html_is_safe_inside_a_script() -> None:
    assert render_now("<script>x = {{ v | json }}</script>", "html", v="</script>&'") == (
        '<script>x = "\\u003c/script\\u003e\\u0026\\u0027"</script>'
    )


def test_a_macro_is_not_escaped_twice() -> None:
    text = "{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}{{ m(v) }}{{ m(v) ~ v }}{% call m(v) %}{% endcall %}"
    assert render_now(text.partition("{% call")[0], "html", v="<") == "<b>&lt;</b><b>&lt;</b>&lt;"


@pytest.mark.parametrize("text", ['{"a": }', '{"a": 1,}', "", '{"a": {{ v }}}', "{{ n }}"])
def test_a_json_template_that_makes_no_json_fails(text: str) -> None:
    with pytest.raises(TemplateFailed):
        render_now(text, "json", v="no quotes around me", n=float("nan"))


def test_a_lone_surrogate_cannot_be_sent() -> None:
    with pytest.raises(TemplateFailed, match="surrogate"):
        render_now("{{ v }}", v="\ud800")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.text())
def test_any_data_survives_a_json_template(value: Json, text: str) -> None:
    made = orjson.loads(render_now('{"v": {{ v | json }}, "t": "{{ t }}", "k{{ t }}": 1}', "json", v=value, t=text))
    assert made["v"] == value
    assert made["t"] == text and made["k" + text] == 1


@given(st.text())
def test_no_text_opens_a_tag_in_html(text: str) -> None:
    made = render_now('<a title="{{ t }}">{{ t }}</a>', "html", t=text)
    assert made.count("<") == made.count(">") == 2
    assert made.count('"') == 2


def test_a_text_without_quotes_is_told_by_its_place_and_what_to_write() -> None:
    with pytest.raises(TemplateFailed) as raised:
        render_now('{"a": {{ x }}}', "json", x="b")
    assert 'JSON value (line 1, column 7 of the result). Text is put in without quotes: write "{{ … }}" or {{ … | json }}.' in str(
        raised.value
    )


@pytest.mark.parametrize(
    "sign", ['"', "\\", "\n", "\r", "\t", "\b", "\f", "\x00", "\x1f", "\x7f", "a", "é", "€", "😀", "\u2028", "</", "/"]
)
@pytest.mark.parametrize("times", [1, 40_000])
def test_a_text_is_written_the_same_short_or_long(sign: str, times: int) -> None:
    assert render_now('{{ t | json }}"{{ t }}"', "txt", t=sign * times) == orjson.dumps(sign * times).decode() + f'"{sign * times}"'
    assert render_now('{"t": "{{ t }}"}', "json", t=sign * times) == '{"t": ' + orjson.dumps(sign * times).decode() + "}"
