"""One call of a guest on its own stack: what it may use, what it waits for, how it ended.

A fiber is polled by `scheduler.py`. Host callbacks run on the fiber's stack and only record a `HostCallRequest`; its
answer is made and delivered on the loop's stack, between polls.
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from wasmtime import Trap, WasmtimeError
from wasmtime import _bindings as ffi

from mockforge_asgi.bounded_json import HOST_CALL, BadJson, parse
from mockforge_asgi.contract import BodyReader, HostCalls, Json
from mockforge_asgi.errors import HostCallError, LimitExceeded, MockForgeError, PluginCrashed, PluginFailed
from mockforge_asgi.text import clip
from mockforge_asgi.wasm.inspect.limits import memory_needed


@dataclass(frozen=True, slots=True)
class Budget:
    """What one call may use."""

    cpu_s: float = 0.02
    timeout_s: float = 0.2
    output_bytes: int = 64 * 1024
    is_fixed: bool = False
    """The host's own, whatever the plugin's `limits` say: for making an instance ready."""


SETUP: Final = Budget(cpu_s=2.0, timeout_s=5.0, output_bytes=1 << 20, is_fixed=True)
"""What making an instance ready may use: instantiate, load, describe, init."""
FAREWELL: Final = Budget(cpu_s=0.5, timeout_s=1.0, output_bytes=1 << 20, is_fixed=True)
"""What `destroy` may use: another plugin may wait for the room."""
MAX_RECORDED: Final = 5_000
"""Host calls of one call that are kept."""


class HostCallRequest:
    """A host call that a guest makes: which one, with what, and how the answer gets to it (`deliver(answer, error)`)."""

    __slots__ = ("_deliver", "_payload", "name", "outcome")

    def __init__(self, name: str, payload: bytes | Mapping[str, Json], deliver: Callable[[Json, HostCallError | None], None]) -> None:
        self.name, self._payload, self._deliver = name, payload, deliver
        self.outcome: tuple[Json, HostCallError | None] | None = None
        """What it was answered, once it was."""

    def arguments(self) -> Mapping[str, Json]:
        """What the guest sent, as a JSON object. Raises HostCallError when it is none."""
        if not isinstance(self._payload, bytes):
            return self._payload
        try:
            self._payload = parse(self._payload, HOST_CALL) if self._payload else {}
        except BadJson as error:
            raise HostCallError("invalid_input", f"host call '{self.name}': the payload is {error}") from None
        if not isinstance(self._payload, dict):
            self._payload, kind = {}, type(self._payload).__name__
            raise HostCallError("invalid_input", f"host call '{self.name}' takes a JSON object, not {kind}")
        return self._payload

    def answer(self, answer: Json, error: HostCallError | None) -> None:
        """Hand the answer to the guest, which goes on at its next poll."""
        self._deliver(answer, error)
        self.outcome = answer, error


@dataclass(frozen=True, slots=True)
class Place:
    """Where the author's code was: file, line, what stands there, and how it came there."""

    file: str
    line: int
    source: str
    traceback: str


class Fiber:
    """The state of one call. `call` is the C future while the call runs; dropping it unwinds the guest."""

    # What few calls have, or have from the beginning, stands in the class until then.
    call: Any = None
    pending: HostCallRequest | None = None
    cpu_s = 0.0
    slices = 0
    deadline: float | None = None
    """Wall deadline in the loop's time; set when the call begins unless the caller waited for an instance before."""
    record: list[HostCallRequest] | None = None
    """The host calls that it made, with their answers, where they are kept: up to `MAX_RECORDED`."""
    keep: Any = None
    """The C cells that must stay alive until the call's future is deleted."""
    waiter: Any = None
    is_ended = False
    """Whether its plugin generation ends before it does."""
    left: BaseException | None = None
    """Why nobody wants its answer any more, for one that was begun in the very turn of the loop in which that came."""

    def __init__(
        self,
        plugin: str,
        op: str,
        budget: Budget,
        host_calls: HostCalls,
        request: BodyReader | None,
        record: list[HostCallRequest] | None = None,
    ) -> None:
        self.plugin, self.op, self.budget, self.host_calls, self.request = plugin, op, budget, host_calls, request
        if record is not None:
            self.record = record

    def over(self, limit: str, place: Place | None = None) -> LimitExceeded:
        """The error for a used-up `cpu_ms` or `timeout_ms`; `place` is where the author's code was, where that is known."""
        budget_ms = 1000 * (self.budget.cpu_s if limit == "cpu_ms" else self.budget.timeout_s)
        fixed = f"over {limit}={budget_ms:g}, which is fixed for this step{self._where(limit, place)}. Do less in it."
        usual = f"over its limit of {limit}={budget_ms:g}{self._where(limit, place)}. Raise limits.{limit} or make the call cheaper."
        error = LimitExceeded(
            self.plugin, self.op, limit, budget_ms, fixed if self.budget.is_fixed else usual, place.traceback if place is not None else ""
        )
        if place is not None:
            error.details.update(file=place.file, line=place.line, source=place.source)
        return error

    def _where(self, limit: str, place: Place | None) -> str:
        """What the code did then: waited for the host, or computed in the author's line, or after a host call."""
        said = f"; run again to see where, it was at {place.file} line {place.line}" if place is not None else ""
        if limit == "timeout_ms" and self.pending is not None and self.pending.outcome is None:
            return f" while it waited for the host call '{clip(self.pending.name, 40)}'{said}"
        return said or (
            f"; its last host call was '{clip(self.record[-1].name, 40)}'" if self.record and len(self.record) < MAX_RECORDED else ""
        )


class Arrival(Protocol):
    """A call that waits for its turn."""

    @property
    def fiber(self) -> Fiber:
        """What it will run on."""
        ...

    def begin(self) -> None:
        """Its turn has come. Raises nothing."""
        ...

    def set_exception(self, error: Exception) -> None:
        """Its turn does not come."""
        ...


def answer_now(fiber: Fiber, request: HostCallRequest) -> bool:
    """Answer a host call that needs no waiting; False for one that does. Raises PluginCrashed when the host call broke."""
    try:
        answer = fiber.host_calls.call_now(request.name, request.arguments())
        if answer is NotImplemented:
            return False
        request.answer(answer, None)
    except HostCallError as error:
        request.answer(None, error)
    except MockForgeError:
        raise
    except Exception as error:
        raise _broken_host_call(fiber, request, error) from error
    return True


async def answer_later(fiber: Fiber, request: HostCallRequest) -> None:
    """Answer a host call that has to be waited for. Raises PluginCrashed when it broke."""
    try:
        answer = await fiber.host_calls.call(request.name, request.arguments(), fiber.request)
        began_s = time.thread_time()
        request.answer(answer, None)
        fiber.cpu_s += time.thread_time() - began_s
    except HostCallError as error:
        request.answer(None, error)
    except MockForgeError:
        raise
    except Exception as error:
        raise _broken_host_call(fiber, request, error) from error


def _broken_host_call(fiber: Fiber, request: HostCallRequest, error: Exception) -> PluginCrashed:
    return PluginCrashed(fiber.plugin, fiber.op, f"the host call '{request.name[:40]}' failed: {type(error).__name__}: {error}")


class GuestTrapped(PluginCrashed):
    """The guest trapped (unreachable, out of bounds, stack overflow, ...): its instance is gone."""


class GuestExited(GuestTrapped):
    """The guest called `proc_exit`. Status 0 ends a call well, as it ends a command; anywhere else it is a failure, too."""

    def __init__(self, plugin: str, op: str, status: int) -> None:
        self.status = status
        super().__init__(plugin, op, f"its code left with status {status}")


_TRAPS = {
    "STACK_OVERFLOW": "recursed too deeply (stack overflow)",
    "MEMORY_OUT_OF_BOUNDS": "reached outside its memory",
    "UNREACHABLE": "gave up (unreachable: usually a panic, an abort or no memory left)",
    "INTEGER_DIVISION_BY_ZERO": "divided by zero",
}


_MARKS = {
    "STACK_OVERFLOW": "call stack exhausted",
    "UNREACHABLE": "wasm `unreachable`",
    "MEMORY_OUT_OF_BOUNDS": "out of bounds memory",
    "INTEGER_DIVISION_BY_ZERO": "integer divide by zero",
}


def failure(fiber: Fiber, error: Any, trap: Any = None) -> PluginFailed:
    """What a C error or trap means, as our error; takes the pointers over."""
    if trap:
        taken = Trap._from_ptr(trap)
        code, text = kind.name if (kind := taken.trap_code) else "", taken.message
    else:
        text = str(WasmtimeError._from_ptr(error))
        if needed := _MEMORY.search(text):
            return GuestTrapped(fiber.plugin, fiber.op, f"its code {' '.join(memory_needed(int(needed[1])))}")
        code = next((name for name, mark in _MARKS.items() if mark in text), "")
    return GuestTrapped(fiber.plugin, fiber.op, f"its code {_TRAPS[code]}" if code in _TRAPS else _last_line(text))


_MEMORY = re.compile(r"memory minimum size of (\d{1,9}) pages exceeds")
_NUMBER = re.compile(r"^\d+: +")
_MAX_LINE = 1000  # names that a guest chose may be a hundred times as long
_NO_CAUSE = re.compile(r"\s*(?:$|Caused by:|note: |wasm backtrace:|error while executing at wasm backtrace:|\d+: +0x[0-9a-f]+ - )")


def _last_line(text: str) -> str:
    """The innermost cause that a chain of causes tells, without the frames of a backtrace."""
    lines = [line[:_MAX_LINE].strip() for line in text.splitlines() if not _NO_CAUSE.match(line, 0, _MAX_LINE)]
    return clip(_NUMBER.sub("", lines[-1]) if lines else "the guest trapped", 300)


NO_FINALIZER: Any = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()
"""A null finalizer, for C structures that want one."""

Continuation = ffi.wasmtime_func_async_continuation_callback_t
