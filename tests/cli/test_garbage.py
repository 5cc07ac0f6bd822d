"""What is frozen is passed over by the garbage collector, and collected when it is frozen again."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from mockforge_asgi.cli import garbage
from mockforge_asgi.cli.garbage import FreezeAgain, freeze
from mockforge_asgi.events import PluginStopped

STOPPED = PluginStopped(plugin="words", digest="")


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_was_frozen_and_has_become_garbage_is_freed_when_it_is_frozen_again() -> None:
    knot = Knot()
    seen = weakref.ref(knot)
    freeze()
    assert gc.get_freeze_count() > 0
    del knot
    gc.collect()
    assert seen() is not None
    freeze()
    assert seen() is None


async def test_plugins_that_stop_together_are_one_reason_to_freeze_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "PAUSE_S", 0)
    frozen: list[int] = []
    monkeypatch.setattr(garbage, "freeze", lambda: frozen.append(1))
    again = FreezeAgain()
    for _ in range(2):
        again(STOPPED)
        again(STOPPED)
        await asyncio.sleep(0.001)
    assert len(frozen) == 2


def test_nothing_waits_for_it_when_the_loop_ends() -> None:
    async def stop() -> None:
        FreezeAgain()(STOPPED)

    asyncio.run(stop())
    assert gc.get_freeze_count() == 0
