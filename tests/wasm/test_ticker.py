"""The ticker's thread."""

from __future__ import annotations

import asyncio
import threading
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
    stopping = asyncio.create_task(ticker.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    engines.said.set()
    await stopping
    assert engines.was_said == [True] and "mockforge-ticker" not in [t.name for t in threading.enumerate()]


async def test_one_that_never_ticked_stops_at_once() -> None:
    await Ticker(cast(Engines, Engineless())).stop()
