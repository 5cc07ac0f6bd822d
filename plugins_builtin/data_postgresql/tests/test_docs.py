"""The how-to is true: its role, its configurations and its answers."""

from __future__ import annotations

import json
from typing import Any

import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from tests.docs.pages import ROOT, Block, blocks
from tests.support.postgresql import PASSWORD, Postgresql

HOW_TO = ROOT / "docs" / "how-to" / "data-postgresql.md"
MANIFEST = ROOT / "plugins_builtin" / "data_postgresql" / "plugin.yaml"


def of(language: str) -> list[Block]:
    """The page's blocks in that language."""
    return [block for block in blocks(HOW_TO) if block.language == language]


def test_every_key_is_in_the_how_to() -> None:
    keys = yaml.safe_load(MANIFEST.read_text())["config"]["properties"]
    assert [key for key in keys if key not in HOW_TO.read_text()] == []


async def test_the_page_gives_what_it_says(server: Postgresql) -> None:
    server.sql(of("sql")[0].text)
    server.sql("create table stock (id int primary key, n int); insert into stock values (1, 5), (2, 0)")
    config: dict[str, Any] = yaml.safe_load(of("yaml")[0].text)
    writing = yaml.safe_load(of("yaml")[1].text)["sources"]["shop"]
    shop = config["sources"]["shop"]
    shop["queries"] |= writing["queries"]
    shop["config"] |= {
        **writing["config"],
        "host": "127.0.0.1",
        "port": server.port,
        "write": {"user": "writer", "password": {"secret": "write"}},
    }
    config["secrets"] = {"shop_db": {"value": "reads-only"}, "write": {"value": PASSWORD}}
    params = {"from_id": 1, "to_id": 2}
    config["routes"].append({"match": {"method": "POST", "path": "/move"}, "response": {"data": "shop.move", "params": params}})
    async with Client(MockForge(config=config)) as client:
        found = await client.get("/users/1")
        assert (found.status, found.json()["name"]) == (200, "user 1")
        assert (await client.get("/users/100000")).status == 404
        page = await client.get("/users?limit=20")
        assert len(page.json()) == 20 and 'rel="next"' in str(page.header("link"))
        assert [row["id"] for row in (await client.get("/users?city=city 1&limit=2")).json()] == [1, 4]
        assert json.loads((await client.post("/move")).text) == {"affected": 2}
    assert server.sql("select n from stock order by id") == [["4"], ["1"]]


def test_the_tables_of_types_name_what_there_is() -> None:
    from plugins_builtin.data_postgresql.types import KINDS

    text = HOW_TO.read_text()
    names = {"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision", "bool": "boolean"}
    assert [kind for kind in KINDS if f"`{names.get(kind, kind)}`" not in text] == []
