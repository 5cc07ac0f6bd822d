"""Timers that raise an engine's epoch without the interpreter: what ends a guest's time slice while the loop's thread is in it.

On Linux the C library calls wasmtime's function from a thread of its own (`timer_create(2)`, `SIGEV_THREAD`). No thread of Python's is
woken, so no guest's call waits for one to give the interpreter lock back, and the loop's thread may keep the lock in short slices.
Elsewhere a thread of Python's does it, and the lock must be given up whenever a guest runs.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
import time
from collections import deque
from typing import Any, Final, Protocol

import wasmtime
from wasmtime import _bindings as ffi
from wasmtime._ffi import dll

from mockforge_asgi.locks import ProcessLock
from mockforge_asgi.wasm.ffi import raise_epoch

AGAIN_S: Final = 0.1
"""How often it is raised again until somebody sets or stops the timer: a raise may be lost when no thread can be made for it."""


class Timer(Protocol):
    """Raises the epoch of one engine."""

    def set(self, after_s: float) -> None:
        """Raise it so many seconds from now, and not at the time set before."""
        ...

    def stop(self) -> None:
        """Raise it no more, until `set`."""
        ...

    def close(self) -> None:
        """Stop for good and free what it holds."""
        ...


class _Event(ctypes.Structure):
    """`struct sigevent` of 64 bits: the same in glibc and musl."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("rest", ctypes.c_byte * 32),
    )


class _Times(ctypes.Structure):
    """`struct itimerspec` of 64 bits: interval and first expiry, each in seconds and nanoseconds."""

    _fields_ = (("again_s", ctypes.c_long), ("again_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long))


_pid = 0
"""The process that made the first one, of which others may be forks."""
_MONOTONIC: Final = 1
_IN_A_THREAD: Final = 2  # SIGEV_THREAD
_RETIRED_S: Final = 10.0
_retired: deque[tuple[float, Any]] = deque()
"""Shares in engines of timers that were closed, and when: a raise that was on its way may still come, and must find its engine."""
_retiring: Final = ProcessLock()
"""Two loops that end at once would else free what only one of them has looked at."""


def _retire(engine: Any) -> None:
    with _retiring.here():
        now_s = time.monotonic()
        _retired.append((now_s, engine))
        while _retired and _retired[0][0] < now_s - _RETIRED_S:
            ffi._wasm_engine_delete(_retired.popleft()[1])


class SystemTimer:
    """One of the C library's. Raises OSError where it gives none, and in forks of a process that had some."""

    __slots__ = ("_engine", "_id", "_libc", "_pid")

    def __init__(self, engine: wasmtime.Engine) -> None:
        global _pid
        if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise OSError("such timers are known on Linux with 64 bits")
        self._libc, self._id, self._pid = _libc(), ctypes.c_void_p(), os.getpid()
        if (_pid := _pid or self._pid) != self._pid:
            raise OSError("glibc's lock around timers may have been held when this process was forked")
        raises = ctypes.cast(dll.wasmtime_engine_increment_epoch, ctypes.c_void_p)
        self._engine: Any = ffi._wasmtime_engine_clone(engine.ptr())
        event = _Event(ctypes.cast(self._engine, ctypes.c_void_p).value, 0, _IN_A_THREAD, raises.value)
        if self._libc.timer_create(_MONOTONIC, ctypes.byref(event), ctypes.byref(self._id)) != 0:
            ffi._wasm_engine_delete(self._engine)
            raise OSError(ctypes.get_errno(), "timer_create")

    def set(self, after_s: float) -> None:
        """See Timer."""
        self._set(_Times(0, int(AGAIN_S * 1e9), 0, int(after_s * 1e9)))

    def stop(self) -> None:
        """See Timer."""
        if self._pid == os.getpid():  # in a fork the number may be that of somebody else's timer
            self._set(_Times())

    def _set(self, times: _Times) -> None:
        self._libc.timer_settime(self._id, 0, ctypes.byref(times), None)

    def close(self) -> None:
        """See Timer."""
        if self._pid != os.getpid():  # a fork has none of its parent's timers
            return
        self._libc.timer_delete(self._id)
        _retire(self._engine)


def _libc() -> ctypes.PyDLL:
    try:
        libc = ctypes.PyDLL(None, use_errno=True)
        if not hasattr(libc, "timer_create"):  # glibc before 2.34
            libc = ctypes.PyDLL("librt.so.1", use_errno=True)
        libc.timer_create.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        libc.timer_settime.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        libc.timer_delete.argtypes = [ctypes.c_void_p]
    except AttributeError as error:
        raise OSError(str(error)) from None
    return libc


_NEVER_S: Final = math.inf


class ThreadTimer:
    """A thread that sleeps until the time set, looks whether it was put off meanwhile, and is woken when it was brought forward."""

    __slots__ = ("_due_s", "_engine", "_is_closed", "_thread", "_wake", "_wakes_s")

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine: Any = ffi._wasmtime_engine_clone(engine.ptr())
        self._due_s, self._is_closed = _NEVER_S, False
        self._wake, self._wakes_s = threading.Event(), _NEVER_S
        self._thread = threading.Thread(target=self._run, name="mockforge-ticker", daemon=True)
        self._thread.start()

    def set(self, after_s: float) -> None:
        """See Timer."""
        self._due_s = time.perf_counter() + after_s
        if self._due_s < self._wakes_s:
            self._wake.set()

    def stop(self) -> None:
        """See Timer."""
        self._due_s = _NEVER_S

    def close(self) -> None:
        """See Timer; the thread ends by itself soon after."""
        self._is_closed = True
        self._wake.set()
        _retire(self._engine)

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._is_closed:
                return
            due_s = self._wakes_s = self._due_s  # in this order: whoever sets it after `clear` is heard
            left_s = due_s - time.perf_counter()
            if left_s > 0.0:
                self._wake.wait(left_s if due_s < _NEVER_S else None)
            else:
                raise_epoch(self._engine)
                if self._due_s == due_s:
                    self._due_s = due_s + AGAIN_S


def new_timer(engine: wasmtime.Engine) -> Timer:
    """The better of the two that there is here."""
    try:
        return SystemTimer(engine)
    except OSError:
        return ThreadTimer(engine)
