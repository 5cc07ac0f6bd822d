"""Keeps what lives as long as the server out of the garbage collector's sight.

Without this every full collection goes through all that start-up made, and holds up the requests of that moment for tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Final

from mockforge_asgi.events import Event

PAUSE_S: Final = 0.5
"""How long after a plugin has stopped what took over from it is frozen: several stop at once."""


def freeze() -> None:
    """Collect garbage now, what was frozen earlier included, and look no more at what is left."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class FreezeAgain:
    """Heard when a plugin has stopped, which in development mode means that an edited one took over. Must be called on the event loop."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: asyncio.TimerHandle | None = None

    def __call__(self, event: Event) -> None:
        """Freeze soon, once for all that stop together; not at all when the loop ends before."""
        if self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(PAUSE_S, self._freeze)

    def _freeze(self) -> None:
        self._pending = None
        freeze()
