"""The code beneath every Extism guest, and how instances are linked upon it: the kernel, the shims, and how both call the host.

What a guest is, and its calls, is `guest.py`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any, Final

import wasmtime
from wasmtime import _bindings as ffi

from mockforge_asgi.wasm.extism.hostcalls import GuestHostCalls
from mockforge_asgi.wasm.extism.wasi import WASI
from mockforge_asgi.wasm.fiber import NO_FINALIZER, Continuation
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import GuestStore

ENV: Final = "extism:host/env"
USER: Final = "extism:host/user"
_USER_FUNCTIONS: Final = frozenset({"mockforge_door"})
_INTERNAL: Final = frozenset({"memory", "door", "fault"}) | _USER_FUNCTIONS
_MAX_TYPES: Final = 16
"""Functions of the kernel and of WASI have nine at most. A module may have a million in all, and reading one takes microseconds."""
_ALWAYS_DONE = Continuation(lambda _env: True)


class Kernel:
    """The kernel's and the shims' code for one engine, and the function by which both call the host; one per scheduler.

    `module` is the compiled `kernel.wat`, `wasi` the compiled `wasi.wat`, both for that engine.
    """

    __slots__ = ("_callback", "_linker", "_pre", "engine", "functions", "scheduler", "wasi")

    def __init__(self, engine: wasmtime.Engine, scheduler: Scheduler, module: wasmtime.Module, wasi: wasmtime.Module) -> None:
        self.engine, self.scheduler = engine, scheduler
        self._callback = _host_call_callback(scheduler)
        self._linker = wasmtime.Linker(engine)
        door = wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i64()])
        _check(
            ffi._wasmtime_linker_define_async_func(
                self._linker.ptr(), b"mockforge", 9, b"door", 4, door.ptr(), self._callback, None, NO_FINALIZER
            )
        )
        self.wasi = wasi
        self._pre = self._linker.instantiate_pre(module)
        env, shims = functions(module.exports), functions(wasi.exports)
        self.functions: dict[tuple[str, str], str] = {
            **{(ENV, name): type_ for name, type_ in env.items() if name not in _INTERNAL},
            **{(USER, name): env[name] for name in _USER_FUNCTIONS},
            **{(WASI, name): type_ for name, type_ in shims.items() if name != "abort"},
            ("env", "abort"): shims["abort"],
        }
        """Every function that a plugin may import, with its type."""

    def instantiate(self, store: GuestStore) -> Any:
        """A kernel instance; it has no start function, so this needs no scheduling. Raises MemoryError over the store's limits."""
        instance, trap, error = ffi.wasmtime_instance_t(), ctypes.POINTER(ffi.wasm_trap_t)(), ctypes.POINTER(ffi.wasmtime_error_t)()
        future = ffi._wasmtime_instance_pre_instantiate_async(
            self._pre.ptr(), store.context, ctypes.byref(instance), ctypes.byref(trap), ctypes.byref(error)
        )
        done = ffi._wasmtime_call_future_poll(future)
        ffi._wasmtime_call_future_delete(future)
        if error:
            ffi._wasmtime_error_delete(error)
        if trap:
            ffi._wasm_trap_delete(trap)
        if not done or error or trap:
            raise MemoryError("the kernel does not fit into the instance's limits")
        return instance

    def close(self) -> None:
        """Free the code; instances keep their own share."""
        self._linker.close()


def _host_call_callback(scheduler: Scheduler) -> Any:
    """The C callback behind the kernel's host calls: records what the guest wants, on the fiber's stack, and nothing else."""

    def record(_env: object, _caller: object, args: Any, _n: int, results: Any, _m: int, trap_ret: Any, continuation: Any) -> None:
        try:
            fiber = scheduler.current
            assert fiber is not None and isinstance(fiber.keep, GuestHostCalls)
            request = fiber.keep.open(args[0].of.i32, results[0])
            if request is not None:
                scheduler.suspend(continuation, request)
                return
        except BaseException as error:  # an exception must not cross the trampoline
            text = f"host call: {error!r}"[:300].encode()
            trap_ret[0] = ffi._wasmtime_trap_new(text, len(text))
        cell = continuation.contents
        cell.callback, cell.env, cell.finalizer = _ALWAYS_DONE, None, NO_FINALIZER

    return ffi.wasmtime_func_async_callback_t(record)


def functions(exports: Any) -> dict[str, str]:
    """Exported functions and their types."""
    return {export.name: signature(export.type) for export in exports if isinstance(export.type, wasmtime.FuncType)}


def signature(type_: object) -> str:
    """A function's type as text, such as `(i64)->(i32)`; of anything else its kind."""
    if not isinstance(type_, wasmtime.FuncType):
        return type(type_).__name__
    if max(counts := (_length(ffi._wasm_functype_params, type_), _length(ffi._wasm_functype_results, type_))) > _MAX_TYPES:
        return "({} values)->({} values)".format(*counts)
    return f"({','.join(map(str, type_.params))})->({','.join(map(str, type_.results))})"


def _length(list_of: Any, type_: wasmtime.FuncType) -> int:
    return int(list_of(type_.ptr()).contents.size)


def initialisers(exports: Mapping[str, str]) -> list[str]:
    """What a toolchain wants to be called before anything else, by the names and types of a module's exports."""
    names = (
        ["_initialize", "hs_init"] if "hs_init" in exports else ["__wasm_call_ctors"] if "__wasm_call_ctors" in exports else ["_initialize"]
    )
    return [name for name in names if exports.get(name) in ("()->()", "(i32,i32)->()", "()->(i32)")]


def extern(store: GuestStore, instance: Any, name: str) -> Any:
    """The export of that name as a C value, or None."""
    text, found = name.encode(), ffi.wasmtime_extern_t()
    held = ffi._wasmtime_instance_export_get(store.context, ctypes.byref(instance), text, len(text), ctypes.byref(found))
    return found if held else None


def define(linker: Any, context: Any, name: str, instance: Any) -> None:
    """Let what the instance exports be imported under that name."""
    text = name.encode()
    _check(ffi._wasmtime_linker_define_instance(linker, context, text, len(text), ctypes.byref(instance)))


def _check(error: Any) -> None:
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)
