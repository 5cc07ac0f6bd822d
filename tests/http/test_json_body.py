"""A client's JSON: read once for all who look into it, within bounds."""

from __future__ import annotations

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.bounded_json import MAX_DEPTH
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.http import json_body
from mockforge_asgi.http.json_body import NOWHERE, JsonBody
from mockforge_asgi.testing import Client
from mockforge_asgi.types import Json

OVER = {
    "lists": b"[" + b"[]," * 349_000 + b"[]]",
    "objects": b"[" + b"{}," * 349_000 + b"{}]",
    "numbers": b"[" + b"1," * 500_000 + b"1]",
    "texts": b"[" + b'"",' * 349_000 + b'""]',
    "names": b"{" + b",".join(b'"%x":1' % n for n in range(60_000)) + b"}",
    "escaped quotes": b"[" + rb'"\"",' * 200_000 + b"1]",
    "what only begins": b"[" * 1_000_000,
    "depth": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "depth of objects": b'{"a":' * 500 + b"1" + b"}" * 500,
}
"""Bodies of up to 1 MiB, each over the bounds in its own way."""
WITHIN = {
    "records": b"[" + b",".join([b'{"id":1,"n":"x"}'] * 9_000) + b"]",
    "numbers": b"[" + b"1," * 59_000 + b"1]",
    "signs in a text": b'"' + b"[]{},:" * 170_000 + b'"',
    "escapes in a text": b'"' + rb"\"," * 300_000 + b'"',
    "depth": b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
}


@pytest.mark.parametrize("body", OVER.values(), ids=OVER)
def test_a_body_over_the_bounds_has_no_value_and_is_refused_where_one_is_needed(body: bytes) -> None:
    found = JsonBody(body)
    assert found.at(()) is found.at(("a",)) is found.at((0,)) is NOWHERE
    assert "more than" in found.fault
    with pytest.raises(RequestRejected, match="413 the body is (more|nested more) than"):
        found.value()


@pytest.mark.parametrize("body", WITHIN.values(), ids=WITHIN)
def test_a_large_body_within_the_bounds_is_read(body: bytes) -> None:
    found = JsonBody(body)
    assert (found.fault, found.value() is None, found.at(()) is NOWHERE) == ("", False, False)


def test_a_body_that_many_look_into_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def parse(data: bytes, room: object) -> Json:
        read.append(data)
        return {"op": "b"}

    monkeypatch.setattr(json_body, "parse", parse)
    body = JsonBody(b"...")
    assert [body.at(("op",)), body.at(("none",)), body.value(), body.at(("op",))] == ["b", NOWHERE, {"op": "b"}, "b"]
    assert read == [b"..."]


@pytest.mark.parametrize("data", [b"", b"{", b"nul", b"\xff", b"1 2"])
def test_a_body_that_is_not_json_has_no_value_anywhere(data: bytes) -> None:
    body = JsonBody(data)
    assert body.at(()) is body.at(("a",)) is NOWHERE
    assert body.value() is None
    assert body.fault.startswith("not JSON: ")


def served() -> MockForge:
    """A route with a condition on the body, one without at the same path, and a template that shows the body."""
    routes = [
        {"match": {"path": "/a", "body": {"kind": "x"}}, "response": {"text": "kind x"}},
        {"match": {"path": "/only", "body": {"kind": "x"}}, "response": {"text": "kind x"}},
        {"match": {"path": "/a"}, "response": {"text": "any"}},
        {"match": {"path": "/echo"}, "response": {"template_text": "{{ request.json | json }}"}},
    ]
    return MockForge(config={"version": 1, "routes": routes}, dev=True)


@pytest.mark.parametrize("body", [OVER["lists"], OVER["numbers"], OVER["depth"]], ids=["lists", "numbers", "depth"])
async def test_over_the_bounds_conditions_do_not_hold_and_templates_refuse(body: bytes) -> None:
    async with Client(served()) as client:
        assert (await client.post("/a", body=body)).body == b"any"
        unmatched = await client.post("/only", body=body)
        assert (unmatched.status, "the body is " in unmatched.json()["message"]) == (404, True)
        refused = await client.post("/echo", body=body)
        assert (refused.status, "more than" in refused.json()["message"]) == (413, True)
        assert (await client.post("/a", json={"kind": "x"})).body == b"kind x"


@pytest.mark.parametrize("steps", [("name", 0), ("name", "first"), (0,), ("tags", "0"), ("tags", 2)])
def test_a_text_has_no_entries_and_a_list_no_names(steps: tuple[str | int, ...]) -> None:
    assert JsonBody(b'{"name": "Ada", "tags": ["a", "b"]}').at(steps) is NOWHERE
