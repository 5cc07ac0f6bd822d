"""The example of providers of fake data: built from TypeScript, asked by templates, the same for the same request."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from tests.golden import typescript

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "faker_vehicles"
VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True)) | {str(n): n for n in range(10)}
"""What letters are worth in a check digit: 49 CFR 565.15(c)."""
WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built."""
    ignored = shutil.ignore_patterns("node_modules", "*.wasm")
    folder = Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("examples") / "vehicles", ignore=ignored))
    done = typescript.built(folder, folder / "plugin.wasm")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
async def client(built: Path) -> AsyncIterator[Client]:
    async with Client(MockForge(config=built / "mockforge.yaml")) as made:
        yield made


async def test_a_vehicle_is_the_same_for_the_same_request_and_right_for_its_country(client: Client) -> None:
    first, again, other = [(await client.get(f"/vehicles/{n}")).json() for n in (1, 1, 2)]
    assert first == again and first["plate"] != other["plate"] and first["vin"] != other["vin"]
    for found in (first, other):
        assert re.fullmatch(r"[A-Z]{1,2}-(?:[A-Z]{2} \d{3}|[A-Z] \d{4})", found["plate"]) and re.fullmatch(
            r"[A-Z]{2}-\d{3}-[A-Z]{2}", found["abroad"]
        )
        assert found["car"]["make"] in ("Fiat", "Ford", "Renault", "Toyota") and 1995 <= found["car"]["year"] <= 2025
        rest = sum(VALUES[sign] * weight for sign, weight in zip(found["vin"], WEIGHTS, strict=True)) % 11
        assert found["vin"][8] == ("X" if rest == 10 else str(rest))


async def test_a_country_that_there_is_not_is_told(built: Path) -> None:
    config = {
        "version": 1,
        "dev": True,
        "plugins": {"vehicles": {"use": str(built)}},
        "routes": [{"match": {"path": "/"}, "response": {"template_text": "{{ faker.vehicles.plate(country='xx') }}"}}],
    }
    async with Client(MockForge(config=config)) as client:
        assert (await client.get("/")).status == 502
