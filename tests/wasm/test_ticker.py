"""When the ticker has an epoch raised, and that both kinds of timers do it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import wasmtime

from mockforge_asgi.errors import LimitExceeded
from mockforge_asgi.wasm import ticker as module
from mockforge_asgi.wasm import timers
from mockforge_asgi.wasm.engine import Engines
from mockforge_asgi.wasm.ffi import poll, poll_briefly
from mockforge_asgi.wasm.ticker import FIRST_S, TICK_S, Ticker
from mockforge_asgi.wasm.timers import SystemTimer, ThreadTimer, Timer
from tests.support.component_guests import bench

KINDS = [
    ThreadTimer,
    pytest.param(SystemTimer, marks=pytest.mark.skipif(sys.platform != "linux", reason="made by Linux' C libraries")),
]


class Noted:
    """A timer that notes what it is told."""

    def __init__(self, _engine: wasmtime.Engine) -> None:
        self.told: list[float | str] = []

    def set(self, after_s: float) -> None:
        self.told.append(after_s)

    def stop(self) -> None:
        self.told.append("stop")

    def close(self) -> None:
        self.told.append("close")


async def noted() -> tuple[Ticker, Noted]:
    engines = Engines()
    ticker = Ticker(engines, asyncio.get_running_loop(), Noted)
    engines.get("core")
    (timer,) = ticker.timers
    assert isinstance(timer, Noted)
    return ticker, timer


def begin(ticker: Ticker, now_s: float) -> None:
    """What the scheduler does before a first slice."""
    if ticker.due_s - now_s < ticker.first_left_s:
        ticker.first(now_s)


async def test_the_timer_is_put_off_while_short_calls_follow_each_other() -> None:
    ticker, timer = await noted()
    for n in range(1000):
        begin(ticker, 50.0 + n * 0.0001)
        assert 50.0 + n * 0.0001 + FIRST_S / 2 < ticker.due_s
    assert set(timer.told) == {FIRST_S} and 50 < len(timer.told) < 150
    ticker.stop()


async def test_further_slices_end_after_a_tick_whatever_the_timer_was_set_for() -> None:
    ticker, timer = await noted()
    for now_s in (50.0, 50.0001, 50.002, 50.0025):
        begin(ticker, now_s)
        ticker.next(now_s)
        assert 0.7 * TICK_S <= ticker.due_s - now_s <= TICK_S
    ticker.stop()
    assert timer.told[-1] == "close"


async def test_while_a_guest_computes_for_long_first_slices_are_short_too() -> None:
    ticker, timer = await noted()
    begin(ticker, now_s := time.perf_counter())
    ticker.alert()
    begin(ticker, now_s)
    assert timer.told == [FIRST_S, TICK_S]
    begin(ticker, now_s + 60)
    assert timer.told[-1] == FIRST_S
    ticker.stop()


async def test_an_engine_that_is_made_later_has_a_timer_by_its_first_call() -> None:
    engines = Engines()
    ticker = Ticker(engines, asyncio.get_running_loop(), Noted)
    engines.get("core")
    begin(ticker, 50.0)
    engines.get("component")
    begin(ticker, 50.0)
    assert [timer.told[-1] for timer in ticker.timers if isinstance(timer, Noted)] == [FIRST_S, FIRST_S]
    ticker.stop()


async def test_it_rests_when_no_guest_has_run_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_S", 0.01)
    ticker, timer = await noted()
    begin(ticker, time.perf_counter())
    while timer.told[-1] != "stop":
        await asyncio.sleep(0.005)
    begin(ticker, time.perf_counter())
    assert timer.told == [FIRST_S, "stop", FIRST_S]
    ticker.stop()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[Callable[[wasmtime.Engine], Timer]]:
    yield request.param


SPIN = '(module (func (export "spin") (loop $again br $again)))'


def spin_until_raised(engine: wasmtime.Engine) -> None:
    """A guest that computes until its engine's epoch is raised."""
    store = wasmtime.Store(engine)
    store.set_epoch_deadline(1)
    spin = wasmtime.Instance(store, wasmtime.Module(engine, SPIN), []).exports(store)["spin"]
    assert isinstance(spin, wasmtime.Func)
    with pytest.raises(wasmtime.Trap, match="interrupt"):
        spin(store)


def test_a_timer_raises_the_epoch_at_its_time_and_goes_on_until_it_is_stopped(kind: Callable[[wasmtime.Engine], Timer]) -> None:
    config = wasmtime.Config()
    config.epoch_interruption = True
    engine = wasmtime.Engine(config)
    timer = kind(engine)
    began_s = time.perf_counter()
    timer.set(0.05)
    spin_until_raised(engine)
    assert time.perf_counter() - began_s >= 0.05
    spin_until_raised(engine)  # again by itself: one raise may get lost
    timer.stop()
    timer.set(0.001)
    spin_until_raised(engine)
    timer.close()


@pytest.mark.parametrize("how", [ThreadTimer, None])
async def test_a_guest_that_computes_leaves_the_loop_its_turns(how: Callable[[wasmtime.Engine], Timer] | None) -> None:
    async with bench(how or timers.new_timer) as stand:
        guest = await stand.guest().instantiate(stand.fiber("load"))
        fiber = stand.fiber("spin", cpu_s=0.03)
        with pytest.raises(LimitExceeded):
            await guest.call(fiber, b"{}")
        assert fiber.slices > 5
        assert stand.ticker.poll is (poll if how or sys.platform != "linux" else poll_briefly)


def test_a_process_that_ends_while_a_timer_runs_ends_well() -> None:
    """An engine that were freed under its timer would be written to."""
    code = """if True:
        import asyncio, os, time
        from mockforge_asgi.wasm.engine import Engines
        from mockforge_asgi.wasm.ticker import Ticker
        async def main():
            engines = Engines()
            ticker = Ticker(engines, asyncio.get_running_loop())
            engines.get("core"), engines.get("component")
            for timer in ticker.timers:
                timer.set(0.0005)
            if os.fork() == 0:
                ticker.stop()
                os._exit(0)
            for _ in range(300):
                for timer in ticker.timers:
                    timer.set(0.0001)
                time.sleep(0.0002)
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=os.getcwd()
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_engines_of_closed_timers_are_freed_in_time(kind: Callable[[wasmtime.Engine], Timer], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = wasmtime.Engine()
    kind(engine).close()
    assert len(timers._retired) > 0, "a raise may be on its way"
    engine.close()
    monkeypatch.setattr(timers, "_RETIRED_S", -1.0)
    kind(wasmtime.Engine()).close()
    assert len(timers._retired) == 0


def test_a_thread_ends_with_its_timer_whenever_it_is_closed() -> None:
    engine = wasmtime.Engine()
    made = [ThreadTimer(engine) for _ in range(50)]
    for n, timer in enumerate(made):
        if n % 2:
            timer.set(0.0)
        timer.close()
    for timer in made:
        timer._thread.join(10)
    assert not any(timer._thread.is_alive() for timer in made)
