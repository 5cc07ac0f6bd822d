"""Large files are read as a stream in a process of their own, which ends with a file that its parser crashes on; the server goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from plugins_builtin.data_json.reader import SMALL_BYTES
from tests.support.querying import asking

FILLING = "x" * SMALL_BYTES


async def test_a_large_file_and_then_one_that_crashes_its_parser(tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    file.write_text(f'[{{"n": 1.10, "filling": "{FILLING}"}}, {{"n": 2}}]')
    config = {"file": str(file), "cache_dir": str(tmp_path / "cache")}
    queries = {"n": "select n, length(filling) as size from big order by n"}
    async with asking({"use": "json", "config": config, "queries": queries}) as source:
        rows = [{"n": "1.10", "size": SMALL_BYTES}, {"n": "2", "size": None}]
        assert await source.rows("n") == rows
        said: list[str] = []
        source.runtime.events.subscribe(lambda event: said.append(getattr(event, "message", "")))
        file.write_text(f'[{{"n": {"9" * 10_000}, "filling": "{FILLING}"}}]')  # no C integer, and no short Python one
        async with asyncio.timeout(60):
            while not any("stays in use" in line for line in said):
                await asyncio.sleep(0.02)
        assert await source.rows("n") == rows
