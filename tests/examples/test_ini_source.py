"""The example of a data source of one's own, sandboxed: what its page shows is what it answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from tests.docs.pages import ROOT, blocks

EXAMPLE, PAGE = ROOT / "examples" / "ini_source", ROOT / "docs" / "how-to" / "write-a-data-source.md"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client(MockForge(config=EXAMPLE / "mockforge.yaml")) as made:
        yield made


def test_the_page_shows_the_example() -> None:
    shown = {block.title: block.text.strip() for block in blocks(PAGE) if block.title}
    for name in ("flags/plugin.yaml", "flags/plugin.py"):
        assert shown[name] == (EXAMPLE / name).read_text().strip()
    lines = [line for line in (EXAMPLE / "mockforge.yaml").read_text().splitlines() if not line.startswith("#")]
    assert shown["mockforge.yaml"] == "\n".join(lines).strip()


async def test_rows_are_filtered_sorted_and_paged(client: Client) -> None:
    found = await client.get("/flags?on=true&sort=-share")
    assert found.json() == json.loads(next(block.text for block in blocks(PAGE) if '"fast-search"' in block.text))
    assert '"share":0.25' in found.text and found.header("x-total-count") == "2"
    first = await client.get("/flags?limit=2&sort=since")
    assert [row["name"] for row in first.json()] == ["dark-mode", "fast-search"]
    following = (first.header("link") or "").removeprefix("<").partition(">")[0]
    assert [row["name"] for row in (await client.get(f"/flags{following}")).json()] == ["new-checkout"]
    assert [row["name"] for row in (await client.get("/flags?since=2025-11-20")).json()] == ["dark-mode"]


async def test_items_templates_and_refusals(client: Client) -> None:
    item = await client.get("/flags/dark-mode")
    assert item.json() == {"name": "dark-mode", "on": False, "share": 0, "since": "2025-11-20", "owner": None}
    assert [(await client.get(f"/is-on/{name}")).text for name in ("dark-mode", "gone")] == ["true", "false"]
    assert [(await client.get(path)).status for path in ("/flags/gone", "/flags?on=maybe", "/flags?sort=owner")] == [404, 422, 400]
    assert (await client.post("/flags", json={"name": "x"})).status == 405


async def test_a_file_that_cannot_be_read_is_bad_data(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "copy")
    (tmp_path / "copy" / "flags" / "flags.ini").write_text("[a]\nshare = much\n")
    async with Client(MockForge(config=tmp_path / "copy" / "mockforge.yaml")) as client:
        assert (await client.get("/flags")).status == 502
