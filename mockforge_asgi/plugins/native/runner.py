"""Runs native code in this process: async methods on the event loop, all others in worker threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from inspect import iscoroutine
from typing import Any, Protocol, TypeAlias

from mockforge_asgi.bounded_json import BadJson, parse
from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import plugin_failure
from mockforge_asgi.errors import LimitExceeded, MockForgeError, PluginFailed
from mockforge_asgi.exact_json import loads
from mockforge_asgi.plugins.native.code import NativeCode
from mockforge_asgi.plugins.native.context import PluginContext
from mockforge_asgi.plugins.native.threads import WorkerThreads
from mockforge_plugin.context import CURRENT
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import error_envelope
from mockforge_plugin.operations.dispatch import NAMED, PluginObject

Method: TypeAlias = tuple[Callable[..., Any], Callable[..., Any]]
"""What an operation calls, and the author's method behind it."""


class Runner(Protocol):
    """Runs the operations of one generation of one plugin."""

    async def load(self) -> Json:
        """Run the code; what the plugin says of itself. Raises PluginFailed."""
        ...

    async def init(self, document: bytes, context: PluginContext) -> None:
        """Make every instance ready, now or when it is made. Raises PluginFailed."""
        ...

    def call(self, op: str, document: bytes, context: PluginContext) -> Coroutine[Any, Any, Json]:
        """The answer, as JSON alone carries it. Raises PluginFailed, LimitExceeded, PluginUnavailable."""
        ...

    async def close(self) -> None:
        """End what runs and forget the code."""
        ...


class InProcess:
    """One object of the plugin, shared by all calls; methods that run at the same time are the author's affair."""

    def __init__(self, plugin: str, code: NativeCode, threads: WorkerThreads, output_bytes: int) -> None:
        self.plugin, self.threads, self._code, self.output_bytes = plugin, threads, code, output_bytes
        self._object: PluginObject | None = None
        self._async: dict[tuple[str, str], bool] = {}
        self._connecting, self._is_connected = asyncio.Lock(), False

    async def load(self) -> Json:
        """See Runner; a module's import may block, so it runs in a thread."""
        try:
            self._object = await self.threads.run(self._code.load)
            return parse(encode(self._object.describe()))
        except (Exception, SystemExit) as error:  # the author's code: whatever it raises
            raise self.failed("plugin.load", error) from error

    async def init(self, document: bytes, context: PluginContext) -> None:
        """See Runner."""
        await self.call("plugin.init", document, context)

    async def call(self, op: str, document: bytes, context: PluginContext) -> Json:
        """See Runner."""
        made, value = self._object, loads(document)  # a copy of its own: others read the document, too
        assert made is not None, "load() comes first"
        token = CURRENT.set(context)
        try:
            if op == "data.query" and not self._is_connected:
                await self._connect(made, context)
            if self._is_async(made, op, value):
                answer: Any = made.rows(value) if op == "data.query" else made.call(op, value)
                text = await answer if iscoroutine(answer) else answer
            else:
                text = await self._threaded(made, op, value, context)
            if type(text) is dict:
                return text  # rows, which `sources` bounds
        except MockForgeError:
            raise
        except (Exception, SystemExit) as error:  # the author's code: whatever it raises
            raise self.failed(op, error) from error
        finally:
            CURRENT.reset(token)
        return read_answer(self.plugin, op, text, self.output_bytes)

    async def _connect(self, made: PluginObject, context: PluginContext) -> None:
        """Open a data source before its first query; queries that come meanwhile wait for it."""
        async with self._connecting:
            if not self._is_connected and made.method("data.connect") is not None:
                if self._is_async(made, "data.connect", {}):
                    opening = made.call("data.connect", {})
                    if not isinstance(opening, str):
                        await opening
                else:
                    await self._threaded(made, "data.connect", {}, context)
            self._is_connected = True

    async def _threaded(self, made: PluginObject, op: str, value: Json, context: PluginContext) -> Any:
        context.is_queued = True
        text, later = await self.threads.run(partial(_in_thread, made, op, value, context))
        return text if later is None else await later

    async def close(self) -> None:
        """See Runner."""
        self.threads.close()
        self._object = None
        self._code.close()

    def method(self, op: str, name: str = "") -> Method | None:
        """The method of an operation, where there is one; `name` is that of a function or endpoint."""
        made = self._object
        assert made is not None, "load() comes first"
        called, method = made.called(op, name), made.method(op, name)
        return None if called is None or method is None else (called, method)

    def asks_for_rows(self) -> Method | None:
        """What `data.query` calls with a document, where the author's method is async; else None."""
        made = self._object
        assert made is not None, "load() comes first"
        method = made.method("data.query")
        return (made.rows, method) if method is not None and inspect.iscoroutinefunction(method) else None

    def read_rows(self, value: Any) -> Json:
        """The data document that `asks_for_rows` gave, or its text. Raises PluginFailed, LimitExceeded."""
        return value if type(value) is dict else read_answer(self.plugin, "data.query", value, self.output_bytes)

    def by_json(self, op: str, name: str, value: object) -> Json:
        """What a method gave, as JSON alone carries it. Raises WrongAnswer, PluginFailed, LimitExceeded."""
        assert self._object is not None, "load() comes first"
        return read_answer(self.plugin, op, self._object.text_of(op, name, value), self.output_bytes)

    def _is_async(self, made: PluginObject, op: str, value: Json) -> bool:
        name = value.get(NAMED[op], "") if op in NAMED else ""
        known = self._async.get((op, name))
        if known is None:
            method = made.method(op, name)
            known = inspect.iscoroutinefunction(method)
            if method is not None:  # a name that is not there must not fill the table
                self._async[op, name] = known
        return known

    def failed(self, op: str, error: BaseException) -> BaseException:
        """What is raised in place of an error that came out of the author's code."""
        if isinstance(error, MockForgeError):
            return error
        return plugin_failure(self.plugin, op, error_envelope(error, self._code.author_files))


def _in_thread(made: PluginObject, op: str, value: Json, context: PluginContext) -> tuple[Any, Coroutine[Any, Any, Any] | None]:
    context.is_queued = False
    answer = made.rows(value) if op == "data.query" else made.call(op, value)
    return ("", answer) if iscoroutine(answer) else (answer, None)


def read_answer(plugin: str, op: str, text: str | bytes, output_bytes: int) -> Json:
    """An answer's JSON text as data. Raises LimitExceeded."""
    if len(text) > output_bytes:
        raise LimitExceeded(plugin, op, "output_kb", output_bytes / 1024)
    try:
        return parse(text)
    except BadJson as error:
        raise PluginFailed(plugin, op, f"its answer is {error}", code="invalid_output") from None
