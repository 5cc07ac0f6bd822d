"""Queries that try to do more than read: refused, with nothing changed; those that never end are ended, off the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mockforge_plugin import PluginError
from mockforge_plugin.engines.tables.database import Access, Database
from tests.support.tables import asked

ENDLESS = "select count(*) from (with recursive n(x) as (select 1 union all select x + 1 from n) select x from n)"
ESCAPES = (
    "attach 'DIR/stolen.db' as s",
    "select 1; attach 'DIR/stolen.db' as s",
    "create table x (a)",
    "create temp table x (a)",
    "drop table t",
    "alter table t rename to u",
    "insert into t values (9)",
    "update t set a = 9",
    "delete from t",
    "replace into t values (9)",
    "with n as (select 1) insert into t select * from n",
    "insert into t values (9) returning a",
    "pragma writable_schema = on",
    "pragma query_only = off",
    "pragma journal_mode = off",
    "pragma database_list",
    "select * from pragma_database_list",
    "select load_extension('DIR/x.so')",
    "select fts3_tokenizer('simple', x'00')",
    "vacuum into 'DIR/stolen.db'",
    "vacuum",
    "begin",
    "commit",
    "savepoint s",
    "detach main",
    "reindex",
    "analyze",
    "explain select 1; drop table t",
    "select writefile('DIR/stolen.db', 'x')",
    "select readfile('/etc/passwd')",
    "create virtual table v using fts5(a)",
    "select edit('x')",
    "update sqlite_master set sql = 'create table t (b)'",
    "update sqlite_schema set sql = 'create table t (b)'",
    "delete from sqlite_master",
    "insert into sqlite_master values ('table', 'x', 'x', 2, 'create table x (a)')",
)

SCHEMA = (
    *("attach", "create", "drop", "alter", "pragma", "vacuum", "detach"),
    *("update sqlite_", "delete from sqlite_", "insert into sqlite_"),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "guarded.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("create table t (a); insert into t values (1);")
    return path


@pytest.fixture(params=[False, True], ids=["reading", "a source that writes"])
async def database(file: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    opened = Database(file, Access(writes=request.param, threads=2))
    yield opened
    opened.close()


async def refused(database: Database, text: str, **options: Any) -> bool:
    try:
        await database.query(asked(text, **options))
    except PluginError as error:
        return error.code == "bad_data"
    return False


@pytest.mark.parametrize("name", ["named", ""], ids=["on the loop", "in a thread"])
async def test_a_query_that_reads_changes_nothing(name: str, database: Database, file: Path) -> None:
    before = file.read_bytes()
    assert [text for text in ESCAPES if not await refused(database, text.replace("DIR", str(file.parent)), name=name)] == []
    assert [path.name for path in file.parent.iterdir()] == ["guarded.db"] and file.read_bytes() == before


async def test_a_query_that_writes_changes_rows_and_nothing_else(file: Path) -> None:
    opened = Database(file, Access(writes=True))
    try:
        texts = [text.replace("DIR", str(file.parent)) for text in ESCAPES if text.startswith(SCHEMA)]
        assert [text for text in texts if not await refused(opened, text, write=True)] == []
        assert (await opened.query(asked("select * from t"))).rows == ((1,),)
    finally:
        opened.close()
    assert [path.name for path in file.parent.iterdir()] == ["guarded.db"]


@pytest.mark.parametrize("text", [ENDLESS, ENDLESS.replace("from n)", "from n limit 300000)"), "select length(hex(zeroblob(30000000)))"])
async def test_a_slow_query_never_holds_the_event_loop(text: str, database: Database) -> None:
    late_s, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal late_s
        while not done.is_set():
            before = time.thread_time()
            await asyncio.sleep(0)
            late_s = max(late_s, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    for name in ("named", "named", ""):
        try:
            await database.query(asked(text, name=name, timeout_ms=100))
        except PluginError as error:
            assert error.code in ("timeout", "limit", "unavailable")
        else:
            assert "hex" in text or "limit" in text
    done.set()
    await watching
    assert late_s < 0.05, "computing of this thread between two turns of its loop, of which the budget is 0.001"


async def test_whoever_leaves_takes_a_query_along(database: Database) -> None:
    for _ in range(4):  # of two threads
        asking = asyncio.create_task(database.query(asked(ENDLESS, name="", timeout_ms=60_000)))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert (await database.query(asked("select a from t", name="", timeout_ms=5000))).rows == ((1,),)


async def test_values_that_are_too_large_are_refused(database: Database) -> None:
    with pytest.raises(PluginError) as caught:
        await database.query(asked("select hex(zeroblob(300000000))", timeout_ms=5000))
    assert caught.value.code == "limit"


async def test_more_queries_than_may_wait_are_refused_at_once(file: Path) -> None:
    opened = Database(file, Access(threads=1, waiting=1))
    try:
        waiting = [asyncio.create_task(opened.query(asked(ENDLESS, name="", timeout_ms=100))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(PluginError) as caught:
            await opened.query(asked("select 1", name=""))
        assert (caught.value.code, caught.value.details) == ("unavailable", {"busy": True})
        codes = [error.code for error in await asyncio.gather(*waiting, return_exceptions=True) if isinstance(error, PluginError)]
        assert len(codes) == 2 and set(codes) <= {"timeout", "unavailable"}, "the second waited until its time was over"
    finally:
        opened.close()
