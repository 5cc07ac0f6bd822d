"""One table of facts, true of every store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mockforge_asgi.errors import ConfigError, StateError
from mockforge_asgi.state import KeySpace, Quota, StateStore, open_store
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.state.sqlite import SqliteStore


class HandClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> AsyncIterator[StateStore]:
    made: StateStore = MemoryStore(clock=clock) if request.param == "memory" else SqliteStore(tmp_path / "state.db", clock=clock)
    yield made
    await made.close()


@pytest.fixture
def space(store: StateStore) -> KeySpace:
    return KeySpace(store, "plugin-a", Quota(max_keys=10, max_bytes=1000, max_value_bytes=400))


async def test_a_missing_key_is_none(space: KeySpace) -> None:
    assert await space.get("k") is None


@pytest.mark.parametrize("value", [0, 1.5, "text é", [1, [2]], {"b": 1, "a": None}, False, ""])
async def test_a_value_comes_back_as_it_was_set(space: KeySpace, value: object) -> None:
    await space.set("k", value)
    assert await space.get("k") == value


async def test_members_keep_their_order(space: KeySpace) -> None:
    await space.set("k", {"b": 1, "a": 2})
    assert list(await space.get("k")) == ["b", "a"]


async def test_a_stored_value_is_not_shared_with_its_setter(space: KeySpace) -> None:
    value = {"a": [1]}
    await space.set("k", value)
    value["a"].append(2)
    (await space.get("k"))["a"].append(3)
    assert await space.get("k") == {"a": [1]}


async def test_setting_null_deletes(space: KeySpace) -> None:
    await space.set("k", 1)
    await space.set("k", None)
    assert await space.keys() == []
    assert not await space.delete("k")


async def test_delete_tells_whether_it_was_there(space: KeySpace) -> None:
    await space.set("k", 1)
    assert [await space.delete("k"), await space.delete("k")] == [True, False]


async def test_add_if_absent_adds_once(space: KeySpace, clock: HandClock) -> None:
    assert [await space.add_if_absent("k", 1, ttl_s=5), await space.add_if_absent("k", 2)] == [True, False]
    clock.now += 5
    assert await space.add_if_absent("k", 3)
    assert await space.get("k") == 3


async def test_adding_null_is_refused(space: KeySpace) -> None:
    with pytest.raises(StateError, match="null"):
        await space.add_if_absent("k", None)


async def test_incr_counts_from_zero(space: KeySpace) -> None:
    assert [await space.incr("n"), await space.incr("n", 5), await space.incr("n", -7)] == [1, 6, -1]
    assert await space.get("n") == -1


async def test_a_counter_ends_after_its_first_ttl(space: KeySpace, clock: HandClock) -> None:
    await space.incr("n", ttl_s=10)
    clock.now += 6
    assert await space.incr("n", ttl_s=10) == 2
    clock.now += 4
    assert await space.incr("n", ttl_s=10) == 1


@pytest.mark.parametrize("held", ["3", 1.0, True, [1]])
async def test_what_is_no_whole_number_cannot_be_counted(space: KeySpace, held: object) -> None:
    await space.set("n", held)
    with pytest.raises(StateError, match="does not hold an integer"):
        await space.incr("n")
    assert await space.get("n") == held


async def test_a_counter_stays_in_64_bits(space: KeySpace) -> None:
    await space.set("n", 2**63 - 1)
    with pytest.raises(StateError, match="64-bit"):
        await space.incr("n")


async def test_compare_and_set_swaps_only_what_it_expected(space: KeySpace) -> None:
    assert await space.compare_and_set("k", None, {"a": 1, "b": 2})
    assert not await space.compare_and_set("k", None, 0)
    assert not await space.compare_and_set("k", {"a": 1}, 0)
    assert await space.compare_and_set("k", {"b": 2, "a": 1}, [True])
    assert not await space.compare_and_set("k", [1], 0)
    assert await space.compare_and_set("k", [True], None)
    assert await space.get("k") is None


async def test_a_value_ends_with_its_ttl(space: KeySpace, clock: HandClock) -> None:
    await space.set("k", 1, ttl_s=2.5)
    clock.now += 2.4
    assert await space.get("k") == 1
    clock.now += 0.1
    assert await space.get("k") is None
    assert await space.keys() == []
    assert not await space.delete("k")


async def test_setting_without_ttl_makes_it_last(space: KeySpace, clock: HandClock) -> None:
    await space.set("k", 1, ttl_s=2)
    await space.set("k", 2)
    clock.now += 100
    assert await space.get("k") == 2


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), 1e12, True, "5"])
async def test_an_odd_ttl_is_refused(space: KeySpace, ttl_s: float) -> None:
    with pytest.raises(StateError, match="ttl_s"):
        await space.set("k", 1, ttl_s=ttl_s)


@pytest.mark.parametrize("key", ["", "a\0b", "k" * 513, "é" * 257, "\ud800", 5])
async def test_an_odd_key_is_refused(space: KeySpace, key: str) -> None:
    with pytest.raises(StateError, match="key"):
        await space.set(key, 1)


@pytest.mark.parametrize("value", [float, {1: 2}, "\ud800"])
async def test_what_is_not_json_is_refused(space: KeySpace, value: object) -> None:
    with pytest.raises(StateError, match="not JSON") as caught:
        await space.set("k", value)
    assert caught.value.code == "invalid_input"


async def test_spaces_do_not_see_each_other(store: StateStore) -> None:
    one, two = KeySpace(store, "one"), KeySpace(store, "two")
    await one.set("k", 1)
    assert await two.get("k") is None
    await two.set("k", 2)
    assert await one.clear() == 1
    assert (await one.get("k"), await two.get("k")) == (None, 2)


async def test_keys_are_listed_by_prefix_in_order(space: KeySpace) -> None:
    for key in ("b", "a_1", "a%2", "c"):
        await space.set(key, 1)
    assert await space.keys("a") == ["a%2", "a_1"]
    assert await space.keys("a_") == ["a_1"]
    assert await space.keys(limit=2) == ["a%2", "a_1"]


async def test_the_number_of_keys_is_limited(space: KeySpace) -> None:
    for n in range(10):
        await space.set(f"k{n}", n)
    with pytest.raises(StateError, match="10 keys") as caught:
        await space.set("one more", 1)
    assert caught.value.code == "limit"
    await space.set("k3", "another value")
    await space.delete("k0")
    await space.set("one more", 1)


async def test_the_bytes_are_limited(space: KeySpace) -> None:
    await space.set("a", "x" * 380)
    await space.set("b", "x" * 380)
    with pytest.raises(StateError, match="1000 bytes"):
        await space.set("c", "x" * 380)
    await space.set("a", "small")
    await space.set("c", "x" * 380)


async def test_one_value_is_limited(space: KeySpace) -> None:
    with pytest.raises(StateError, match="at most 400"):
        await space.set("k", "x" * 399)
    await space.set("k", "x" * 398)


async def test_ended_keys_make_room(space: KeySpace, clock: HandClock) -> None:
    for n in range(10):
        await space.set(f"k{n}", n, ttl_s=1)
    clock.now += 1
    await space.set("new", 1)
    assert await space.keys() == ["new"]


async def test_clearing_gives_the_quota_back(space: KeySpace) -> None:
    for n in range(10):
        await space.set(f"k{n}", "x" * 80)
    assert await space.clear() == 10
    for n in range(10):
        await space.set(f"k{n}", "x" * 80)


async def test_of_many_tasks_one_adds(space: KeySpace) -> None:
    assert sum(await asyncio.gather(*(space.add_if_absent("k", n) for n in range(50)))) == 1


async def test_increments_of_many_tasks_all_count(space: KeySpace) -> None:
    assert sorted(await asyncio.gather(*(space.incr("n") for _ in range(200)))) == list(range(1, 201))


async def test_a_refused_operation_does_not_harm_those_beside_it(space: KeySpace) -> None:
    await space.set("text", "x")
    answers = await asyncio.gather(*(space.incr(key) for key in ("n", "text", "n")), return_exceptions=True)
    assert (answers[0], answers[2]) == (1, 2)
    assert isinstance(answers[1], StateError)


async def test_a_closed_store_opens_again(store: StateStore) -> None:
    await store.open()
    await store.close()
    space = KeySpace(store, "s")
    await space.set("k", 1)
    assert await space.get("k") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_a_forked_child_uses_its_own_store(store: StateStore, space: KeySpace) -> None:
    await space.set("before", 1)
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's life ends here
        code = 1
        try:
            seen = asyncio.new_event_loop().run_until_complete(_in_child(space))
            code = 0 if seen == (1 if store.shared_between_workers else None) else 2
        finally:
            os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert await space.get("before") == 1
    assert await space.get("child") == (1 if store.shared_between_workers else None)


async def _in_child(space: KeySpace) -> object:
    seen: object = await space.get("before")
    await space.set("child", 1)
    return seen


@pytest.mark.parametrize(("url", "shared"), [("memory://", False), ("sqlite:///state.db", True), ("sqlite:////var/state.db", True)])
def test_a_url_names_a_store(url: str, shared: bool) -> None:
    assert open_store(url).shared_between_workers is shared


@pytest.mark.parametrize("url", ["", "redis://x", "sqlite://", "sqlite:///", "state.db"])
def test_an_unknown_url_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(ConfigError, match="memory://"):
        open_store(url)


KEYS = st.sampled_from(["a", "b", "c", "é"])
VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=20) | st.dictionaries(st.sampled_from("xy"), st.integers(0, 2))
TTLS = st.none() | st.sampled_from([1, 2.5, 60])


class BothStores(RuleBasedStateMachine):
    """Whatever is done to both stores, they answer alike."""

    folder: Callable[[], Path]

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.clock = asyncio.new_event_loop(), HandClock()
        quota = Quota(max_keys=3, max_bytes=60, max_value_bytes=30)
        self.stores: list[StateStore] = [MemoryStore(clock=self.clock), SqliteStore(self.folder() / "s.db", clock=self.clock)]
        self.spaces = [KeySpace(store, "s", quota) for store in self.stores]

    def both(self, name: str, *args: object, **options: object) -> None:
        answers: list[object] = []
        for space in self.spaces:
            try:
                answers.append(self.loop.run_until_complete(getattr(space, name)(*args, **options)))
            except StateError as error:
                answers.append((str(error), error.code))
        assert answers[0] == answers[1]

    @rule(key=KEYS, value=VALUES, ttl_s=TTLS)
    def set(self, key: str, value: object, ttl_s: float | None) -> None:
        self.both("set", key, value, ttl_s=ttl_s)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        self.both("get", key)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.both("delete", key)

    @rule(key=KEYS, value=VALUES, ttl_s=TTLS)
    def add(self, key: str, value: object, ttl_s: float | None) -> None:
        self.both("add_if_absent", key, value, ttl_s=ttl_s)

    @rule(key=KEYS, by=st.integers(-5, 5), ttl_s=TTLS)
    def incr(self, key: str, by: int, ttl_s: float | None) -> None:
        self.both("incr", key, by, ttl_s=ttl_s)

    @rule(key=KEYS, expected=VALUES, value=VALUES, ttl_s=TTLS)
    def swap(self, key: str, expected: object, value: object, ttl_s: float | None) -> None:
        self.both("compare_and_set", key, expected, value, ttl_s=ttl_s)

    @rule(seconds=st.sampled_from([0.5, 1, 30, 100]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def clear(self) -> None:
        self.both("clear")

    @invariant()
    def keys_are_alike(self) -> None:
        self.both("keys")

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.close()


def test_whatever_is_done_both_stores_answer_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    machine = type("Machine", (BothStores,), {"folder": staticmethod(lambda: tmp_path_factory.mktemp("state"))})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    )
