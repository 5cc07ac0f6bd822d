"""NativeCall: one operation of a plugin that runs in this process, made ready when it is loaded, called with values instead of documents.

Limits, events, the breaker, cancellation and what is told of errors are those of every other call (`host.py`, `plugins/plugin.py`); what
differs is that neither a request nor a usual result becomes JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from time import perf_counter
from types import CodeType
from typing import Any

from mockforge_asgi.begun import rest_of
from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.contract.usual import UNUSUAL
from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.native.context import PluginContext
from mockforge_asgi.plugins.native.host import NativeHost
from mockforge_asgi.plugins.native.runner import InProcess, Method
from mockforge_plugin.context import CURRENT


class ByJson:
    """A result that is not one of the usual: as JSON alone carries it, and still to be checked. What is wrong with it is no crash."""

    __slots__ = ("value",)

    def __init__(self, value: Json) -> None:
        self.value = value


class NativeCall:
    """A method of the author's with all that its calls need."""

    __slots__ = ("_breaker", "_check", "_host", "_is_async", "_method", "_runner", "_timeout_s", "_usual", "name", "op")

    def __init__(
        self,
        host: NativeHost,
        runner: InProcess,
        breaker: Breaker,
        method: Method,
        op: str,
        name: str,
        *,
        read: Callable[[Any], Any],
        check: Callable[[Json], Any],
    ) -> None:
        """`name` is that of a function or endpoint; `read` reads the usual results (`contract/usual.py`), `check` the JSON of others."""
        self.op, self.name = op, name
        self._host, self._runner, self._breaker, self._usual, self._check = host, runner, breaker, read, check
        self._timeout_s = host.options.timeout_s
        called, author = method
        self._is_async = inspect.iscoroutinefunction(author)
        self._method = partial(_awaited, called) if self._is_async and not _makes_coroutines(author) else called

    async def run(self, request: BodyReader | None, *args: Any) -> Any:
        """What the method's result is read as. Raises PluginFailed, LimitExceeded, PluginUnavailable."""
        host, breaker = self._host, self._breaker
        is_trial = breaker.until_s is not None and breaker.enter()
        began_s = perf_counter()
        try:
            if not host.is_serving:
                raise host.unavailable()
            context = PluginContext(host.home, request)
            token = CURRENT.set(context)
            try:
                try:
                    work = self._method(*args) if self._is_async else self._in_thread(args, context)
                    waits_for = work.send(None)
                except StopIteration as ended:  # without waiting: no time-out is needed, and nobody has the time to leave or to stop it
                    value = ended.value
                except MockForgeError:
                    raise
                except (Exception, SystemExit) as error:  # the author's code: whatever it raises
                    raise self._failed(error) from error
                else:
                    value = await self._rest(work, waits_for, context, request, began_s)
                found = self._usual(value) if self._is_async else value
                if found is UNUSUAL:
                    found = self._by_json(value)
            finally:
                CURRENT.reset(token)
                context.has_ended = True
                if context.waits:
                    context.end()
        except BaseException as error:
            host.failed(self.op, began_s, error)
            breaker.ended(self.op, is_trial, error)
            raise
        if began_s >= host.events.silent_until_s:
            host.ended(self.op, began_s)
        if is_trial or not breaker.has_served:
            breaker.ended(self.op, is_trial)
        return self._check(found.value) if type(found) is ByJson else found

    async def _rest(
        self, work: Coroutine[Any, Any, Any], waits_for: Any, context: PluginContext, request: BodyReader | None, began_s: float
    ) -> Any:
        """The result of a method that waits."""
        left_s = self._timeout_s - (perf_counter() - began_s)
        try:
            return await self._host.wait(self.op, rest_of(work, waits_for, self._failed), context, request, self._timeout_s, left_s)
        finally:
            work.close()

    async def _in_thread(self, args: tuple[Any, ...], context: PluginContext) -> Any:
        """What the result is read as: reading it is the thread's work, too."""
        context.is_queued = True
        result, is_read = await self._runner.threads.run(partial(self._call_in_thread, args, context))
        return result if is_read else self._read(await result)

    def _call_in_thread(self, args: tuple[Any, ...], context: PluginContext) -> tuple[Any, bool]:
        context.is_queued = False
        value = self._method(*args)
        return (value, False) if inspect.isawaitable(value) else (self._read(value), True)

    def _read(self, value: object) -> Any:
        found = self._usual(value)
        return self._by_json(value) if found is UNUSUAL else found

    def _by_json(self, value: object) -> ByJson:
        try:
            return ByJson(self._runner.by_json(self.op, self.name, value))
        except MockForgeError:
            raise
        except (Exception, SystemExit) as error:  # the author's values: whatever reading them raises
            raise self._failed(error) from error

    def _failed(self, error: BaseException) -> BaseException:
        return self._runner.failed(self.op, error)


async def _awaited(method: Callable[..., Any], *args: Any) -> Any:
    """For what only says that it is a coroutine function."""
    value = method(*args)
    return await value if inspect.isawaitable(value) else value


def _makes_coroutines(method: Callable[..., Any]) -> bool:
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & inspect.CO_COROUTINE)
