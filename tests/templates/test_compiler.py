"""How templates are compiled: straight through unless something is waited for."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import ConfigError, TemplateFailed
from tests.support.template_rendering import PlainPlugin, renderer

PARTS = {
    "plain.txt": "{{ x }}",
    "calls.txt": "{{ p.f() }}",
    "body.txt": "{{ request.json.a }}",
    "lib.txt": "{% macro m() %}{{ p.f() }}{% endmacro %}",
}


@pytest.mark.parametrize(
    ("text", "may_wait", "needs_body"),
    [
        ("{{ x }}{{ request.path }}", False, False),
        ("{{ p.f() }}", True, False),
        ("{{ x | p.f }}", True, False),
        ("{% if false %}{{ p.f() }}{% endif %}", True, False),
        ("{{ data.a.b() }}", True, False),
        ("{% set p = {'f': 1} %}{{ p.f }}", False, False),
        ("{{ request.body }}", False, True),
        ("{{ request['text'] }}", False, True),
        ("{{ request[x] }}", False, True),
        ("{% include 'plain.txt' %}", False, False),
        ("{% include 'calls.txt' %}", True, False),
        ("{% include 'body.txt' %}", False, True),
        ("{% from 'lib.txt' import m with context %}{{ m() }}", True, False),
        ("{% extends 'calls.txt' %}", True, False),
        ("{% include x %}", True, True),
        ("{% include ['none.txt', 'plain.txt'] %}", False, False),
        ("{% include 'none.txt' ignore missing %}", False, False),
    ],
)
def test_a_template_waits_only_where_it_must(text: str, may_wait: bool, needs_body: bool) -> None:
    compiled = renderer({**PARTS, "t.txt": text}, PlainPlugin("p", {"f": lambda x=0: 1})).compiler.get("t.txt")
    assert (compiled.may_wait, compiled.needs_body) == (may_wait, needs_body)


def test_an_unknown_template_is_told_with_those_there_are() -> None:
    with pytest.raises(TemplateFailed, match=r"'no\.txt'.*known are: body\.txt"):
        renderer(PARTS).compiler.get("no.txt")


def test_compiling_happens_once() -> None:
    compiler = renderer(PARTS).compiler
    assert compiler.get("plain.txt") is compiler.get("plain.txt")


def test_an_alias_cannot_take_a_name_that_templates_have() -> None:
    with pytest.raises(ConfigError, match="request"):
        renderer({}, PlainPlugin("request", {}))
