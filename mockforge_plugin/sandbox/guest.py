"""The component's exports, in Python: load an author's files once, then describe and call.

Every failure becomes an error envelope, so that the instance stays usable: the author's state is what the author made it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Coroutine, Mapping
from json import loads
from types import ModuleType
from typing import Any

from mockforge_plugin.bundle import Bundle
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import PluginError, error_envelope
from mockforge_plugin.operations.dispatch import PluginObject
from mockforge_plugin.operations.loading import load_plugin
from mockforge_plugin.sandbox.reading import read
from mockforge_plugin.sandbox.stdlib import HINTS, offered, refusal

_PREFIX = "plugin_files"
"""Sets the author's modules apart: a `types.py` of theirs must not stand in for the standard library's."""

NOT_AWAITABLE = (
    "the sandbox cannot await this: it drives the plugin's own coroutines and the kit's host calls (kv, http, data, request.read, ...); "
    "there is no event loop for anything else"
)


class GuestFailed(Exception):
    """A call ended with this error envelope, as text."""

    def __init__(self, envelope: str) -> None:
        self.envelope = envelope
        super().__init__(envelope)


class Guest:
    """One author's plugin in one instance."""

    def __init__(
        self,
        *,
        flush: Callable[[], None] = lambda: None,
        builtin_names: Mapping[str, object] | None = None,
        follow: Callable[[Mapping[str, str], int], None] = lambda files, n: None,
    ) -> None:
        """`flush` sends on what the author printed without a line's end; `builtin_names` replace built-in functions.

        `follow` has the host told where the code is, where the host asks for it: see `trace.py`.
        """
        self._flush, self._follow = flush, follow
        self._builtin_names = builtin_names or {}
        self._plugin: PluginObject | None = None
        self._files: dict[str, str] = {}

    def load(self, text: str) -> str:
        """Run the bundle's entry file and find its plugin. Raises: GuestFailed."""
        try:
            bundle = loads(text)
            random.seed(bytes.fromhex(bundle["seed"]))
            source = Bundle(bundle["files"], prefix=_PREFIX, importer=import_offered, builtin_names=self._builtin_names)
            self._files = source.author_files
            if (trace := bundle.get("trace")) is not None:
                self._follow(self._files, trace)
            self._plugin = load_plugin(source.run(bundle["entry"]))
            self._flush()
        except BaseException as exc:
            raise self._failed(exc) from None
        return "null"

    def describe(self) -> str:
        """The description of what was loaded. Raises: GuestFailed."""
        try:
            return encode(self._loaded().describe(), "description")
        except BaseException as exc:
            raise self._failed(exc) from None

    def call(self, op: str, payload: str) -> str:
        """One operation. Raises: GuestFailed."""
        try:
            answer = (self._plugin or self._loaded()).call(op, read(op, payload))
            text = answer if isinstance(answer, str) else drive(answer)
            self._flush()
        except BaseException as exc:
            raise self._failed(exc) from None
        return text

    def _loaded(self) -> PluginObject:
        if self._plugin is None:
            raise PluginError("nothing is loaded in this instance", code="unavailable")
        return self._plugin

    def _failed(self, exc: BaseException) -> GuestFailed:
        """The envelope of a failure; never fails itself."""
        try:
            self._flush()
            return GuestFailed(encode(error_envelope(exc, self._files)))
        except BaseException as worse:
            name = "".join(c for c in type(exc).__name__ if c.isalnum() or c == "_")
            reason = f"{name}, whose details could not be told ({type(worse).__name__})"
            return GuestFailed(encode({"error": {"code": "internal", "message": reason, "retryable": False, "details": {}}}))


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that awaits only kit calls. Raises: PluginError at the author's `await` of anything else."""
    try:
        coroutine.send(None)
        coroutine.throw(PluginError(NOT_AWAITABLE, code="unsupported_op"))
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise PluginError(NOT_AWAITABLE, code="unsupported_op")


_offered = offered()
_packages = frozenset(name.partition(".")[0] for name in _offered) | {"mockforge_plugin"}


def _may_import(name: str) -> bool:
    """What is offered, and what offered modules import for themselves when first used (C code asks through the author's frame)."""
    if name in _offered or name == "mockforge_plugin":
        return True
    if name in HINTS:
        return False
    top = name.partition(".")[0]
    return name in sys.modules and (top in _packages or top.startswith("_")) and not name.startswith("mockforge_plugin.sandbox")


def import_offered(
    name: str, globals_: Mapping[str, object] | None = None, locals_: Mapping[str, object] | None = None, fromlist: Any = (), level: int = 0
) -> ModuleType:
    """`__import__` of what is offered. Raises: ImportError that says what to do instead."""
    if not _may_import(name):
        raise ModuleNotFoundError(refusal(name), name=name)
    return __import__(name, globals_, locals_, fromlist, level)
