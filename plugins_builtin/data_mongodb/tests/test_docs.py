"""The how-to is true: what it shows is a good configuration, and answers out of the server."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.testing import Client
from plugins_builtin.data_mongodb.tests.conftest import Database
from tests.docs.pages import ROOT, blocks
from tests.support.mongodb import MongoServer
from tests.support.querying import asking

PAGE = ROOT / "docs" / "how-to" / "data-mongodb.md"
KEYS = yaml.safe_load((ROOT / "plugins_builtin" / "data_mongodb" / "plugin.yaml").read_text())["config"]["properties"]


def shown(title: str) -> dict[str, Any]:
    """The page's block of YAML with that title."""
    (block,) = (block for block in blocks(PAGE) if block.language == "yaml" and block.title == title)
    return dict(yaml.safe_load(block.text))


async def test_the_page_answers(server: MongoServer, database: Database) -> None:
    config = shown("mockforge.yaml")
    settings = config["sources"]["shop"]["config"]
    for key in ("user", "password"):
        del settings[key]
    del config["secrets"]
    settings |= {"hosts": [server.host], "write": {}, "connect_ms": 20_000}
    config["sources"]["shop"]["limits"]["timeout_ms"] = 20_000
    async with Client(MockForge(config=load_config(config))) as client:
        made = await client.post("/people", json={"name": "Ada", "city": "Oslo"})
        assert made.status == 201
        id = made.json()["_id"]
        assert (await client.get(f"/people/{id}")).json() == {"_id": id, "name": "Ada", "city": "Oslo"}
        assert [(await client.get(f"/people/{other}")).status for other in ("0" * 24, "x")] == [404, 422]
        assert (await client.get("/cities")).json() == [{"_id": "Oslo", "count": 1}]
        database.people.insert_one({"name": "Bo", "city": "Oslo", "age": 5})
        assert [row["name"] for row in (await client.get("/in/Oslo")).json()] == ["Bo"]
        assert (await client.post("/people", json={"name": {"$gt": ""}, "city": "Oslo"})).status == 422


async def test_the_tables_of_the_page_answer(server: MongoServer, database: Database) -> None:
    source = shown("")["sources"]["shop"]
    source["config"] |= {"hosts": [server.host], "connect_ms": 20_000}
    id = str(database.people.insert_one({"name": "Ada", "city": None}).inserted_id)
    async with asking({**source, "limits": {"timeout_ms": 20_000}}) as made:
        assert (await made.result("rename", {"_id": id, "name": "Bo"}))["affected"] == 1
        assert await made.rows("people") == [{"_id": id, "name": "Bo", "city": None}]


@pytest.mark.parametrize("name", KEYS)
def test_every_setting_is_in_the_how_to(name: str) -> None:
    text = PAGE.read_text()
    assert f"`{name}" in text or f"{name}:" in text
