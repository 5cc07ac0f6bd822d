"""The how-to is true: its user, its configuration and its answers."""

from __future__ import annotations

from typing import Any

import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from tests.docs.pages import ROOT, Block, blocks
from tests.support.mariadb import Mariadb

HOW_TO = ROOT / "docs" / "how-to" / "data-mysql.md"
MANIFEST = ROOT / "plugins_builtin" / "data_mysql" / "plugin.yaml"


def of(language: str) -> list[Block]:
    """The page's blocks in that language."""
    return [block for block in blocks(HOW_TO) if block.language == language]


def test_every_key_is_in_the_how_to() -> None:
    keys = yaml.safe_load(MANIFEST.read_text())["config"]["properties"]
    assert [key for key in keys if f"`{key}`" not in HOW_TO.read_text()] == []


async def test_the_page_gives_what_it_says(server: Mariadb) -> None:
    server.sql(of("sql")[0].text)
    config: dict[str, Any] = yaml.safe_load(of("yaml")[0].text)
    config["sources"]["shop"]["config"] |= {"host": "127.0.0.1", "port": server.port}
    config["secrets"] = {"shop_db": {"value": "reads-only"}}
    async with Client(MockForge(config=config)) as client:
        found = await client.get("/users/1")
        assert (found.status, found.text) == (200, '{"id":1,"name":"user 1","city":"city 1","price":1.10}')
        assert (await client.get("/users/100000")).status == 404
        page = await client.get("/users?limit=20")
        assert len(page.json()) == 20 and 'rel="next"' in str(page.header("link"))
        assert [row["id"] for row in (await client.get("/users?city=city 1&limit=2")).json()] == [1, 4]
