"""The plugin's own cases, as `mockforge plugin test` runs them: native, and in the sandbox with the same answers."""

from __future__ import annotations

from pathlib import Path

from mockforge_asgi.testing import Harness

from .copies import FOLDER, sandboxed


async def failed(plugin: Harness) -> list[str]:
    verdicts = [verdict async for verdict in plugin.run()]
    assert len(verdicts) > 20
    return [f"{verdict.case.name}: {verdict.differs}" for verdict in verdicts if verdict.differs is not None]


async def test_the_cases_hold() -> None:
    async with Harness(FOLDER) as plugin:
        assert await failed(plugin) == []


async def test_the_same_code_gives_the_same_answers_in_the_sandbox(tmp_path: Path) -> None:
    async with Harness(sandboxed(tmp_path)) as plugin:
        assert plugin.package.manifest.runtime == "python"
        assert await failed(plugin) == []
