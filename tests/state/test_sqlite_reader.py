"""Values looked up without the thread: what is there now, whoever wrote it; everything else is left to the thread."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mockforge_asgi.errors import StateError
from mockforge_asgi.state import KeySpace
from mockforge_asgi.state.operations import Get, Incr
from mockforge_asgi.state.sqlite import SqliteStore
from mockforge_asgi.state.sqlite_reader import MAX_BYTES


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "s.db")
    yield made
    await made.close()


async def test_what_anybody_has_stored_is_told_at_once(store: SqliteStore) -> None:
    space, other = KeySpace(store, "a"), SqliteStore(store.path)
    assert space.run_now(Get("k")) is NotImplemented, "nobody has opened the file"
    await space.set("k", {"a": [1, None, "ü"]})
    assert space.run_now(Get("k")) == {"a": [1, None, "ü"]}
    assert space.run_now(Get("none")) is None and KeySpace(store, "b").run_now(Get("k")) is None
    for number in range(20):
        await KeySpace(other, "a").set("k", number)
        assert space.run_now(Get("k")) == number
    await KeySpace(other, "a").delete("k")
    assert space.run_now(Get("k")) is None
    await other.close()


async def test_what_writes_and_what_is_long_is_left_to_the_thread(store: SqliteStore) -> None:
    space = KeySpace(store, "a")
    await space.set("long", "x" * MAX_BYTES)
    assert space.run_now(Get("long")) is NotImplemented and await space.get("long") == "x" * MAX_BYTES
    assert space.run_now(Incr("n")) is NotImplemented and await space.get("n") is None


async def test_what_has_ended_is_not_told(tmp_path: Path) -> None:
    now = [time.time()]
    store = SqliteStore(tmp_path / "s.db", clock=lambda: now[0])
    space = KeySpace(store, "a")
    await space.set("k", 1, ttl_s=10)
    now[0] += 9.9
    assert space.run_now(Get("k")) == 1
    now[0] += 0.1
    assert space.run_now(Get("k")) is None
    await store.close()


async def test_nobody_who_writes_is_waited_for(store: SqliteStore) -> None:
    space = KeySpace(store, "a")
    await space.set("k", 1)
    with sqlite3.connect(store.path, isolation_level=None) as writer:
        for begin in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"):
            writer.execute(begin)
            writer.execute("UPDATE cell SET data = X'32'")
            assert space.run_now(Get("k")) == 1, "what is not committed is not there"
            writer.execute("ROLLBACK")
    writer.close()


async def test_a_file_that_is_locked_as_a_whole_is_left_to_the_thread(store: SqliteStore) -> None:
    space = KeySpace(store, "a")
    await space.set("k", 1)
    await store.close()
    alone = sqlite3.connect(store.path, isolation_level=None)
    alone.execute("PRAGMA locking_mode = EXCLUSIVE")
    alone.execute("UPDATE cell SET data = X'32'")
    waiting = asyncio.ensure_future(space.get("k"))
    await asyncio.sleep(0)
    assert space.run_now(Get("k")) is NotImplemented
    alone.close()
    assert await waiting == 2 and space.run_now(Get("k")) == 2


async def test_a_file_that_was_broken_and_is_replaced_is_opened_anew(store: SqliteStore) -> None:
    space = KeySpace(store, "a")
    await space.set("k", 1)
    assert space.run_now(Get("k")) == 1
    for part in store.path.parent.glob("s.db*"):
        part.write_bytes(b"this is no database" * 1000)
    assert space.run_now(Get("k")) is NotImplemented
    with pytest.raises(StateError, match="cannot be used"):
        await space.get("k")
    for part in store.path.parent.glob("s.db*"):
        part.unlink()
    await space.set("k", 2)
    assert space.run_now(Get("k")) == 2


async def test_a_forked_child_opens_the_file_for_itself(store: SqliteStore) -> None:
    space = KeySpace(store, "a")
    await space.set("k", 1)
    assert space.run_now(Get("k")) == 1

    def child(found: object) -> None:
        before = space.run_now(Get("k"))
        asyncio.run(_told(found, before))

    async def _told(found: object, before: object) -> None:
        after = await space.incr("k")
        found.send((before is NotImplemented, after, space.run_now(Get("k"))))  # type: ignore[attr-defined]  # a pipe's end
        await store.close()

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    assert await asyncio.to_thread(ours.recv) == (True, 2, 2)
    await asyncio.to_thread(process.join)
    assert space.run_now(Get("k")) == 2
