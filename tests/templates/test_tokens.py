"""Token templates: the tokens that users of other MockForge products write."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.http.responses import TemplateResponse
from tests.support.template_rendering import at_once, exchange, renderer

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 0, UTC)


async def made(text: str, kind: str = "txt", body: bytes = b'{"user": {"id": 7, "tags": ["x"]}}') -> str:
    """The text that a token template makes."""
    request = exchange("/o/5?page=2", method="POST", headers={"x-trace": "t1"}, body=body, route="/o/{id}", params={"id": "5"})
    tokens = renderer({f"t.tokens.{kind}": text}, clock=MOMENT.timestamp)
    answer = TemplateResponse(template=f"t.tokens.{kind}", vars={"NAME": "Ada", "a": {"b": 1}})
    return (await tokens.render(request, answer)).body.decode()


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("{{uuid}} {{ uuid }}", r"[0-9a-f-]{36} [0-9a-f-]{36}"),
        ("{{now}}", "2026-03-04T05:06:07.000Z"),
        ("{{now+1d}} {{now-2h}} {{ now+30m }}", "2026-03-05T05:06:07.000Z 2026-03-04T03:06:07.000Z 2026-03-04T05:36:07.000Z"),
        ("{{rand.int}} {{rand.float}}", r"\d+ \d\.\d+(e-\d+)?"),
        ("{{randInt 3 4}} {{rand.int 5 5}} {{randInt 9 9}}", "[34] 5 9"),
        ("{{method}} {{path}} {{request.method}}", "POST /o/5 POST"),
        ("{{path.id}} {{request.path.id}} {{query.page}} {{headers.x-trace}}", "5 5 2 t1"),
        ("{{body.user.id}} {{request.body.user.tags.0}}", "7 x"),
        ("{{NAME}} {{a.b}}", "Ada 1"),
        ("{{faker.name}}|{{faker.email}}|{{faker.uuid}}", r".+\|.+@.+\|[0-9a-f-]{36}"),
        ('"$random.hex.short"', '"[0-9a-f]{8}"'),
    ],
)
async def test_a_token_becomes_a_value(text: str, pattern: str) -> None:
    assert re.fullmatch(pattern, await made(text))


@pytest.mark.parametrize(
    "text",
    [
        "{{unknown thing}}",
        "{{query.none}}",
        "{{headers.none}}",
        "{{body.none.x}}",
        "{{chain.a.b}}",
        "{{MISSING}}",
        "{{now+1y}}",
        "{{randInt a b}}",
        "{{faker.nope}}",
        "{{ 7*7 }}",
        "{% if x %}",
        "{{ request.__class__ }}",
        "{{}}",
        "{{{",
        '"$random.nope"',
        '"$random.int and more"',
        "{{ vars._x }}",
    ],
)
async def test_what_is_unknown_stays_as_it_is(text: str) -> None:
    assert await made(text) == text


async def test_json_stays_json_and_whole_values_keep_their_types() -> None:
    text = (
        '{"n": "{{body.name}}", "i": "$random.int", "b": "$random.bool", "f": "$random.float", "u": "$random.uuid", "t": "{{randInt 1 1}}"}'
    )
    found = orjson.loads(await made(text, "json", b'{"name": "a\\"b"}'))
    assert found["n"] == 'a"b'
    assert found["t"] == "1"
    assert [type(found[k]) for k in "ibfu"] == [int, bool, float, str]


async def test_every_token_of_one_text_has_its_own_value() -> None:
    assert len(set((await made("{{uuid}} " * 20)).split())) == 20


async def test_what_a_request_sends_is_never_read_as_tokens() -> None:
    assert await made("{{body.x}}", body=b'{"x": "{{uuid}}"}') == "{{uuid}}"


@given(st.text(max_size=80))
def test_any_text_is_rendered(text: str) -> None:
    tokens = renderer({"t.tokens.txt": text})
    compiled = tokens.compiler.get("t.tokens.txt")
    if not compiled.needs_body and "\ud800" > max(text, default="a"):
        at_once(tokens, exchange(), TemplateResponse(template="t.tokens.txt"))
