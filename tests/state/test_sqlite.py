"""What only an SQLite store can promise: many processes, files, faults told in words."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.errors import StateError
from mockforge_asgi.state import KeySpace, Quota, sqlite
from mockforge_asgi.state.operations import Cell, Get, Step
from mockforge_asgi.state.sqlite import SqliteStore

WORKER = """
import asyncio, sys
from mockforge_asgi.state import KeySpace, Quota, open_store

async def main(url, name, rounds):
    store = open_store(url)
    space = KeySpace(store, "shared", Quota(max_keys=100))
    wins, swaps = 0, 0
    for n in range(rounds):
        await asyncio.gather(*(space.incr("n") for _ in range(5)))
        wins += await space.add_if_absent(f"once-{n}", name)
        while True:
            before = await space.get("swapped")
            if await space.compare_and_set("swapped", before, (before or 0) + 1):
                break
    await store.close()
    print(wins)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def test_four_processes_lose_no_increment_and_share_one_winner(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, url, str(n), "40"], stdout=subprocess.PIPE, text=True) for n in range(4)]
    wins = [int(worker.communicate()[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert sum(wins) == 40

    async def read() -> tuple[object, object]:
        store = SqliteStore(tmp_path / "s.db")
        space = KeySpace(store, "shared")
        answer = await space.get("n"), await space.get("swapped")
        await store.close()
        return answer

    assert asyncio.run(read()) == (800, 160)


class Unforeseen(Get):
    """An operation that fails as none should."""

    def step(self, cell: Cell | None, now: float) -> Step:
        raise RuntimeError("unforeseen")


async def test_an_operation_that_fails_unforeseen_fails_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    space = KeySpace(store, "s")
    async with asyncio.timeout(30):
        told = await asyncio.gather(space.incr("n"), space.run(Unforeseen("n")), space.incr("n"), return_exceptions=True)
        assert isinstance(told[1], StateError)
        assert (told[0], told[2], await space.get("n")) == (1, 2, 2)
        await store.close()


async def test_a_lock_that_sqlite_does_not_wait_for_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when two processes begin the journal at once: SQLite then refuses one of them at once, in one of some hundred starts."""
    refusals: list[sqlite3.OperationalError] = []

    class Refusing(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if "journal_mode" in sql and len(refusals) < 3:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
                refusals.append(error)
                raise error
            return super().execute(sql, parameters)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Refusing, **options))
    store = SqliteStore(tmp_path / "s.db")
    assert await KeySpace(store, "s").incr("n") == 1
    assert len(refusals) == 3
    await store.close()


async def test_the_file_outlives_the_store_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = SqliteStore(path)
    await KeySpace(first, "s").set("k", {"a": 1})
    await first.close()
    assert path.stat().st_mode & 0o777 == 0o600
    second = SqliteStore(path)
    assert await KeySpace(second, "s").get("k") == {"a": 1}
    await second.close()


async def test_a_missing_folder_is_told_in_words(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "none" / "s.db")
    with pytest.raises(StateError, match="does not exist; create it"):
        await store.open()
    await store.close()


async def test_what_is_no_database_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_text("no database at all, but some text that is long enough to be looked at")
    store = SqliteStore(path)
    with pytest.raises(StateError, match="cannot be used"):
        await store.open()
    await store.close()


async def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    store = SqliteStore(tmp_path / "s.db")
    with pytest.raises(StateError, match="another version"):
        await store.open()
    await store.close()


@pytest.mark.parametrize("version", [0, 1])
async def test_the_database_of_something_else_is_refused_and_left_as_it_was(tmp_path: Path, version: int) -> None:
    path = tmp_path / "app.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (id INTEGER)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()
    store = SqliteStore(path)
    with pytest.raises(StateError, match="something else"):
        await store.open()
    await store.close()
    assert path.read_bytes() == before


async def test_a_store_that_failed_works_once_the_fault_is_mended(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "later" / "s.db")
    space = KeySpace(store, "s")
    with pytest.raises(StateError):
        await space.set("k", 1)
    (tmp_path / "later").mkdir()
    await space.set("k", 2)
    assert await space.get("k") == 2
    await store.close()


async def test_while_the_file_is_locked_all_who_wait_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[str] = []
    monkeypatch.setattr(sqlite, "_BUSY_MS", 20)
    store = SqliteStore(tmp_path / "s.db")
    space = KeySpace(store, "s")
    await space.set("n", 1)
    locker = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    await store._do(lambda session: session.connection.set_trace_callback(began.append), writes=False)
    answers = await asyncio.gather(*(space.incr("n") for _ in range(100)), return_exceptions=True)
    assert all(isinstance(answer, StateError) and "locked" in str(answer) for answer in answers)
    assert began.count("BEGIN IMMEDIATE") <= 2
    locker.close()
    assert await space.incr("n") == 2
    await store.close()


async def test_a_file_that_is_broken_while_in_use_is_told_and_may_be_replaced(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    space = KeySpace(store, "s")
    await space.set("k", "x" * 100_000)
    other = sqlite3.connect(tmp_path / "s.db")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    (tmp_path / "s.db").write_bytes(b"broken" * 20_000)
    with pytest.raises(StateError, match="cannot be used"):
        await space.set("k", 1)
    for file in tmp_path.iterdir():
        file.unlink()
    await space.set("k", 2)
    assert await space.get("k") == 2
    await store.close()


async def test_a_disk_that_is_full_is_told_and_what_was_there_stays(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    space = KeySpace(store, "s")
    await space.set("kept", 1)
    await store._do(lambda session: session.connection.execute("PRAGMA max_page_count = 20").fetchone()[0], writes=False)
    with pytest.raises(StateError, match="full"):
        await space.set("large", "x" * 500_000)
    assert await space.get("kept") == 1 and await space.get("large") is None
    await space.set("small", 2)
    assert await space.get("small") == 2
    await store.close()


async def test_what_is_queued_is_finished_before_closing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    space = KeySpace(store, "s", Quota())
    waiting = [asyncio.ensure_future(space.incr("n")) for _ in range(500)]
    await asyncio.sleep(0)
    await store.close()
    assert sorted(await asyncio.gather(*waiting)) == list(range(1, 501))


def test_one_store_serves_several_event_loops(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    assert [asyncio.run(KeySpace(store, "s").incr("n")) for _ in range(3)] == [1, 2, 3]
    asyncio.run(store.close())
