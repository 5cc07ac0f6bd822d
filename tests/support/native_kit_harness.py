"""A plugin run natively over doors answered from memory: the same face as an instance of the sandbox."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any

from mockforge_plugin.bundle import Bundle
from mockforge_plugin.context import entered
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import HostError, error_envelope
from mockforge_plugin.operations.loading import load_plugin
from tests.support.error_envelopes import GuestError
from tests.support.memory_host_calls import DoorRefused, HostCalls

_numbers = itertools.count()


class DirectContext:
    """Asks the doors of a test."""

    def __init__(self, doors: HostCalls) -> None:
        self.doors = doors

    def call_now(self, name: str, payload: dict[str, Any]) -> Any:
        """Ask at once; the payload is what would cross the boundary."""
        try:
            return json.loads(json.dumps(self.doors.answer(name, json.loads(encode(payload, name)))))
        except DoorRefused as refused:
            raise HostError.from_envelope(refused.envelope) from None

    call_blocking = call_now

    async def call(self, name: str, payload: dict[str, Any]) -> Any:
        """Ask after a turn of the loop, as a real host would."""
        await asyncio.sleep(0)
        return self.call_now(name, payload)


class NativeInstance:
    """One plugin, loaded from its files."""

    def __init__(self, files: Mapping[str, str] | str, doors: HostCalls | None = None, *, entry: str = "plugin.py") -> None:
        self.doors = doors or HostCalls()
        self._context = DirectContext(self.doors)
        self.bundle = Bundle({"plugin.py": files} if isinstance(files, str) else files, prefix=f"golden_{next(_numbers)}")
        try:
            self.plugin = load_plugin(self.bundle.run(entry))
        except Exception as exc:
            raise self._failed(exc) from exc

    def describe(self) -> Any:
        """What it implements."""
        return json.loads(encode(self.plugin.describe()))

    def call(self, op: str, document: Any = None) -> Any:
        """One operation. Raises: GuestError."""
        try:
            with entered(self._context):
                answer = self.plugin.call(op, document)
                return json.loads(answer if isinstance(answer, str) else asyncio.run(answer))
        except BaseException as exc:
            raise self._failed(exc) from exc

    def _failed(self, exc: BaseException) -> GuestError:
        return GuestError(encode(error_envelope(exc, self.bundle.author_files)))
