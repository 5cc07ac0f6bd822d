"""The error that a guest reports: a failure of the plugin's, in bounded words, whatever it wrote."""

from __future__ import annotations

from typing import Any

from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.reports import reported
from tests.fuzz.fuzzing import Target, kept
from tests.fuzz.said import MAX_FAILURE, is_harmless
from tests.fuzz.trees import changer

SEEDS = kept("envelope")
NO_DOORS: Any = None


def failed(text: bytes) -> PluginFailed:
    """The failure that is made of it."""
    return reported(Fiber("guest", "op", Budget(), NO_DOORS, None), text)


def check(data: bytes) -> None:
    """Make a failure of it."""
    error = failed(data)
    assert isinstance(error, PluginFailed) and (error.plugin, error.op) == ("guest", "op")
    assert len(error.code) <= 6 * 40 and len(str(error)) < MAX_FAILURE and is_harmless(str(error))
    assert type(error.retryable) is bool and isinstance(error.details, dict)
    str(error).encode()


TARGET = Target(check, 2_000, mutate=changer(SEEDS), max_bytes=16_384)
