"""The how-to is true: what it shows is a good configuration, and answers out of the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.testing import Client, Server
from plugins_builtin.data_rest.tests.api import Api
from plugins_builtin.data_rest.tests.conftest import Opening
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "data-rest.md"
KEYS = yaml.safe_load((ROOT / "plugins_builtin" / "data_rest" / "plugin.yaml").read_text())["config"]["properties"]


def shown(title: str) -> list[str]:
    """The page's blocks of YAML with that title."""
    return [block.text for block in blocks(PAGE) if block.language == "yaml" and block.title == title]


async def test_the_page_answers(served: tuple[Api, Server], api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "of the tests")
    config: dict[str, Any] = yaml.safe_load(*shown("mockforge.yaml"))
    config["sources"]["shop"]["config"]["url"] = f"{served[1].url}/v1"
    async with Client(MockForge(config=load_config(config))) as client:
        assert (await client.get("/people/1")).json() == {"id": 1, "name": "Ada", "city": "Oslo"}
        assert (await client.get("/people/99")).status == 404
        assert [row["id"] for row in (await client.get("/people")).json()][:2] == [1, 2]
        made = await client.post("/people", json={"name": "Dora"})
        assert (made.status, made.json()["name"]) == (201, "Dora")
        assert (await client.post("/people", json={"name": "Dora"})).status == 409


@pytest.mark.parametrize("line", [line for text in shown("") for line in text.splitlines() if line.startswith(("auth:", "paging:"))])
async def test_each_line_that_the_page_shows_is_accepted(shop: Opening, line: str) -> None:
    config = yaml.safe_load(re.sub(r"secret: \w+", "secret: key", line))
    async with shop({}, **config):
        pass


async def test_the_portable_query_of_the_page_is_accepted() -> None:
    (text,) = (text for text in shown("") if text.startswith("sources:"))
    async with Client(MockForge(config=load_config({"version": 1, **yaml.safe_load(text)}))):
        pass


@pytest.mark.parametrize("name", KEYS)
def test_every_setting_is_in_the_how_to(name: str) -> None:
    text = PAGE.read_text()
    assert f"`{name}" in text or f"{name}:" in text
