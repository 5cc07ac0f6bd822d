"""The how-to is true: what it shows is a good configuration, and answers out of the API."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.testing import Client, Server
from plugins_builtin.data_graphql.documents import read_query
from plugins_builtin.data_graphql.tests.api import Api
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "data-graphql.md"
KEYS = yaml.safe_load((ROOT / "plugins_builtin" / "data_graphql" / "plugin.yaml").read_text())["config"]["properties"]


async def test_the_page_answers(served: tuple[Api, Server], api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "of the tests")
    (block,) = (block for block in blocks(PAGE) if block.title == "mockforge.yaml")
    config: dict[str, Any] = yaml.safe_load(block.text)
    config["sources"]["shop"]["config"]["url"] = f"{served[1].url}/graphql/"
    async with Client(MockForge(config=load_config(config))) as client:
        assert (await client.get("/people/1")).json() == {"id": 1, "name": "user 1", "credit": "1.10"}
        assert (await client.get("/people/99")).status == 404
        assert len((await client.get("/people")).json()) == 25
        assert (await client.post("/people", json={"name": "Dora"})).status == 201
        assert (await client.post("/people", json={"name": "Dora"})).status == 409


def test_the_query_that_says_where_its_rows_stand_can_be_read() -> None:
    (text,) = (block.text for block in blocks(PAGE) if block.language == "yaml" and not block.title)
    read = read_query(yaml.safe_load(text)["users"]["query"], {}, write=False)
    assert read.root == "viewer" and [column.name for column in read.columns] == ["id", "first"] and read.total is not None


@pytest.mark.parametrize("name", KEYS)
def test_every_setting_is_in_the_how_to(name: str) -> None:
    text = PAGE.read_text()
    assert f"`{name}" in text or f"{name}:" in text
