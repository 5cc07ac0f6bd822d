"""wasmtime's C functions that every call of a guest goes through, and the cells in which such a call leaves its error.

wasmtime-py's own bindings convert each argument and check its type; for these few functions that takes longer than what they do (2.7 µs a
call, 1.0 so). They take arguments as they are: `c_void_p`, `byref(...)`, `c_size_t` and `c_uint64`, an address as `int` only where said.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

from wasmtime import _bindings
from wasmtime._ffi import dll

_BRIEF: Final = ctypes.PyDLL(dll._name)
"""Keeps the interpreter lock: for functions that end at once and run no guest."""
_GUEST: Final = ctypes.CDLL(dll._name)
"""Gives the interpreter lock up: for guests that compute for long."""


def _bind(library: ctypes.CDLL, name: str, result: Any, arguments: list[Any] | None = None) -> Any:
    function = getattr(library, name)
    function.restype = result
    if arguments is not None:
        function.argtypes = arguments
    return function


poll: Final = _bind(_GUEST, "wasmtime_call_future_poll", ctypes.c_bool, [ctypes.c_void_p])
"""Runs a call, given by its address, until it ends (True), waits, or its time slice is over."""
poll_briefly: Final = _bind(_BRIEF, "wasmtime_call_future_poll", ctypes.c_bool, [ctypes.c_void_p])
"""The same with the interpreter lock held. No other thread can take it meanwhile and keep it for 5 ms, as threads that compute do."""
delete: Final = _bind(_BRIEF, "wasmtime_call_future_delete", None, [ctypes.c_void_p])
"""Frees a call, given by its address; one that has not ended is unwound."""
arm: Final = _bind(_BRIEF, "wasmtime_context_set_epoch_deadline", None)
"""(context, ticks as `c_uint64`): when the time slice of the coming call is over."""
call_function: Final = _bind(_BRIEF, "wasmtime_func_call_async", ctypes.c_void_p)
"""(context, function, arguments, their number, results, their number, trap, error): the address of a call, which runs when it is polled."""
call_component: Final = _bind(_BRIEF, "wasmtime_component_func_call_async", ctypes.c_void_p)
"""(function, context, arguments, their number, results, their number, error): the same for a function of a component."""
delete_value: Final = _bind(_BRIEF, "wasmtime_component_val_delete", None)
"""Frees what a component's value holds."""
raise_epoch: Final = _bind(_BRIEF, "wasmtime_engine_increment_epoch", None, [ctypes.c_void_p])
"""Ends the time slice of every call on an engine."""

ONE_TICK: Final = ctypes.c_uint64(1)


class CallError:
    """Where C calls leave the trap or the error in which they end. What nobody takes is freed here."""

    __slots__ = ("error", "error_ref", "trap", "trap_ref")

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self.trap: Any = ctypes.POINTER(_bindings.wasm_trap_t)()
        self.error: Any = ctypes.POINTER(_bindings.wasmtime_error_t)()
        self.trap_ref: Any = ctypes.byref(self.trap)
        self.error_ref: Any = ctypes.byref(self.error)

    def __bool__(self) -> bool:
        """Whether a call left one."""
        return bool(self.trap or self.error)

    def take(self) -> tuple[Any, Any]:
        """The error and the trap, one of which is null; whoever takes them frees them."""
        taken = self.error, self.trap
        self._renew()
        return taken

    def close(self) -> None:
        """Free what was not taken."""
        error, trap = self.take()
        if error:
            _bindings._wasmtime_error_delete(error)
        if trap:
            _bindings._wasm_trap_delete(trap)

    def __del__(self) -> None:
        self.close()
