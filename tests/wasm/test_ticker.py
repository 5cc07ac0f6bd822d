"""The ticker's thread."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import cast

import pytest

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


@pytest.mark.parametrize("is_old", [True, False])
async def test_a_first_slice_is_ended_once_it_is_older_than_a_tick(is_old: bool) -> None:
    engines = Engineless()
    engines.said.set()
    ticker = Ticker(cast(Engines, engines))
    ticker.first_since_s = time.perf_counter() if is_old else time.perf_counter() + 3600
    ticker.wake()
    if is_old:
        await asyncio.to_thread(engines.asked.wait, 5)
    else:
        while not ticker.asleep:  # what begins later than now is never old: the thread finds nothing to do
            ticker.first_since_s = 0.0
            await asyncio.sleep(0)
    assert engines.asked.is_set() == is_old
    await ticker.stop()


async def test_one_that_never_ticked_stops_at_once() -> None:
    await Ticker(cast(Engines, Engineless())).stop()
