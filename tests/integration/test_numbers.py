"""A number on its whole way: a client's body, conditions, templates, plugins and their doors, data rows, answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_plugin import (
    Column,
    DataResult,
    DataSourcePlugin,
    Json,
    Request,
    Response,
    ResponsePlugin,
    TemplatePlugin,
    data,
    function,
    kv,
)

BIG = 12345678901234567890123


class Twice(TemplatePlugin):
    """Gives back what it is given, by way of the key-value store."""

    @function
    def same(self, value: Json) -> Json:
        """The value, as it was stored."""
        kv.set("k", value).result()
        return kv.get("k").result()


class Ledger(DataSourcePlugin):
    """Rows with numbers."""

    def query(self, query: str, params: Mapping[str, Json], *, limit: int | None = None, cursor: str | None = None) -> DataResult:
        """Numbers of its own."""
        return DataResult((Column("n", "integer"), Column("m", "float")), ((BIG, 0.1), (-BIG, 2**64)))


class Echo(ResponsePlugin):
    """Answers with what it read."""

    def generate(self, request: Request) -> Response:
        """The body and the rows."""
        rows = data.query("x", "all").result().rows
        return Response.json({"body": request.json().result(), "rows": rows})


ROWS = '[["12345678901234567890123",0.1],["-12345678901234567890123",18446744073709551616]]'
CONFIG = {
    "version": 1,
    "sources": {"x": {"plugin": "ledger", "queries": {"all": "all"}}},
    "routes": [
        {"match": {"path": "/if", "body": {"n": BIG}}, "response": {"json": {"n": BIG, "is": "big"}}},
        {"match": {"path": "/if", "body": {"n": 1}}, "response": {"text": "one"}},
        {"match": {"path": "/t.json"}, "response": {"template_text": '{"n": {{ request.json.n }}, "all": {{ request.json }}}'}},
        {"match": {"path": "/f"}, "response": {"template_text": "{{ twice.same(request.json.n) }} {{ request.json.n | twice.same }}"}},
        {
            "match": {"path": "/rows"},
            "response": {"template_text": "{% for r in data.x.all().rows %}{{ r.n }} {{ r.m }};{% endfor %}"},
        },
        {"match": {"path": "/echo"}, "response": {"plugin": "echo"}},
    ],
}


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/if", b'{"n": 12345678901234567890123}', '{"n":12345678901234567890123,"is":"big"}'),
        ("/if", b'{"n": 1.0}', "one"),
        ("/t.json", b'{"n": [12345678901234567890123, 18446744073709551616]}', None),
        ("/f", b'{"n": 12345678901234567890123}', "12345678901234567890123 12345678901234567890123"),
        ("/f", b'{"n": [-9223372036854775809]}', "[-9223372036854775809] [-9223372036854775809]"),
        ("/rows", b"", "12345678901234567890123 0.1;-12345678901234567890123 18446744073709551616;"),
        ("/echo", b'{"n":12345678901234567890123}', '{"body":{"n":12345678901234567890123},"rows":' + ROWS + "}"),
    ],
)  # fmt: skip
async def test_a_large_number_arrives_as_it_was(path: str, body: bytes, answer: str | None) -> None:
    async with Client(MockForge(config=CONFIG, plugins=[Twice(), Ledger(), Echo()])) as client:
        text = (await client.post(path, body=body)).text
    if answer is None:
        numbers = "[12345678901234567890123,18446744073709551616]"
        answer = f'{{"n": {numbers}, "all": {{"n":{numbers}}}}}'
    assert text == answer


async def test_numbers_of_the_configuration_are_answered_as_they_were_written(tmp_path: Path) -> None:
    config = tmp_path / "mockforge.yaml"
    config.write_text(
        """version: 1
routes:
  - match: {path: /json}
    response: {json: {price: 0.00, total: 10.50, id: 12345678901234567890123, rate: 1e3, mask: 0x1F}}
  - match: {path: /vars}
    response: {template_text: "{{ price }} {{ price + 1 }} {{ [price, id] }} {{ id }}", vars: {price: 0.00, id: 12345678901234567890123}}
"""
    )
    async with Client(MockForge(config=config)) as client:
        assert (await client.get("/json")).text == '{"price":0.00,"total":10.50,"id":12345678901234567890123,"rate":1e3,"mask":31}'
        assert (await client.get("/vars")).text == "0.00 1.0 [0.00,12345678901234567890123] 12345678901234567890123"
