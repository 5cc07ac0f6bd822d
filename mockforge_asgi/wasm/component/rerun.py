"""Where a call was that was over its time: the same call once more, in a fresh instance whose Python tells its lines.

An epoch that interrupts a guest cannot ask it anything, so nobody can tell at the time. For development mode and `mockforge plugin`
only. The host calls of the second run are answered with what the first one was answered: nothing happens twice, and where the
answers end, so does the run. How the guest tells is `mockforge_plugin/sandbox/trace.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from mockforge_asgi.contract import BodyReader, HostCalls, Json
from mockforge_asgi.errors import LimitExceeded, MockForgeError
from mockforge_asgi.text import clip, escape, text_of
from mockforge_asgi.wasm.component.python import PythonGuest
from mockforge_asgi.wasm.fiber import MAX_RECORDED, Budget, Fiber, HostCallRequest, Place

_SETUP: Final = Budget(cpu_s=3.0, timeout_s=6.0, output_bytes=1 << 20, is_fixed=True)
_SLOWER: Final = 10
"""Python that tells its lines is about eight times slower."""
_LEAST_S: Final = 0.25
_MOST_S: Final = 1.5
"""Somebody waits for the response."""
_BEFORE_INIT: Final = ("plugin.load", "describe", "plugin.validate_config", "plugin.init")
_TRACE: Final = "trace"
_NO_LINE: Final = 1 << 62


class Rerun:
    """Runs calls of one plugin generation again, one at a time."""

    def __init__(self, guest: PythonGuest, host_calls: HostCalls) -> None:
        self._guest, self._host_calls = guest, host_calls
        self._is_running = False

    async def place(self, failed: Fiber, document: bytes, init: bytes | None) -> Place | None:
        """Where the failed call was; None where the second run ends well, or another one is under way.

        `init` is the document of `plugin.init`, for plugins that have it.
        """
        record = failed.record or ()
        if self._is_running or len(record) >= MAX_RECORDED:
            return None
        self._is_running = True
        init = None if failed.op in _BEFORE_INIT else init
        try:
            replay = await self._once(failed, document, init, record, _NO_LINE)
            if replay is not None and replay.is_vague:
                replay = await self._once(failed, document, init, record, replay.line_number)
            return None if replay is None else replay.place
        except MockForgeError:
            return None
        finally:
            self._is_running = False

    async def _once(
        self, failed: Fiber, document: bytes, init: bytes | None, record: Sequence[HostCallRequest], from_line: int
    ) -> _Replay | None:
        """One run, told line by line from that number on; None when it came to an end of its own. Raises MockForgeError."""
        replay, op = _Replay(self._host_calls, record), failed.op
        cpu_s = min(_MOST_S, max(_LEAST_S, _SLOWER * min(failed.budget.cpu_s, failed.budget.timeout_s)))
        fiber = Fiber(failed.plugin, op, Budget(cpu_s, 2 * cpu_s + 1, failed.budget.output_bytes), replay, None)
        instance = None
        try:
            if op == "plugin.load":
                replay.begin(fiber)
                instance = await self._guest.instantiate(fiber, trace=from_line)
                return None
            instance = await self._guest.instantiate(Fiber(failed.plugin, "plugin.load", _SETUP, replay, None), trace=from_line)
            if init is not None:
                await instance.call(Fiber(failed.plugin, "plugin.init", _SETUP, replay, None), init)
            replay.begin(fiber)
            await (instance.describe(fiber) if op == "describe" else instance.call(fiber, document))
        except (LimitExceeded, _OutOfAnswers):
            return replay
        finally:
            if instance is not None:
                instance.close()
        return None


class _OutOfAnswers(MockForgeError):
    """The first run got no answer here."""


class _Replay:
    """The host calls of a second run: the plugin's own until it begins, then what the first run was answered."""

    def __init__(self, inner: HostCalls, record: Sequence[HostCallRequest]) -> None:
        self._inner, self._left = inner, deque(record)
        self._fiber: Fiber | None = None
        self._told_slices = self._next = 0
        self.line_number = 0
        """How many lines had run when it last told where it was."""
        self.place: Place | None = None

    def begin(self, fiber: Fiber) -> None:
        """From here on it is the call in question."""
        self._fiber, self.place = fiber, None

    @property
    def is_vague(self) -> bool:
        """Whether it told nothing for the greater part of its time, in one line of Python, and not of every line before."""
        return self._fiber is not None and 2 * self._told_slices < self._fiber.slices and self._next > self.line_number + 1

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """An answer of the first run. Raises HostCallError as that did, _OutOfAnswers where there is none."""
        if name == _TRACE:
            return self._told(payload)
        if self._fiber is None:
            return self._inner.call_now(name, payload)
        asked = self._left.popleft() if self._left else None
        if asked is None or asked.outcome is None or asked.name != name:
            raise _OutOfAnswers(name)
        answer, error = asked.outcome
        if error is not None:
            raise error
        return answer

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """One that the plugin's own host calls must wait for."""
        return await self._inner.call(name, payload, request)

    async def close(self) -> None:
        """They are not its own."""

    def _told(self, payload: Mapping[str, Json]) -> None:
        """Take note of a place, which the author's code may have made up."""
        self.line_number, self._next = _number(payload.get("n")), _number(payload.get("next"))
        if self._fiber is not None:
            self._told_slices = self._fiber.slices
            if file := payload.get("file"):
                source, traceback = text_of(payload.get("source"), 300), text_of(payload.get("traceback"), 8000)
                self.place = Place(clip(text_of(file, 200)), _number(payload.get("line")), clip(source, 300), escape(traceback))


def _number(value: object) -> int:
    return value if type(value) is int and 0 <= value < _NO_LINE else 0
