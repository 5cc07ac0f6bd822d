"""A runtime on several event loops that run at once, each in a thread of its own: a sibling for each, one state for all."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.errors import UnsupportedEventLoop
from mockforge_asgi.events import Event, EventStream, PluginStopped
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.runtime.loops import MAX_LOOPS
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.state import KeySpace
from mockforge_asgi.state.sqlite import SqliteStore
from mockforge_plugin import TemplatePlugin, function

starts: list[object] = []


class Word(TemplatePlugin):
    """Made once for each loop."""

    def start(self) -> None:
        starts.append(self)

    @function
    async def here(self) -> bool:
        return asyncio.get_running_loop() is not None


class Loop:
    """An event loop that runs in a thread of its own, as a test client's does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def ask(self, function: Callable[[], Any]) -> Any:
        async def asks() -> Any:
            return function()

        return self.run(asks())

    def end(self, *, in_a_hurry: bool = False) -> None:
        if self._thread.is_alive():
            if not in_a_hurry:
                self.run(self.loop.shutdown_asyncgens())
                self.run(self.loop.shutdown_default_executor())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(30)
            self.loop.close()


@contextmanager
def loops(number: int) -> Iterator[list[Loop]]:
    made = [Loop() for _ in range(number)]
    try:
        yield made
    finally:
        for each in made:
            each.end()


def lives(runtime: PluginRuntime) -> int:
    return len(runtime._loops._lives)


@pytest.fixture
def runtime() -> PluginRuntime:
    return PluginRuntime({"version": 1}, plugins=[Word])


def test_each_of_two_loops_has_plugins_of_its_own_that_run_on_it(runtime: PluginRuntime) -> None:
    with loops(2) as (one, two):
        assert not two.ask(lambda: runtime.is_ready)
        for each in (one, two):
            each.run(runtime.ensure())
        plugins = [each.ask(lambda: runtime.plugin("word")) for each in (one, two)]
        assert plugins[0] is not plugins[1]
        assert [each.ask(lambda: runtime.registry["word"]) for each in (one, two)] == plugins
        for each, plugin in zip((one, two), plugins, strict=True):
            assert each.ask(lambda: runtime.is_ready)
            assert each.run(plugin.call_function(None, "here", [], {})) is True
            assert each.run(runtime.current()).loop is each.loop


@pytest.mark.parametrize("first_ends", [True, False])
def test_one_loop_ends_and_the_other_goes_on(runtime: PluginRuntime, first_ends: bool) -> None:
    with loops(2) as (one, two):
        for each in (one, two):
            each.run(runtime.ensure())
        ends, stays = (one, two) if first_ends else (two, one)
        before = stays.ask(lambda: runtime.plugin("word"))
        ends.end()
        assert lives(runtime) == 1
        assert stays.ask(lambda: runtime.is_ready and runtime.plugin("word") is before)
        assert stays.run(before.call_function(None, "here", [], {})) is True
    assert lives(runtime) == 0 and not runtime._siblings


def test_a_stop_is_one_of_its_own_loop(runtime: PluginRuntime) -> None:
    stopped: list[str] = []
    runtime.events.subscribe(lambda event: stopped.append(threading.current_thread().name), PluginStopped)
    with loops(2) as (one, two):
        for each in (one, two, two):
            each.run(runtime.start())
        one.run(runtime.stop())
        assert stopped == [one._thread.name] and not one.ask(lambda: runtime.is_ready)
        two.run(runtime.stop())
        assert two.ask(lambda: runtime.is_ready)
        two.run(runtime.stop())
        assert stopped == [one._thread.name, two._thread.name] and not two.ask(lambda: runtime.is_ready)
        for each in (two, one):
            each.run(runtime.start())
            assert each.ask(lambda: runtime.is_ready)
            each.run(runtime.stop())


def test_all_may_start_at_once(runtime: PluginRuntime) -> None:
    starts.clear()
    with loops(MAX_LOOPS) as all_of_them:
        for starting in [each.begin(runtime.start()) for each in all_of_them for _ in range(3)]:
            starting.result(30)
        assert len(starts) == len(set(starts)) == lives(runtime) == MAX_LOOPS
        for stopping in [each.begin(runtime.stop()) for each in all_of_them for _ in range(3)]:
            stopping.result(30)
        assert lives(runtime) == 0


def test_no_more_than_a_few_run_at_once_and_the_next_is_told_why(runtime: PluginRuntime) -> None:
    with loops(MAX_LOOPS + 1) as (*many, last):
        for each in many:
            each.run(runtime.ensure())
        with pytest.raises(UnsupportedEventLoop, match=rf"{MAX_LOOPS} other event loops.*`with TestClient"):
            last.run(runtime.start())
        assert "other event loops" in last.run(runtime.current()).unavailable
        many[3].end()
        last.run(runtime.ensure())
        assert last.ask(lambda: runtime.is_ready)


def test_lives_do_not_pile_up(runtime: PluginRuntime) -> None:
    with loops(1) as (stays,):
        stays.run(runtime.ensure())
        for _ in range(50):
            with loops(1) as (each,):
                each.run(runtime.ensure())
        assert lives(runtime) == 1 and not runtime._siblings and not runtime._loops._left_behind


def test_loops_that_are_closed_in_a_hurry_make_room_for_others(runtime: PluginRuntime) -> None:
    with loops(1) as (stays,):
        stays.run(runtime.ensure())
        for _ in range(MAX_LOOPS + 2):
            hasty = Loop()
            hasty.run(runtime.ensure())
            hasty.end(in_a_hurry=True)
        assert lives(runtime) <= 2


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/state.db"])
def test_two_threads_that_hammer_one_counter_count_each_call_once(tmp_path: Path, url: str) -> None:
    runtime = PluginRuntime({"version": 1, "state": {"url": url.format(tmp_path)}}, plugins=[Word])
    times = 4000 if url == "memory://" else 300

    async def hammer() -> list[int]:
        space = KeySpace(runtime.state, "counter")
        return [await space.incr("n") for _ in range(times)]

    with loops(3) as (one, two, third):
        for each in (one, two, third):
            each.run(runtime.ensure())
        hammering = [each.begin(hammer()) for each in (one, two)]
        third.end()  # closes the file that the others use
        counted = [n for future in hammering for n in future.result(60)]
        assert sorted(counted) == list(range(1, 2 * times + 1))


def test_state_is_kept_while_any_loop_uses_it_and_forgotten_with_the_last_stop(runtime: PluginRuntime) -> None:
    async def count() -> int:
        return await KeySpace(runtime.state, "counter").incr("n")

    with loops(2) as (one, two):
        for each in (one, two):
            each.run(runtime.start())
        assert [each.run(count()) for each in (one, two)] == [1, 2]
        one.run(runtime.stop())
        one.run(runtime.start())
        assert [each.run(count()) for each in (one, two)] == [3, 4]
        for each in (one, two):
            each.run(runtime.stop())
        two.run(runtime.start())
        assert two.run(count()) == 1
        two.run(runtime.stop())


def test_a_start_that_fails_on_one_loop_may_be_tried_again_there() -> None:
    fails = [False]

    class Moody(Word):
        def start(self) -> None:
            if fails[0]:
                raise RuntimeError("not today")

    runtime = PluginRuntime({"version": 1}, plugins=[Moody])
    with loops(2) as (one, two):
        one.run(runtime.start())
        fails[0] = True
        with pytest.raises(Exception, match="not today"):
            two.run(runtime.start())
        fails[0] = False
        two.run(runtime.start())
        assert lives(runtime) == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_none_of_them(runtime: PluginRuntime) -> None:
    async def child() -> str:
        await runtime.ensure()
        here = runtime.plugin("word")
        return f"{await here.call_function(None, 'here', [], {})} {len(runtime._siblings)} {lives(runtime)}"

    with loops(MAX_LOOPS) as all_of_them:
        for each in all_of_them:
            each.run(runtime.ensure())
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            try:
                os.write(writer, asyncio.run(child()).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            assert pipe.read() == b"True 0 1"
        os.waitpid(pid, 0)
        assert lives(runtime) == MAX_LOOPS


@pytest.fixture
def busy_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("busy_threads")
def test_a_file_that_one_loop_closes_again_and_again_serves_the_others(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")

    async def hammer() -> list[int]:
        counter = KeySpace(store, "counter")
        return [n for _ in range(10) for n in await asyncio.gather(*(counter.incr("n") for _ in range(200)))]

    with loops(3) as (one, two, third):
        hammering = [each.begin(hammer()) for each in (one, two)]
        while not all(future.done() for future in hammering):
            third.run(store.close())
        assert sorted(n for future in hammering for n in future.result()) == list(range(1, 4001))
        third.run(store.close())


@pytest.mark.usefixtures("busy_threads")
def test_a_secret_stays_hidden_while_another_loop_adds_some() -> None:
    hide = Redactor(Secrets({"a": "open-sesame-0"}))

    async def adds() -> None:
        for n in range(1, 150):
            hide.add(Secrets({"a": f"open-sesame-{n}"}))

    with loops(2) as (one, two):
        adding = [each.begin(adds()) for each in (one, two)]
        while not all(future.done() for future in adding):
            assert "sesame" not in hide("it is open-sesame-0!")
        for future in adding:
            future.result()
    assert "sesame" not in " ".join(hide(f"open-sesame-{n}!") for n in range(150))


@pytest.mark.usefixtures("busy_threads")
def test_subscribers_of_several_loops_do_not_take_one_another_out() -> None:
    events, heard = EventStream(), list[Event]()

    async def subscribes() -> None:
        for _ in range(300):
            events.subscribe(lambda event: None)()
        events.subscribe(lambda event: heard.append(event))

    with loops(4) as all_of_them:
        for future in [each.begin(subscribes()) for each in all_of_them]:
            future.result(30)
    events.emit(Event())
    assert len(heard) == 4
