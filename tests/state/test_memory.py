"""What only the memory store does: it answers at once, and stays bounded."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import StateError
from mockforge_asgi.state import KeySpace, Quota
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.state.operations import Get


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
