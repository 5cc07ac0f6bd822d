"""Guests that are components: one import (the host calls), two exports (`describe`, `call`), strings of JSON both ways.

Instances of one `ComponentGuest` share compiled code and linker; each has a store of its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Coroutine
from typing import Any, Final

from wasmtime import Engine, WasmtimeError
from wasmtime import _bindings as ffi
from wasmtime.component import Component, Linker

from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import error_document
from mockforge_asgi.errors import HostCallError, LimitExceeded, PluginRejected
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.text import clip
from mockforge_asgi.wasm.component.interface import EXPORTS, HOST_INTERFACE, check_component
from mockforge_asgi.wasm.engine import MIB
from mockforge_asgi.wasm.ffi import ONE_TICK, CallError, arm, call_component, delete_value
from mockforge_asgi.wasm.fiber import NO_FINALIZER, Continuation, Fiber, GuestTrapped, HostCallRequest, failure
from mockforge_asgi.wasm.instance import answer_of
from mockforge_asgi.wasm.reports import answer_json, reported
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import GuestStore, StoreLimits

_STRING: Final = 12
_RESULT: Final = 19
_U64 = ctypes.c_uint64
_ONE: Final = ctypes.c_size_t(1)
_Value = _U64 * 3  # of a text: its kind in the lowest byte, its length, its place
_MAX_NAME: Final = 100
_MAX_PAYLOAD: Final = 2 * MIB


class ComponentGuest:
    """Compiled code, linked to its host, ready to be instantiated.

    Raises PluginRejected for imports and exports other than `interface.py` says.
    """

    def __init__(self, plugin: str, engine: Engine, component: Component, scheduler: Scheduler, limits: StoreLimits) -> None:
        self.plugin, self.engine, self.component, self.scheduler, self.limits = plugin, engine, component, scheduler, limits
        check_component(plugin, component, engine)
        self._callback = _host_call_callback(scheduler)
        self._linker = Linker(engine)
        self._link()

    def _link(self) -> None:
        linker = self._linker
        root = ffi._wasmtime_component_linker_root(linker.ptr())
        instance = ctypes.POINTER(ffi.wasmtime_component_linker_instance_t)()
        name = HOST_INTERFACE.encode()
        _check(
            ffi._wasmtime_component_linker_instance_add_instance(root, ctypes.create_string_buffer(name), len(name), ctypes.byref(instance))
        )
        _check(
            ffi._wasmtime_component_linker_instance_add_func_async(
                instance, ctypes.create_string_buffer(b"call"), 4, self._callback, None, NO_FINALIZER
            )
        )
        ffi._wasmtime_component_linker_instance_delete(instance)
        ffi._wasmtime_component_linker_instance_delete(root)
        try:
            linker.define_unknown_imports_as_traps(self.component)
        except WasmtimeError as error:
            raise PluginRejected(self.plugin, f"what it imports cannot be stood in for: {clip(str(error), 200)}.") from None

    async def instantiate(self, fiber: Fiber) -> ComponentInstance:
        """A fresh instance, paid for by the fiber's budget."""
        store = GuestStore(self.engine, self.limits)
        raw, error = ffi.wasmtime_component_instance_t(), CallError()
        fiber.keep = (raw, error)
        fiber.call = ffi._wasmtime_component_linker_instantiate_async(
            self._linker.ptr(), store.context, self.component.ptr(), ctypes.byref(raw), error.error_ref
        )
        try:
            await self.scheduler.run(fiber)
            if error:
                raise failure(fiber, *error.take())
            return ComponentInstance(self, store, raw)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Free the linker; no instance may be in a call."""
        self._linker.close()


class ComponentInstance:
    """One instance in a store of its own; one call at a time. `broken` once a call ended in mid-flight."""

    __slots__ = (
        "_args", "_buffer", "_error", "_first", "_functions", "_guest", "_n_args", "_outcome", "_payload", "_result", "_result_ref",
        "_value_at", "broken", "plugin", "scheduler", "store",
    )  # fmt: skip

    def __init__(self, guest: ComponentGuest, store: GuestStore, raw: Any) -> None:
        self._guest = guest  # its C callback must outlive every instance
        self.plugin, self.store, self.scheduler = guest.plugin, store, guest.scheduler
        self.broken = False
        self._functions = {name: ctypes.byref(func) for name in EXPORTS if (func := _export(store, raw, name)) is not None}
        self._args = (ffi.wasmtime_component_val_t * 2)()
        self._n_args = {n: ctypes.c_size_t(n) for n in range(3)}
        self._args[0].kind = self._args[1].kind = _STRING
        self._payload = self._args[1].of.string  # parts that each call looks at: to reach them takes ctypes as long as to call
        self._result = ffi.wasmtime_component_val_t()
        self._outcome = self._result.of.result
        self._value_at = _U64.from_address(ctypes.addressof(self._result) + 16)
        self._result_ref = ctypes.byref(self._result)
        self._error = CallError()
        self._first: tuple[str, Any] = ("", None)  # an operation, and its name for the guest
        self._grow(4096)

    @property
    def memory_bytes(self) -> int:
        """Not told: wasmtime keeps a component's memories to itself."""
        return 0

    async def describe(self, fiber: Fiber) -> Json:
        """What the guest says of itself. Raises PluginFailed when it answers the error envelope: `describe` has no error arm."""
        text = await self._text_of(self._run(fiber, "describe", 0, is_result=False))
        said = answer_json(fiber, text)
        if isinstance(said, dict) and "error" in said:
            raise reported(fiber, text)
        return said

    async def load(self, fiber: Fiber, bundle: bytes) -> None:
        """Hand source code to a guest that interprets it. Raises PluginFailed with the author's file and line."""
        self._set_first("", bundle)
        await self._text_of(self._run(fiber, "load", 1))

    async def call(self, fiber: Fiber, payload: bytes) -> Json:
        """The answer to what `begin` begins."""
        return await answer_of(self.begin(fiber, payload))

    def begin(self, fiber: Fiber, payload: bytes) -> Json:
        """See Instance. A failure that the guest reports leaves the instance whole."""
        if fiber.op != self._first[0]:
            self._set_first(fiber.op, fiber.op.encode())
        if len(payload) > len(self._buffer):
            self._grow(2 * len(payload))
        ctypes.memmove(self._buffer, payload, len(payload))
        self._payload.size = len(payload)
        text = self._run(fiber, "call", 2)
        return answer_json(fiber, text) if isinstance(text, bytes) else self._answer_of(fiber, text)

    async def _answer_of(self, fiber: Fiber, text: Coroutine[Any, Any, bytes]) -> Json:
        return answer_json(fiber, await text)

    async def _text_of(self, text: bytes | Coroutine[Any, Any, bytes]) -> bytes:
        return text if isinstance(text, bytes) else await text

    def _set_first(self, op: str, text: bytes) -> None:
        """The first argument, which calls of one operation share: to set a pointer takes longer than to copy a text."""
        self._first = op, (buffer := ctypes.create_string_buffer(text, len(text) or 1))
        arg = self._args[0].of.string
        arg.size, arg.data = len(text), ctypes.cast(buffer, ctypes.POINTER(ffi.wasm_byte_t))

    def _grow(self, size: int) -> None:
        """Room for the second argument."""
        self._buffer: Any = ctypes.create_string_buffer(size)
        self._args[1].of.string.data = ctypes.cast(self._buffer, ctypes.POINTER(ffi.wasm_byte_t))

    def _run(self, fiber: Fiber, export: str, n_args: int, *, is_result: bool = True) -> bytes | Coroutine[Any, Any, bytes]:
        """What the export returns, or what is to be awaited for it where it does not end in its first time slice."""
        address, result, error = self.store.address, self._result_ref, self._error
        arm(address, ONE_TICK)
        self.broken = True  # until the call is seen to have ended well
        fiber.call = call_component(self._functions[export], address, self._args, self._n_args[n_args], result, _ONE, error.error_ref)
        return self._taken(fiber, is_result) if self.scheduler.first_slice(fiber) else self._finish(fiber, is_result)

    async def _finish(self, fiber: Fiber, is_result: bool) -> bytes:
        await self.scheduler.finish(fiber)
        return self._taken(fiber, is_result)

    def _taken(self, fiber: Fiber, is_result: bool) -> bytes:
        """What a call that has ended returns, which is freed here. Raises PluginFailed."""
        if self._error.error:
            raise failure(fiber, *self._error.take())
        self.broken, is_ok, base = False, True, ctypes.addressof(self._result)
        try:
            if is_result:
                if self._result.kind != _RESULT:
                    raise GuestTrapped(self.plugin, fiber.op, "its export has another type than result<string, string>")
                is_ok, base = self._outcome.is_ok, self._value_at.value
            kind, size, data = _Value.from_address(base) if base else (0, 0, 0)
            if kind & 0xFF != _STRING:
                raise GuestTrapped(self.plugin, fiber.op, "its export does not return text")
            if size > fiber.budget.output_bytes:
                raise self._too_long(fiber, size)
            text = ctypes.string_at(data, size) if size else b""
        finally:
            delete_value(self._result_ref)
            self._result.kind = 0  # the next call drops what it finds here
        if not is_ok:
            raise reported(fiber, text)
        return text

    def _too_long(self, fiber: Fiber, size: int) -> LimitExceeded:
        kib = fiber.budget.output_bytes // 1024
        told = f"its answer of {size} bytes is over limits.output_kb={kib}. Raise the limit or answer less."
        return LimitExceeded(self.plugin, fiber.op, "output_kb", fiber.budget.output_bytes / 1024, told)

    def close(self) -> None:
        """Free the instance, and what a guest left that ended in the very turn in which its caller went."""
        if self._result.kind:
            delete_value(self._result_ref)
            self._result.kind = 0
        self._error.close()
        self.store.close()


def _export(store: GuestStore, raw: Any, name: str) -> Any:
    """The exported function of that name, None where there is none."""
    text = name.encode()
    index = ffi._wasmtime_component_instance_get_export_index(
        ctypes.byref(raw), store.context, None, ctypes.create_string_buffer(text), len(text)
    )
    if not index:
        return None
    func = ffi.wasmtime_component_func_t()
    found = ffi._wasmtime_component_instance_get_func(ctypes.byref(raw), store.context, index, ctypes.byref(func))
    ffi._wasmtime_component_export_index_delete(index)
    return func if found else None


def _host_call_callback(scheduler: Scheduler) -> Any:
    """The C callback behind `host.call`: records what the guest wants, on the fiber's stack, and nothing else."""

    def record(
        _env: object, _context: object, _type: object, args: Any, n: int, results: Any, m: int, error_ret: Any, continuation: Any
    ) -> None:
        try:
            if (n, m) != (2, 1) or args[0].kind != _STRING or args[1].kind != _STRING:
                raise TypeError("called with another type than its own")
            for i, most in enumerate((_MAX_NAME, _MAX_PAYLOAD)):
                if (size := args[i].of.string.size) > most:
                    _deliver(results, None, HostCallError("limit", f"{size} bytes sent to a host call, over the limit of {most}"))
                    _done(continuation)
                    return
            name, payload = _text(args[0]), _text(args[1])
            scheduler.suspend(continuation, HostCallRequest(name.decode(), payload, lambda answer, error: _deliver(results, answer, error)))
        except BaseException as error:  # an exception must not cross the trampoline
            _refuse(error_ret, continuation, error)

    return ffi.wasmtime_component_func_async_callback_t(record)


_ALWAYS_DONE = Continuation(lambda _env: True)


def _refuse(error_ret: Any, continuation: Any, error: BaseException) -> None:
    text = ctypes.create_string_buffer(f"host call: {error}"[:300].encode())
    error_ret[0] = ffi._wasmtime_error_new(text)
    _done(continuation)


def _done(continuation: Any) -> None:
    cell = continuation.contents
    cell.callback, cell.env, cell.finalizer = _ALWAYS_DONE, None, NO_FINALIZER


def _text(value: Any) -> bytes:
    string = value.of.string
    return ctypes.string_at(string.data, string.size) if string.size else b""


def _deliver(results: Any, answer: Json, error: HostCallError | None) -> None:
    text = dumps(answer) if error is None else envelope(error)
    inner = ffi.wasmtime_component_val_t()
    inner.kind = _STRING
    ffi._wasm_byte_vec_new(ctypes.byref(inner.of.string), len(text), ctypes.cast(ctypes.c_char_p(text), ctypes.POINTER(ffi.wasm_byte_t)))
    cell = results[0]
    cell.kind = _RESULT
    cell.of.result.is_ok = error is None
    cell.of.result.val = ffi._wasmtime_component_val_new(ctypes.byref(inner))


def envelope(error: HostCallError) -> bytes:
    """The error envelope of a host call's refusal or failure."""
    return dumps({"error": error_document(error)})


def _check(error: Any) -> None:
    if error:
        raise WasmtimeError._from_ptr(error)
