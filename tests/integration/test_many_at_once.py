"""Many requests at once through sandboxed Python that keeps state: each gets its own answer, and isolation is what it says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from tests.support.plugin_packages import minimal

SOURCE = """import random
from mockforge_plugin import Response, ResponsePlugin, sleep

class Who(ResponsePlugin):
    name, calls = None, 0

    def generate(self, request):
        self.name = request.path_params["name"]
        self.calls += 1
        sleep(0.005).result()
        return Response.json({"name": self.name, "calls": self.calls, "chance": random.random()})
"""


async def answers(folder: Path, isolation: str) -> list[Any]:
    (folder / "plugin.yaml").write_text(minimal("who", "limits: {timeout_ms: 30000}", kinds="[response]"))
    (folder / "plugin.py").write_text(SOURCE)
    config = {
        "version": 1,
        "dev": True,
        "plugins": {"who": {"use": str(folder), "isolation": isolation}},
        "routes": [{"match": {"path": "/who/{name}"}, "response": {"plugin": "who"}}],
    }
    async with Client(MockForge(config=config)) as client:
        return [answer.json() for answer in await asyncio.gather(*(client.get(f"/who/{n}") for n in range(64)))]


@pytest.mark.parametrize("isolation", ["reused", "per_request"])
async def test_64_requests_at_once_each_get_their_own_answer(tmp_path: Path, isolation: str) -> None:
    found = await answers(tmp_path, isolation)
    assert [answer["name"] for answer in found] == [str(n) for n in range(64)]
    assert len({answer["chance"] for answer in found}) == 64
    calls = [answer["calls"] for answer in found]
    assert max(calls) == 1 if isolation == "per_request" else max(calls) > 1


WORDS = """from mockforge_plugin import TemplatePlugin, function, sleep

class Words(TemplatePlugin):
    @function
    def slow(self, word):
        sleep(0.01).result()
        return word.upper()

    @function
    def at_once(self, word):
        return word[::-1]
"""
TEXT = """{% macro twice(word) %}{{ words.slow(word) }}{{ words.slow(word) | lower }}{% endmacro -%}
{{ words.at_once(request.path_params.word) }} {{ twice(request.path_params.word) }} {{ words.slow(request.path) }}"""


async def test_64_renderings_that_wait_at_once_each_get_their_own_values(tmp_path: Path) -> None:
    (tmp_path / "plugin.yaml").write_text(minimal("words", "limits: {timeout_ms: 30000}", kinds="[template]"))
    (tmp_path / "plugin.py").write_text(WORDS)
    config = {
        "version": 1,
        "dev": True,
        "plugins": {"words": {"use": str(tmp_path)}},
        "routes": [{"match": {"path": "/say/{word}"}, "response": {"template_text": TEXT}}],
    }
    async with Client(MockForge(config=config)) as client:
        found = [answer.text for answer in await asyncio.gather(*(client.get(f"/say/w{n}") for n in range(64)))]
    assert found == [f"{str(n)[::-1]}w W{n}w{n} /SAY/W{n}" for n in range(64)]
