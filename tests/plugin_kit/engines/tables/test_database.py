"""Where queries run: on the event loop while they are quick, in threads when they are not, and back again."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mockforge_plugin import PluginError
from mockforge_plugin.engines.tables import database as subject
from mockforge_plugin.engines.tables import queries
from mockforge_plugin.engines.tables.database import Access, Database
from tests.support.tables import asked

MANY = "with recursive n(x) as (select 1 union all select x + 1 from n limit 2000) select count(*) from n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("create table t (a integer); insert into t values (1), (2);")
    return path


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    opened = Database(file, Access(threads=2))
    yield opened
    opened.close()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each run of a query was on the loop's thread."""
    seen: list[bool] = []
    run, loop_thread = queries.run, threading.get_ident()

    def counted(*args: Any) -> Any:
        seen.append(threading.get_ident() == loop_thread)
        return run(*args)

    monkeypatch.setattr(queries, "run", counted)
    return seen


async def test_a_quick_query_never_leaves_the_loop(database: Database, ran: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "BUDGET_S", 60.0)
    for _ in range(5):
        assert (await database.query(asked(MANY))).rows == ((2000,),)
    assert ran == [True] * 5


async def test_one_that_gave_up_goes_to_a_thread_and_the_loop_is_tried_again_ever_more_rarely(
    database: Database, ran: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "FIRST_DETOURS", 2)
    monkeypatch.setattr(subject, "BUDGET_S", -1.0)  # so that it gives up at once
    for _ in range(9):
        assert (await database.query(asked(MANY))).rows == ((2000,),)
    gave_up_at = [at for at, on_loop in enumerate(ran) if on_loop]
    assert gave_up_at == [0, 4, 10], "a try on the loop, its run in a thread; then 2, then 4 runs in threads at once"
    monkeypatch.setattr(subject, "BUDGET_S", 60.0)
    for _ in range(12):
        await database.query(asked(MANY))
    assert ran[-1], "quick again: it stays"


async def test_one_slow_query_does_not_move_the_others(database: Database, ran: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "BUDGET_S", -1.0)
    await database.query(asked(MANY, name="slow"))
    monkeypatch.setattr(subject, "BUDGET_S", 60.0)
    ran.clear()
    await database.query(asked("select a from t", name="quick"))
    await database.query(asked(MANY, name="slow"))
    assert ran == [True, False]


async def test_texts_without_a_name_and_counts_run_in_threads(database: Database, ran: list[bool]) -> None:
    await database.query(asked("select a from t", name=""))
    found = await database.query(asked({"from": "t"}, count=True, limit=1))
    assert (ran, found.total, found.truncated) == ([False, False], 2, True)


async def test_values_beyond_what_the_loop_takes_come_from_a_thread(database: Database, ran: list[bool]) -> None:
    found = await database.query(asked("select hex(zeroblob(100000)) as z"))
    assert (ran, len(str(found.rows[0][0]))) == ([True, False], 200_000)  # type: ignore[index]  # a row of a table


async def test_more_data_than_asked_for_is_refused(database: Database) -> None:
    text = "with recursive n(x) as (select 1 union all select x + 1 from n limit 3000) select hex(zeroblob(1000)) as z from n"
    with pytest.raises(PluginError) as caught:
        await database.query(asked(text, max_bytes=1 << 20))
    assert caught.value.code == "limit"


async def test_closing_waits_for_the_queries_that_run(file: Path) -> None:
    opened, done = Database(file, Access(threads=1)), asyncio.Event()
    waiting = [asyncio.create_task(opened.query(asked(MANY, name=""))) for _ in range(3)]
    await asyncio.sleep(0)
    opened.close(done.set)
    assert not done.is_set()
    assert [found.rows for found in await asyncio.gather(*waiting)] == [((2000,),)] * 3
    await asyncio.wait_for(done.wait(), 60)
