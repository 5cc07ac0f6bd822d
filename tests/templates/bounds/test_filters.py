"""The filters of templates, one line each."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import TemplateFailed
from tests.support.template_rendering import render_now

USERS = [
    {"name": "Ada", "age": 36, "city": "London"},
    {"name": "Bob", "age": 20, "city": "Paris"},
    {"name": "Cy", "age": 20, "city": "London"},
]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ (-3) | abs }}", "3"),
        ("{{ [1, 2, 3] | batch(2, 0) | list }}", "[[1,2],[3,0]]"),
        ("{{ [1, 2, 3] | slice(2) | list }}", "[[1,2],[3]]"),
        ("{{ 'hello world' | capitalize }}|{{ 'hello world' | title }}|{{ 'Ab' | lower }}", "Hello world|Hello World|ab"),
        ("{{ 'ab' | center(6) }}|", "  ab  |"),
        ("{{ 'abc' | count }}{{ [1] | length }}", "31"),
        ("{{ none | default('x', true) }}{{ nope | d(5) }}", "x5"),
        ("{{ {'b': 1, 'a': 2} | dictsort }}", '[["a",2],["b",1]]'),
        ("{{ 123456 | filesizeformat }}", "123.5 kB"),
        ("{{ [5, 6] | first }}{{ [5, 6] | last }}", "56"),
        ("{{ '1.5' | float }}{{ 'x' | float }}{{ '7' | int }}{{ 'x' | int(3) }}{{ 'ff' | int(base=16) }}", "1.50.073255"),
        ("{{ '%05.2f|%s|%d%%' | format(3.14159, 'x', 7) }}", "03.14|x|7%"),
        (
            "{% for city, group in users | groupby('city') %}{{ city }}:{{ group | map(attribute='name') | join(',') }};{% endfor %}",
            "London:Ada,Cy;Paris:Bob;",
        ),
        ("{{ 'a\nb' | indent(2) }}|{{ 'a\nb' | indent(2, true) }}", "a\n  b|  a\n  b"),
        ("{% for k, v in {'a': 1} | items %}{{ k }}{{ v }}{% endfor %}", "a1"),
        ("{{ [1, 'b', none] | join('-') }}{{ users | join(',', attribute='age') }}", "1-b-36,20,20"),
        ("{{ 'abc' | list }}{{ range(3) | list }}", '["a","b","c"][0,1,2]'),
        ("{{ users | map(attribute='name') | list }}{{ ['a'] | map('upper') | list }}", '["Ada","Bob","Cy"]["A"]'),
        ("{{ [3, 1] | max }}{{ [3, 1] | min }}{{ users | max(attribute='age') }}", '31{"name":"Ada","age":36,"city":"London"}'),
        ("{{ range(5) | select('odd') | list }}{{ range(5) | reject('odd') | list }}", "[1,3][0,2,4]"),
        ("{{ users | selectattr('age', 'eq', 20) | map(attribute='name') | join }}", "BobCy"),
        ("{{ users | rejectattr('age', 'eq', 20) | map(attribute='name') | join }}", "Ada"),
        ("{{ 'aaa' | replace('a', 'b', 2) }}{{ 'abc' | reverse }}{{ [1, 2] | reverse }}", "bbacba[2,1]"),
        ("{{ 2.567 | round(1) }} {{ 2.1 | round(0, 'ceil') }} {{ 2.9 | round(method='floor') }}", "2.6 3.0 2.0"),
        ("{{ [2, 1] | sort }}{{ users | sort(attribute='name', reverse=true) | map(attribute='name') | join }}", "[1,2]CyBobAda"),
        ("{{ [1, 2.5] | sum }}{{ users | sum(attribute='age') }}{{ [] | sum(start=4) }}", "3.5764"),
        ("{{ [{'a': {'b': 2}}, {'a': {'b': 3}}] | sum(attribute='a.b') }}", "5"),
        ("{{ 5 | string ~ 'x' }}{{ '  a ' | trim }}{{ 'xax' | trim('x') }}", "5xaa"),
        ("{{ 'one two three' | truncate(9) }}|{{ 'one two three' | truncate(9, true, '…') }}", "one...|one two …"),
        ("{{ [1, 1, 2] | unique | list }}{{ users | unique(attribute='city') | map(attribute='name') | join }}", "[1,2]AdaBob"),
        ("{{ 'a b/c' | urlencode }}?{{ {'q': 'a&b', 'n': 1} | urlencode }}", "a%20b/c?q=a%26b&n=1"),
        ("{{ 'a b  c' | wordcount }}{{ '<' | e }}{{ '<' | escape }}", "3&lt;&lt;"),
        ("{{ {'a': [1]} | json }}{{ 'x' | tojson }}", '{"a":[1]}"x"'),
        ("{{ [7] | random }}", "7"),
    ],
)
def test_a_filter_makes(text: str, made: str) -> None:
    assert render_now(text, users=USERS) == made


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1 | nope }}",
        "{{ ['a'] | sum }}",
        "{{ 1 | items }}",
        "{{ nope | list }}",
        "{{ nope | join }}",
        "{{ 1.5 | round(99) }}",
        "{{ 1.5 | round(1, 'up') }}",
        "{{ '%(a)s' | format(a=1) }}",
        "{{ '%r' | format(1) }}",
        "{{ 'x' | format(1) }}",
        "{{ [] | random }}",
        "{{ now | upper }}",
        "{{ ('<' * 65537) | urlencode }}",
        "{{ {'a': '<' * 65537} | urlencode }}",
        "{{ {'<' * 65537: 1} | urlencode }}",
        "{{ ('<' * 65536) | urlencode | urlencode }}",
    ],
)
def test_a_filter_refuses(text: str) -> None:
    with pytest.raises(TemplateFailed):
        render_now(text)


_LONG = ["sort", "join", "list", "unique | list", "map('string')", "sum", "batch(3)", "reverse", "select", "groupby('a')", "max"]


@pytest.mark.parametrize("filter", _LONG)
def test_a_filter_goes_through_a_bounded_number_of_values(filter: str) -> None:
    assert render_now("{{ v | length }}", v=[1] * 30_000) == "30000"
    with pytest.raises(TemplateFailed, match="a filter goes through too many values at once; the limit values is 10,000"):
        render_now("{{ v | " + filter + " }}", v=[1] * 10_001)


def test_dictsort_sorts_a_bounded_number_of_pairs() -> None:
    assert render_now("{{ v | dictsort | map('first') | join }}", v={"b": 1, "a": 2}) == "ab"
    with pytest.raises(TemplateFailed, match="a filter goes through too many values at once; the limit values is 10,000"):
        render_now("{{ v | dictsort }}", v={str(n): n for n in range(10_001)})
