"""The shop's example as its page says, over SQLite and over PostgreSQL."""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from examples.shop.app import HERE, database, shop
from mockforge_asgi.testing import Client
from tests.support.postgresql import INSTALL, is_installed, postgresql
from tests.support.toolchains import missing


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if not is_installed():
        missing(f"PostgreSQL is missing: {INSTALL}")
    with postgresql() as server:
        server.sql((HERE / "shop.sql").read_text() + (HERE / "roles.sql").read_text())
        yield f"postgresql://shop_reader:reading@127.0.0.1:{server.port}/shop"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    url = request.getfixturevalue("address") if request.param == "postgresql" else None
    async with Client(shop(url, url and "shop_writer:writing", tmp_path_factory.mktemp("shop") / "shop.db")) as at:
        yield at


def transcript() -> Iterator[tuple[list[str], str]]:
    """Each command of the page, and what it prints."""
    lines = iter((HERE / "README.md").read_text().splitlines())
    for line in lines:
        if line.startswith("$ curl "):
            yield shlex.split(line[2:]), next(lines)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_commands_of_the_page_answer_what_it_shows(client: Client) -> None:
    asked = list(transcript())
    assert len(asked) == 3
    for words, printed in asked:
        target = next(word for word in words if word.startswith("http://")).removeprefix("http://127.0.0.1:8000")
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        headers = dict([words[words.index("-H") + 1].split(": ")]) if "-H" in words else {}
        body = words[words.index("-d") + 1].encode() if "-d" in words else b""
        answer = await client.request(method, target, headers=headers, body=body)
        assert (answer.status, answer.json()) == (200, json.loads(printed)), target


@pytest.mark.asyncio(loop_scope="module")
async def test_an_order_takes_from_the_stock_or_does_nothing(client: Client) -> None:
    async def stock() -> int:
        return int((await client.get("/products/tea-02")).json()["stock"])

    before = await stock()
    order = {"number": "2026-0003", "sku": "tea-02", "pieces": 2, "customer": "Ada"}
    assert (await client.post("/orders", json=order)).status == 201
    assert await stock() == before - 2
    assert (await client.post("/orders", json=order)).status == 409, "the number is there, so nothing is taken"
    assert (await client.post("/orders", json={**order, "number": "2026-0004", "pieces": "two"})).status == 422
    assert await stock() == before - 2
    assert [each["number"] for each in (await client.get("/customers/Ada/orders")).json()] == ["2026-0001", "2026-0003"]
    assert (await client.get("/orders/2026-9999")).status == 404


@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_shows_the_products(client: Client) -> None:
    answer = await client.get("/")
    assert answer.status == 200 and "Cup, white" in answer.text and "12.50" in answer.text and "Sold so far:" in answer.text


@pytest.mark.parametrize("url", ["mysql://u:p@h/d", "postgresql://h/d", "shop"])
def test_another_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write postgresql://user:password@host/database"):
        database(url, None, tmp_path / "shop.db")
