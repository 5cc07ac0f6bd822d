"""Files that change while they are asked: rows are wholly old or wholly new, and a bad edit changes nothing."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.events import Event, GuestLogged
from mockforge_plugin.engines.tables import cache, file_source
from mockforge_plugin.engines.tables.cache import TableCache
from mockforge_plugin.engines.tables.prepare import prepare
from mockforge_plugin.values import PluginInfo
from plugins_builtin.data_csv.plugin import CsvSource
from tests.support.querying import Asking, asking

QUERIES: Mapping[str, Any] = {
    "all": {"from": "t"},
    "sum": {"query": "select min(v) as low, max(v) as high, count(*) as n from t"},
    "cached": {"query": "select count(*) as n from t", "cache_s": 600},
}


def source(file: Path, **config: Any) -> dict[str, Any]:
    """A CSV file as a source, with a cache of the test's own."""
    config = {"file": str(file), "cache_dir": str(file.parent / "cache"), **config}
    return {"use": "csv", "config": config, "queries": dict(QUERIES)}


def content(value: int, rows: int = 3) -> str:
    """Rows that all have one value."""
    return "v\n" + f"{value}\n" * rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(content(1))
    return path


def logged(asked: Asking) -> list[str]:
    """What the plugin says from now on."""
    said: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, GuestLogged):
            said.append(event.message)

    asked.runtime.events.subscribe(hear)
    return said


async def until(asked: Asking, query: str, rows: list[dict[str, Any]]) -> None:
    """Ask until it answers so."""
    async with asyncio.timeout(60):
        while True:
            try:
                if await asked.rows(query) == rows:
                    return
            except Exception as error:
                assert "failed in its query" in str(error), error
            await asyncio.sleep(0.01)


async def test_an_edit_counts_from_the_next_query_on(file: Path) -> None:
    async with asking(source(file)) as asked:
        assert await asked.rows("sum") == [{"low": 1, "high": 1, "n": 3}]
        file.write_text(content(2, rows=4))
        await until(asked, "sum", [{"low": 2, "high": 2, "n": 4}])


async def test_a_bad_edit_leaves_the_last_good_file_in_use_and_is_told_once(file: Path) -> None:
    async with asking(source(file)) as asked:
        said = logged(asked)
        file.write_text("v\n1,2\n")
        async with asyncio.timeout(60):
            while not said:
                assert await asked.rows("sum") == [{"low": 1, "high": 1, "n": 3}]
                await asyncio.sleep(0.01)
        await asked.rows("sum")
        assert said == [f"{file}: line 2: it has 2 fields, and there are 1 columns; the last good one stays in use"]
        file.write_text(content(5))
        await until(asked, "sum", [{"low": 5, "high": 5, "n": 3}])


async def test_rows_are_wholly_old_or_wholly_new_while_a_file_is_replaced_and_half_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_source, "SETTLED_S", 0.3)  # a busy machine may let a writer wait for long
    sizes = {number: 50 + number for number in range(200)}
    done = asyncio.Event()

    def write(number: int) -> None:
        data = content(number, sizes[number])
        if number % 2:
            new = file.with_suffix(".new")
            new.write_text(data)
            new.replace(file)
            return
        with file.open("w") as opened:  # in place, in three pieces
            for at in range(3):
                opened.write(data[len(data) * at // 3 : len(data) * (at + 1) // 3])
                opened.flush()
                time.sleep(0.004)

    async def ask(asked: Asking) -> set[int]:
        seen: set[int] = set()
        while not done.is_set():
            (row,) = await asked.rows("sum")
            assert row["low"] == row["high"] and row["n"] == sizes[row["low"]], row
            seen.add(row["low"])
            await asyncio.sleep(0)
        return seen

    file.write_text(content(0, sizes[0]))
    async with asking(source(file)) as asked:
        asking_ = [asyncio.create_task(ask(asked)) for _ in range(3)]
        for number in range(1, 40):
            await asyncio.to_thread(write, number)
            if number % 10 == 0:
                await asyncio.sleep(0.5)
        await until(asked, "sum", [{"low": 39, "high": 39, "n": sizes[39]}])
        done.set()
        assert len(set().union(*await asyncio.gather(*asking_))) > 2
        async with asyncio.timeout(60):
            while len(list((file.parent / "cache").glob("*.db"))) > 1:
                await asyncio.sleep(0.02)  # what is replaced is removed
        kept = sorted(path.suffix for path in (file.parent / "cache").iterdir())
        assert set(kept) <= {".db", ".lock", ".seen"}


async def test_cached_results_are_forgotten_also_while_nobody_asks_for_others(file: Path) -> None:
    async with asking(source(file)) as asked:
        assert await asked.rows("cached") == [{"n": 3}]
        file.write_text(content(1, rows=7))
        await until(asked, "cached", [{"n": 7}])


async def test_a_file_that_is_not_there_is_waited_for(file: Path, tmp_path: Path) -> None:
    late = tmp_path / "late" / "t.csv"
    async with asking(source(late)) as asked:
        refused = await asked.refused("all")
        assert (refused.code, "No such file" in refused.why) == ("unavailable", True)
        late.parent.mkdir(exist_ok=True)
        file.rename(late)
        await until(asked, "all", [{"v": 1}] * 3)


async def test_what_was_built_once_is_shared_and_found_by_the_next_start(file: Path) -> None:
    os.utime(file, (1_700_000_000, 1_700_000_000))
    async with asking(source(file)) as one, asking(source(file)) as another:
        assert await one.rows("all") == await another.rows("all")
        (built,) = (file.parent / "cache").glob("*.db")
        before = built.stat().st_ino
    async with asking(source(file)) as again:
        assert await again.rows("all") == [{"v": 1}] * 3
        assert built.stat().st_ino == before
    async with asking(source(file, types={"v": "text"})) as otherwise:
        assert await otherwise.rows("all") == [{"v": "1"}] * 3
        assert len(list((file.parent / "cache").glob("*.db"))) == 2


async def test_several_workers_that_start_at_once_build_one_database(file: Path) -> None:
    file.write_text(content(1, rows=20_000))

    async def ask() -> list[dict[str, Any]]:
        async with asking(source(file)) as asked:
            return list(await asked.rows("sum"))

    assert await asyncio.gather(*(ask() for _ in range(4))) == [[{"low": 1, "high": 1, "n": 20_000}]] * 4
    assert [path.suffix for path in (file.parent / "cache").iterdir() if path.suffix not in (".lock", ".seen")] == [".db"]


async def test_a_large_file_is_read_in_a_process_of_its_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_source, "IN_PROCESS_BYTES", 10)
    file.write_text(content(1, rows=2000))
    async with asking(source(file, index=["v"])) as asked:
        said = logged(asked)
        assert await asked.rows("sum") == [{"low": 1, "high": 1, "n": 2000}]
        file.write_text(content(1, rows=2000) + "x,y\n")
        async with asyncio.timeout(60):
            while not said:
                await asyncio.sleep(0.02)
        assert "line 2002: it has 2 fields" in said[0]
        assert await asked.rows("sum") == [{"low": 1, "high": 1, "n": 2000}]


async def test_a_file_beyond_max_mb_is_refused(file: Path) -> None:
    file.write_text(content(1, rows=600_000))
    async with asking(source(file, max_mb=1)) as asked:
        assert "it has 1 MiB; the most is max_mb: 1" in (await asked.refused("all")).why


@pytest.mark.parametrize("mode", [0o755, 0o777])
async def test_a_cache_that_others_may_read_or_write_is_not_used(mode: int, file: Path) -> None:
    (file.parent / "cache").mkdir()
    (file.parent / "cache").chmod(mode)
    async with asking(source(file)) as asked:
        assert "others may read it" in (await asked.refused("all")).why


async def test_a_spoilt_database_is_built_anew(file: Path) -> None:
    async with asking(source(file)) as asked:
        await asked.rows("all")
    (built,) = (file.parent / "cache").glob("*.db")
    built.write_bytes(b"spoilt" * 1000)
    async with asking(source(file)) as asked:
        await until(asked, "all", [{"v": 1}] * 3)


async def test_a_source_of_files_does_not_write(file: Path) -> None:
    wanted = source(file)
    wanted["queries"]["gone"] = {"query": "delete from t", "write": True}
    async with asking(wanted) as asked:
        assert "only reads" in (await asked.refused("gone")).why
        assert "write: true" in (await asked.refused("delete from t", raw=True)).why
        assert len(await asked.rows("all")) == 3


def test_what_nobody_used_for_long_is_removed(tmp_path: Path) -> None:
    made = TableCache(tmp_path / "cache")
    old, new = made.database("0" * 40, b"old"), made.database("0" * 40, b"new")
    others = [made.folder / name for name in ("id_ed25519", "customers.db", "notes.seen", "building-plans.txt")]
    for path in (old, new, *others):
        path.touch()
    for path in (old, *others):
        os.utime(path, (time.time() - cache.UNUSED_S - 60,) * 2)
    made.tidy()
    assert set(made.folder.iterdir()) == {new, *others}


async def test_a_cache_that_is_a_link_is_not_used(file: Path) -> None:
    (file.parent / "another").mkdir(mode=0o700)
    (file.parent / "cache").symlink_to(file.parent / "another")
    async with asking(source(file)) as asked:
        assert "a link" in (await asked.refused("all")).why
    assert not list((file.parent / "another").iterdir())


async def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    made = await asyncio.wait_for(asyncio.to_thread(prepare, CsvSource.read, "1", str(tmp_path / "pipe"), {}, str(tmp_path / "cache")), 10)
    assert made["error"] == "it is not a regular file"


def test_health_says_what_is_wrong(tmp_path: Path) -> None:
    made = CsvSource()
    made.config, made.plugin = {"file": "t.csv"}, PluginInfo("data-csv", "0.1.0", base_dir=str(tmp_path))
    made.init()
    assert (made.file, made.health().status, made.schema()) == (tmp_path / "t.csv", "down", [])


async def test_a_query_that_runs_while_its_database_is_replaced_ends_well(file: Path) -> None:
    wanted = source(file)
    numbers = "with recursive n(x) as (select 1 union all select x + 1 from n limit 200000)"
    wanted["queries"]["slow"] = f"{numbers} select max(x) as m, (select max(v) from t) as v from n"
    async with asking(wanted) as asked:
        await asked.rows("slow")  # from now on in a thread
        running = [asyncio.create_task(asked.rows("slow")) for _ in range(4)]
        await asyncio.sleep(0)
        file.write_text(content(2))
        await until(asked, "sum", [{"low": 2, "high": 2, "n": 3}])
        for rows in await asyncio.gather(*running):
            assert rows in ([{"m": 200_000, "v": 1}], [{"m": 200_000, "v": 2}])
