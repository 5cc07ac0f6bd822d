"""The ticker's thread."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import cast

from mockforge_asgi.wasm.engine import Engines
from mockforge_asgi.wasm.ticker import Ticker


class Engineless:
    """Engines whose list is there only once the loop has said so."""

    def __init__(self) -> None:
        self.asked, self.said = threading.Event(), threading.Event()
        self.was_said: list[bool] = []

    @property
    def live(self) -> tuple[()]:
        self.asked.set()
        self.was_said.append(self.said.wait(5))
        return ()


async def test_the_loop_goes_on_while_the_thread_ends() -> None:
    engines = Engineless()
    ticker = Ticker(cast(Engines, engines))
    ticker.active = 1
    ticker.wake()
    await asyncio.to_thread(engines.asked.wait, 5)
    thread = ticker._thread
    stopping = asyncio.create_task(ticker.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    engines.said.set()
    await stopping
    assert engines.was_said == [True] and thread is not None and not thread.is_alive()


def begun(age_s: float) -> tuple[Ticker, Engineless]:
    """A first slice of that age, and a ticker that looks."""
    engines = Engineless()
    engines.said.set()
    ticker = Ticker(cast(Engines, engines))
    ticker.first_since_s = time.perf_counter() - age_s
    return ticker, engines


async def test_a_first_slice_that_has_run_for_too_long_is_ended() -> None:
    ticker, engines = begun(age_s=0.0)
    ticker.wake()
    assert await asyncio.to_thread(engines.asked.wait, 5)
    await ticker.stop()


async def test_a_short_first_slice_is_left_alone() -> None:
    ticker, engines = begun(age_s=-3600)  # it begins in an hour: it is never old
    ticker.wake()
    await asyncio.to_thread(engines.asked.wait, 0.02)
    assert not engines.asked.is_set()
    await ticker.stop()


async def test_while_a_guest_computes_for_long_no_first_slice_is_left_alone() -> None:
    ticker, engines = begun(age_s=-3600)
    ticker.alert()
    ticker.wake()
    assert await asyncio.to_thread(engines.asked.wait, 5)
    await ticker.stop()


async def test_one_that_never_ticked_stops_at_once() -> None:
    await Ticker(cast(Engines, Engineless())).stop()
