"""State under Starlette's test client, which gives each request an event loop of its own unless it is used with `with`."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mockforge_asgi.middleware import MockForge
from tests.support.plugin_packages import folder, minimal

CODE = """\
from mockforge_plugin import Response, kv

async def generate(request):
    return Response.json({"n": await kv.incr("visits")})
"""


def client(tmp_path: Path, url: str) -> TestClient:
    manifest = minimal("counter", "permissions: {kv: {}}", kinds="[response]")
    made = folder(tmp_path, {"plugin.yaml": manifest, "plugin.py": CODE}, name="counter")
    config = {"version": 1, "dev": True, "state": {"url": url}, "plugins": {"counter": {"use": str(made), "grants": {"kv": True}}}}
    return TestClient(MockForge(None, config))


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/state.db"])
def test_a_counter_counts_on_without_with(tmp_path: Path, url: str) -> None:
    asked = client(tmp_path, url.format(tmp_path))
    assert [asked.get("/").json()["n"] for _ in range(3)] == [1, 2, 3]


def test_memory_starts_anew_with_each_with_and_goes_on_inside(tmp_path: Path) -> None:
    asked = client(tmp_path, "memory://")
    for _ in range(2):
        with asked:
            assert [asked.get("/").json()["n"] for _ in range(2)] == [1, 2]
    assert asked.get("/").json()["n"] == 1


def test_two_apps_count_apart(tmp_path: Path) -> None:
    one, two = client(tmp_path / "one", "memory://"), client(tmp_path / "two", "memory://")
    assert [each.get("/").json()["n"] for each in (one, two, one, two)] == [1, 1, 2, 2]
