"""The plugin's own cases, as `mockforge plugin test data-graphql` runs them."""

from __future__ import annotations

from pathlib import Path

from mockforge_asgi.testing import Harness


async def test_the_cases_hold() -> None:
    async with Harness(Path(__file__).resolve().parents[1]) as plugin:
        verdicts = [verdict async for verdict in plugin.run()]
    assert verdicts and [(verdict.case.name, verdict.differs) for verdict in verdicts if verdict.differs is not None] == []
