"""What only the memory store does: it answers at once, and stays bounded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mockforge_asgi.errors import StateError
from mockforge_asgi.state import KeySpace, Quota
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.state.operations import Get

FORKS = """
import asyncio, os, sys
from mockforge_asgi.state import KeySpace
from mockforge_asgi.state.memory import MemoryStore
store = MemoryStore()
asyncio.run(KeySpace(store, "s").set("k", 1))
store._lock.here().acquire()  # as if another thread had been at work while the process was forked
if not os.fork():
    print(asyncio.run(store.WHAT), flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_it_answers_without_waiting() -> None:
    space = KeySpace(MemoryStore(), "s")
    space.run_now(space.op_set("k", [1], None))
    assert space.run_now(Get("k")) == [1]


def test_all_spaces_together_are_bounded() -> None:
    store = MemoryStore(max_bytes=1000)
    for name in ("a", "b"):
        space = KeySpace(store, name)
        space.run_now(space.op_set("k", "x" * 400, None))
    third = KeySpace(store, "c")
    with pytest.raises(StateError, match="full"):
        third.run_now(third.op_set("k", "x" * 400, None))


def test_a_key_renewed_for_ever_leaves_nothing_behind() -> None:
    now = [0.0]
    store = MemoryStore(clock=lambda: now[0])
    space = KeySpace(store, "s", Quota(max_keys=5))
    for n in range(20_000):
        now[0] += 0.001
        space.run_now(space.op_set(f"k{n % 5}", n, 60.0))
    assert len(store._ends) <= 1100


def test_keys_that_end_are_forgotten_by_later_writes() -> None:
    now = [0.0]
    store = MemoryStore(clock=lambda: now[0])
    space = KeySpace(store, "s")
    for n in range(100):
        space.run_now(space.op_set(f"k{n}", n, 1.0))
    now[0] += 2
    for n in range(30):
        space.run_now(space.op_set("other", n, None))
    assert list(store._spaces["s"].cells) == ["other"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("what", ["keys('s', '', 10)", "clear('s')"])
def test_a_forked_child_starts_empty_whatever_it_asks_first(what: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORKS.replace("WHAT", what)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() in ("[]", "0")
