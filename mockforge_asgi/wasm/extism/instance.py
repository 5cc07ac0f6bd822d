"""One live Extism guest: how an operation is called in it, and what is made of how that ends.

The usual call is one straight way (`_run_function`): input in, one time slice, output out. Whatever else it left, an error, log lines,
too much output, a trap, branches off from there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

import wasmtime
from wasmtime import _bindings as ffi

from mockforge_asgi.bounded_json import RESULT, BadJson, parse
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import LimitExceeded, PluginFailed
from mockforge_asgi.wasm.extism.hostcalls import GuestHostCalls
from mockforge_asgi.wasm.extism.kernel import (
    FAULT_ABORT,
    FAULT_EXIT,
    FAULT_HANDLE,
    FAULT_MEMORY,
    FAULT_REFUSED,
    FAULT_VARS,
    KernelMemory,
    OutputTooLarge,
)
from mockforge_asgi.wasm.extism.linking import ENV, USER, define, extern, initialisers
from mockforge_asgi.wasm.extism.wasi import WASI, GuestMemory, abort_text
from mockforge_asgi.wasm.ffi import ONE_TICK, CallError, arm, call_function
from mockforge_asgi.wasm.fiber import Fiber, GuestExited, failure
from mockforge_asgi.wasm.instance import answer_of
from mockforge_asgi.wasm.reports import answer_json, reported, trapped, unreadable
from mockforge_asgi.wasm.store import GuestStore

if TYPE_CHECKING:
    from mockforge_asgi.wasm.extism.guest import ExtismGuest

_MEMORY: Final = 3
"""wasmtime's number for an export that is a memory."""


class Function:
    """An exported function of an instance, as a call takes it."""

    __slots__ = ("export", "has_status", "is_command", "n_arguments", "n_results", "reference")

    def __init__(self, export: str, func: Any, n_arguments: int, n_results: int) -> None:
        self.export, self.reference = export, ctypes.byref(func)
        self.n_arguments, self.n_results = ctypes.c_size_t(n_arguments), ctypes.c_size_t(n_results)
        self.has_status = n_results > 0
        self.is_command = export == "_start"
        """Whether the instance is used up when it ends."""


class ExtismInstance:
    """One instance in a store of its own; one call at a time. `broken` once a call ended in mid-flight, or the guest exited."""

    __slots__ = (
        "_error",
        "_functions",
        "_guest",
        "_instance",
        "_operations",
        "_results",
        "_scheduler",
        "_status",
        "broken",
        "host_calls",
        "memory",
        "store",
    )

    def __init__(self, guest: ExtismGuest, store: GuestStore, memory: KernelMemory) -> None:
        self._guest, self._scheduler, self.store, self.memory = guest, guest.scheduler, store, memory
        self.host_calls = GuestHostCalls(memory)
        self.broken = False
        self._functions: dict[str, Function] = {}
        self._operations: dict[str, Function] = {}
        """The exports of operations that were called before."""
        self._results = (ffi.wasmtime_val_t * 2)()
        self._status = ctypes.c_int32.from_buffer(self._results, ffi.wasmtime_val_t.of.offset)
        """The first of the results."""
        self._error = CallError()
        self._instance = ffi.wasmtime_instance_t()

    async def link(self, fiber: Fiber, kernel: Any) -> None:
        """Instantiate the plugin upon its kernel and run its initialisers: guest code, under the fiber's budget."""
        guest, context = self._guest, self.store.context
        linker = ffi._wasmtime_linker_new(guest.kernel.engine.ptr())
        try:
            for name in guest.namespaces & {ENV, USER}:
                define(linker, context, name, kernel)
            if guest.namespaces & {WASI, "env"}:
                define(linker, context, "kernel", kernel)
                shims = ffi.wasmtime_instance_t()
                await self._instantiate(fiber, linker, guest.kernel.wasi, shims)
                for name in guest.namespaces & {WASI, "env"}:
                    define(linker, context, name, shims)
            await self._instantiate(fiber, linker, guest.module, self._instance)
        finally:
            ffi._wasmtime_linker_delete(linker)
        if (own := extern(self.store, self._instance, "memory")) is not None and own.kind == _MEMORY:
            self.host_calls.guest_memory = GuestMemory(context, own.of.memory)
        for name in initialisers(guest.exports):
            await self._initialise(fiber, name)

    async def _instantiate(self, fiber: Fiber, linker: Any, module: wasmtime.Module, instance: Any) -> None:
        self.store.arm()
        fiber.keep = self.host_calls
        fiber.call = ffi._wasmtime_linker_instantiate_async(
            linker, self.store.context, module.ptr(), ctypes.byref(instance), self._error.trap_ref, self._error.error_ref
        )
        await self._scheduler.run(fiber)
        if self._error:
            raise self._failed(fiber)

    @property
    def memory_bytes(self) -> int:
        """The size of its two linear memories: the kernel's, and its own."""
        own = self.host_calls.guest_memory
        return self.memory.size + (own.size if own is not None else 0)

    async def describe(self, fiber: Fiber) -> Json:
        """What the plugin says of itself; without `describe`, what its exports and its manifest say."""
        if "describe" in self._guest.calls:
            said = await self.invoke(fiber, "describe", b"")
            return answer_json(fiber, said) if said else None
        return self._guest.entry.described(self._guest.calls)

    async def call(self, fiber: Fiber, payload: bytes) -> Json:
        """The answer to what `begin` begins."""
        return await answer_of(self.begin(fiber, payload))

    def begin(self, fiber: Fiber, payload: bytes) -> Json:
        """See Instance. A failure that the guest reports leaves the instance whole."""
        function = self._operations.get(fiber.op)
        if function is None:
            if self._guest.entry.is_mapped:
                return self._mapped(fiber, payload)
            function = self._operations[fiber.op] = self._operation(fiber)
        output = self._run_function(fiber, function, payload)
        if not isinstance(output, bytes):
            return self._answer_of(fiber, output)
        try:
            return parse(output, RESULT) if output else None
        except BadJson as error:
            raise unreadable(fiber, error) from None

    async def _mapped(self, fiber: Fiber, payload: bytes) -> Json:
        mapped = await self._guest.entry.mapped(fiber, payload)
        return mapped.answer(await self.invoke(fiber, mapped.export, mapped.data))

    async def _answer_of(self, fiber: Fiber, output: Coroutine[Any, Any, bytes]) -> Json:
        text = await output
        return answer_json(fiber, text) if text else None

    def _operation(self, fiber: Fiber) -> Function:
        export = self._guest.entry.export(fiber.op)
        if export not in self._guest.calls:
            raise PluginFailed(fiber.plugin, fiber.op, f"it has no export '{export}' of type () -> i32", code="unsupported_op")
        return self._function(export)

    async def invoke(self, fiber: Fiber, export: str, data: bytes) -> bytes:
        """Run an export by its own name: bytes in, bytes out, as every Extism host does."""
        output = self._run_function(fiber, self._function(export), data)
        return output if isinstance(output, bytes) else await output

    def _run_function(self, fiber: Fiber, function: Function, data: bytes) -> bytes | Coroutine[Any, Any, bytes]:
        """Input in, the guest run, output out, where it ends in its first time slice and leaves nothing else, as nearly all do; else what
        is to be awaited for that. Raises PluginFailed."""
        memory, error = self.memory, self._error
        self.broken = True  # until the call is seen to have ended well
        try:
            memory.begin(data)
        except MemoryError as reason:
            raise self._over_memory(fiber, "the input does not fit. ") from reason
        try:
            has_ended = self._start(fiber, function)
        except BaseException as broken:
            return self._broken(fiber, broken)
        if has_ended and self.host_calls.log.is_empty and not (error.trap or error.error or (function.has_status and self._status.value)):
            output = memory.take_output(fiber.budget.output_bytes)
            if output is not None:
                self.broken = function.is_command
                return output
        return self._end(fiber, function, has_ended)

    async def _end(self, fiber: Fiber, function: Function, has_ended: bool) -> bytes:
        """The output of a call that goes on, or left more than that. Raises PluginFailed."""
        try:
            if not has_ended:
                await self._scheduler.finish(fiber)
        finally:
            await self.host_calls.log.tell(fiber)
        return self._outcome(fiber, function)

    async def _broken(self, fiber: Fiber, error: BaseException) -> bytes:
        """Raises what a call broke with, once what it logged is told."""
        try:
            await self.host_calls.log.tell(fiber)
            raise error
        finally:
            del error  # which knows this frame

    def _start(self, fiber: Fiber, function: Function) -> bool:
        """Begin a call; whether it has ended already."""
        error, address = self._error, self.store.address
        arm(address, ONE_TICK)
        fiber.keep = self.host_calls
        fiber.call = call_function(
            address, function.reference, _ZEROS, function.n_arguments, self._results, function.n_results, error.trap_ref, error.error_ref
        )
        return self._scheduler.first_slice(fiber)

    def _outcome(self, fiber: Fiber, function: Function) -> bytes:
        """The output of a call that has ended, whatever it left. Raises PluginFailed."""
        status, is_over = self._status.value if function.has_status else 0, function.is_command
        if self._error:
            failed = self._failed(fiber)
            if not isinstance(failed, GuestExited) or failed.status:
                raise failed
            status, is_over = 0, True
        try:
            outcome = self.memory.finish(fiber.budget.output_bytes)
        except OutputTooLarge as error:
            self.broken, kib = is_over, fiber.budget.output_bytes / 1024
            told = f"its answer of {error.size} bytes is over limits.output_kb={int(kib)}. Raise the limit or answer less."
            raise LimitExceeded(fiber.plugin, fiber.op, "output_kb", kib, told) from None
        self.broken = is_over
        if status or outcome.error is not None:
            said = outcome.error if outcome.error is not None else f"its export '{function.export}' returned {status}".encode()
            raise reported(fiber, said)
        return outcome.output

    async def _initialise(self, fiber: Fiber, export: str) -> None:
        """Run one initialiser. Raises PluginFailed when it trapped."""
        try:
            if not self._start(fiber, self._function(export)):
                await self._scheduler.finish(fiber)
        finally:
            await self.host_calls.log.tell(fiber)
        if self._error:
            raise self._failed(fiber)

    def _function(self, export: str) -> Function:
        function = self._functions.get(export)
        if function is None:
            func = extern(self.store, self._instance, export).of.func
            parameters, _, results = self._guest.exports[export].partition("->")
            function = self._functions[export] = Function(export, func, parameters.count("i"), results.count("i"))
        return function

    def _failed(self, fiber: Fiber) -> PluginFailed:
        error, trap = self._error.take()
        failed = failure(fiber, error, trap)
        fault, first = self.memory.fault(), self.memory.arguments()[0]
        if fault == FAULT_MEMORY:
            return self._over_memory(fiber)
        if fault == FAULT_REFUSED and (refused := self.host_calls.refused) is not None:
            told, retryable = refused.message, refused.retryable
            return PluginFailed(fiber.plugin, fiber.op, told, code=refused.code, retryable=retryable, details=refused.details)
        if fault == FAULT_VARS:
            room = self._guest.options.vars_bytes // 1024
            return LimitExceeded(fiber.plugin, fiber.op, "vars_kb", room, f"its variables take more than limits.vars_kb={room}. Raise it.")
        if fault == FAULT_HANDLE:
            return type(failed)(fiber.plugin, fiber.op, "its code passed on a handle that is no live block")
        said = self.memory.last_words()
        if fault == FAULT_EXIT and (not first or said is None):
            return GuestExited(fiber.plugin, fiber.op, first)
        if fault == FAULT_ABORT and said is None:
            return type(failed)(fiber.plugin, fiber.op, abort_text(self.host_calls.guest_memory, self.memory.arguments()))
        return trapped(fiber, failed, said)

    def _over_memory(self, fiber: Fiber, why: str = "") -> LimitExceeded:
        mib = self._guest.limits.memory_bytes / (1 << 20)
        return LimitExceeded(
            fiber.plugin, fiber.op, "memory_mb", mib, f"{why}it needs more memory than limits.memory_mb={mib:g}. Raise it."
        )

    def close(self) -> None:
        """Free the instance, and what a guest left that ended in the very turn in which its caller went."""
        self._error.close()
        self.store.close()


_ZEROS: Any = (ffi.wasmtime_val_t * 2)()  # the arguments of `hs_init(argc, argv)`: two i32 of 0
