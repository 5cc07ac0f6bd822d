"""An author's plugin as one that answers operations: described once, called with documents, answering with JSON text.

The tables are made when the plugin is loaded, so that a call is one look-up, the author's method and one conversion.
Errors are the author's own exceptions; whoever calls makes the envelope (`mockforge_plugin.failure.error_envelope`).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from types import CodeType
from typing import Any, TypeAlias

from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import PluginError, WrongAnswer
from mockforge_plugin.operations import documents, rows
from mockforge_plugin.operations.fields import as_mapping
from mockforge_plugin.operations.functions import caller, metadata
from mockforge_plugin.operations.marks import marked_methods
from mockforge_plugin.plugin import (
    ENDPOINT_MARK,
    FUNCTION_MARK,
    AuthPlugin,
    DataSourcePlugin,
    ModifierPlugin,
    Plugin,
    ResponsePlugin,
    TemplatePlugin,
    is_implemented,
)
from mockforge_plugin.request import Answer, Request
from mockforge_plugin.values import Allow, Deny, FunctionMetadata, Json, PluginInfo, Reply, Response

CONTRACT = "0.1"
KIT = "python 0.1.0"

Handler: TypeAlias = Callable[[Any], "str | Coroutine[Any, Any, str]"]
Write: TypeAlias = Callable[[Any], str]

_NOT_AWAITABLE = frozenset({Allow, Deny, Reply, Response, dict, list, tuple, str, int, float, bool, type(None)})
"""What methods usually give, of which it need not be asked whether it can be awaited: that takes as long as the rest of a call."""

_KINDS: tuple[tuple[type[Plugin], str], ...] = (
    (AuthPlugin, "authenticate"),
    (ResponsePlugin, "generate"),
    (ModifierPlugin, "modify"),
    (DataSourcePlugin, "query"),
)

QUERY_OPTIONS = ("limit", "cursor", "types", "name", "order", "write", "count", "max_bytes", "timeout_ms")
"""What `query` is given beside query and parameters, as far as its signature names it."""

NAMED = {"template.call": "function", "endpoint.call": "endpoint"}
"""Operations that are several in one, and where their document names which."""


class PluginObject:
    """One instance of an author's plugin, ready to be called."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self._connected = False
        self._at_load: dict[str, Callable[..., Any]] = {}
        """The author's methods by name, as operations call them."""
        marked = list(marked_methods(target))
        self._functions: dict[str, tuple[Callable[..., Any], FunctionMetadata]] = {}
        for method in marked:
            if hasattr(method, FUNCTION_MARK):
                about = metadata(method)
                if about.name in self._functions:
                    raise PluginError(f"two template functions are called '{about.name}'. Rename one.", code="invalid_config")
                self._functions[about.name] = method, about
        self._callers = {name: caller(method, name) for name, (method, _) in self._functions.items()}
        self._endpoints = {getattr(m, ENDPOINT_MARK): m for m in marked if hasattr(m, ENDPOINT_MARK)}
        self._handlers = dict(self._make_handlers())
        self._check_kinds()

    def describe(self) -> dict[str, Json]:
        """What the author implemented: operations, functions, endpoints, capabilities."""
        capabilities = getattr(self.target, "capabilities", None)
        told = capabilities() if is_implemented(capabilities) and callable(capabilities) else {}
        return {
            "contract": CONTRACT,
            "kit": KIT,
            "ops": sorted(self._implemented()),
            "functions": [documents.function_document(about) for _, about in self._functions.values()],
            "endpoints": sorted(self._endpoints),
            "capabilities": as_mapping(told, "capabilities()"),
        }

    def call(self, op: str, document: Any) -> str | Coroutine[Any, Any, str]:
        """The answer's JSON text, or a coroutine that gives it when the author's method is async.

        Raises: whatever the author's method raises; WrongAnswer with the place of the method whose answer it is about; PluginError for
        an operation that is not there.
        """
        handler = self._handlers.get(op)
        if handler is None:
            raise PluginError(f"this plugin has no {op}; it has {', '.join(sorted(self._implemented()))}", code="unsupported_op")
        return handler(document)

    def rows(self, document: Any) -> Any:
        """The same for `data.query`, but the data document itself where its cells are plain: for hosts that take values."""
        return self._rows(document)

    def called(self, op: str, name: str = "") -> Callable[..., Any] | None:
        """What an operation calls, for a host that calls it with values: the author's method, or the caller of a function, which takes its
        arguments as a list and a dict. `name` is that of the function or endpoint."""
        if op == "template.call":
            return self._callers.get(name)
        return self._endpoints.get(name) if op == "endpoint.call" else self._at_load.get(op.rpartition(".")[2])

    def text_of(self, op: str, name: str, value: object) -> str:
        """The JSON text of what `called` gave: what `call` makes of it.

        Raises: WrongAnswer with the place of the method whose answer it is.
        """
        try:
            if op in documents.ON_REQUEST and (called := self.called(op, name)) is not None:
                return documents.ON_REQUEST[op](value, called.__name__)
            return encode(documents.modified_document(value) if op == "response.modify" else value)
        except WrongAnswer as exc:
            raise _at(exc, self.method(op, name)) from None

    def method(self, op: str, name: str = "") -> Callable[..., Any] | None:
        """The author's method behind an operation, if there is one; `name` picks the template function or the endpoint."""
        if op == "template.call":
            return self._functions[name][0] if name in self._functions else None
        if op == "endpoint.call":
            return self._endpoints.get(name)
        method = getattr(self.target, op.rpartition(".")[2], None)
        return method if is_implemented(method) else None

    def _implemented(self) -> set[str]:
        """Operations to announce; `plugin.init` always, for the kit itself takes the configuration from it."""
        return {op for op in self._handlers if op != "data.connect" or self._has("connect")}

    def _make_handlers(self) -> Iterator[tuple[str, Handler]]:
        has = self._has

        def get(name: str) -> Callable[..., Any]:
            self._at_load[name] = getattr(self.target, name)  # an author's object is anything
            return self._at_load[name]

        yield "plugin.init", self._init
        for name in ("destroy", "start", "stop"):
            if has(name):
                yield f"plugin.{name}", _plain(get(name), _nothing)
        if has("validate_config"):
            yield "plugin.validate_config", self._validate
        if has("health"):
            yield "plugin.health", _plain(get("health"), _encoded(documents.health_document))
        if has("authenticate"):
            yield "auth.authenticate", _on_request("auth.authenticate", get("authenticate"), whole=True)
        if has("can_handle"):
            yield "response.can_handle", _on_request("response.can_handle", get("can_handle"))
        if has("generate"):
            yield "response.generate", _on_request("response.generate", get("generate"))
        if has("modify"):
            yield "response.modify", _on_answer(get("modify"))
        if has("query"):
            yield "data.query", self._query_handler(get("query"), _encoded(rows.data_document))
            self._rows = self._query_handler(get("query"), _rows_or_text)
            yield "data.connect", self._connect
        if has("schema"):
            yield "data.schema", _plain(get("schema"), _encoded(rows.schema_document))
        if self._functions:
            yield "template.call", self._function
        if self._endpoints:
            handlers = {name: _on_request("endpoint.call", method) for name, method in self._endpoints.items()}
            yield "endpoint.call", lambda document: _named(handlers, document["endpoint"], "endpoint")(document)

    def _has(self, name: str) -> bool:
        return is_implemented(getattr(self.target, name, None))

    def _check_kinds(self) -> None:
        cls = type(self.target)
        for kind, name in _KINDS:
            if issubclass(cls, kind) and not self._has(name):
                raise PluginError(f"{cls.__name__} is {_article(kind)} and must define the method {name}", code="invalid_config")
        if issubclass(cls, TemplatePlugin) and not self._functions:
            raise PluginError(f"{cls.__name__} is a TemplatePlugin and must mark a method with @function", code="invalid_config")
        if self._implemented() == {"plugin.init"} and not self._has("init"):
            raise PluginError(f"{cls.__name__} has no method of a plugin", code="invalid_config")

    def _init(self, document: Any) -> str | Coroutine[Any, Any, str]:
        target = self.target
        target.config = document["config"] or {}
        about = document.get("plugin") or {}
        target.plugin = PluginInfo(
            about.get("id", ""),
            about.get("version", ""),
            document.get("development") is True,
            about.get("prefix", ""),
            about.get("base_dir", ""),
        )
        if not self._has("init"):
            return "null"
        result = target.init(target.config) if inspect.signature(target.init).parameters else target.init()
        return _finish(result, _nothing, target.init)

    def _validate(self, document: Any) -> str | Coroutine[Any, Any, str]:
        method = self.target.validate_config
        try:
            result = method(document["config"] or {})
        except ValueError as exc:
            return encode([{"path": "", "message": str(exc)}])
        return _finish(result, _encoded(documents.problems_document), method)

    def _connect(self, document: Any) -> str | Coroutine[Any, Any, str]:
        if self._connected or not self._has("connect"):
            return "null"
        return _finish(self.target.connect(), self._keep_connection, self.target.connect)

    def _keep_connection(self, connection: Any) -> str:
        self.target.connection = connection
        self._connected = True
        return "null"

    def _query_handler(self, method: Callable[..., Any], write: Callable[[Any], Any]) -> Callable[[Any], Any]:
        taken = inspect.signature(method).parameters
        anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values())
        optional = [name for name in QUERY_OPTIONS if anything or name in taken]

        def run(document: Any) -> Any:
            options = {name: document[name] for name in optional if document.get(name) is not None}
            return _finish(method(document["query"], document.get("params") or {}, **options), write, method)

        async def connect_and_run(opening: Coroutine[Any, Any, str], document: Any) -> Any:
            await opening
            answer = run(document)
            return await answer if inspect.isawaitable(answer) else answer

        def query(document: Any) -> Any:
            opening = self._connect(None)
            return run(document) if isinstance(opening, str) else connect_and_run(opening, document)

        return query

    def _function(self, document: Any) -> str | Coroutine[Any, Any, str]:
        name = document["function"]
        run = self._callers.get(name) or _named(self._callers, name, "template function")
        return _finish(run(document.get("args") or (), document.get("kwargs")), encode, run)


def _on_request(op: str, method: Callable[..., Any], *, whole: bool = False) -> Handler:
    """A handler for operations on a request; `whole`: the document is the request itself. Where it is one already, it is taken as it is."""
    name, write = method.__name__, documents.ON_REQUEST[op]

    def handle(document: Any) -> str | Coroutine[Any, Any, str]:
        request = document if whole else document["request"]
        if not isinstance(request, Request):
            request = Request.from_document(request, "" if whole else document.get("fingerprint", ""))
        result = method(request)
        if type(result) not in _NOT_AWAITABLE and inspect.isawaitable(result):
            return _later(result, lambda value: write(value, name), method)
        try:
            return write(result, name)
        except WrongAnswer as exc:
            raise _at(exc, method) from None

    return handle


def _on_answer(method: Callable[..., Any]) -> Handler:
    def modify(document: Any) -> str | Coroutine[Any, Any, str]:
        request = document["request"]
        if not isinstance(request, Request):
            request = Request.from_document(request)
        return _finish(method(request, Answer(document["response"])), _encoded(documents.modified_document), method)

    return modify


def _plain(method: Callable[..., Any], write: Write) -> Handler:
    return lambda document: _finish(method(), write, method)


def _encoded(convert: Callable[[Any], Json]) -> Write:
    return lambda value: encode(convert(value))


def _rows_or_text(value: Any) -> str | dict[str, Json]:
    document = rows.data_document(value)
    return document if rows.is_plain(document) else encode(document)


def _finish(result: Any, write: Write, method: Callable[..., Any]) -> str | Coroutine[Any, Any, str]:
    """The result written as text, now or when it is there."""
    if type(result) not in _NOT_AWAITABLE and inspect.isawaitable(result):
        return _later(result, write, method)
    try:
        return write(result)
    except WrongAnswer as exc:
        raise _at(exc, method) from None


async def _later(result: Awaitable[Any], write: Write, method: Callable[..., Any]) -> str:
    value = await result
    try:
        return write(value)
    except WrongAnswer as exc:
        raise _at(exc, method) from None


def _at(exc: WrongAnswer, method: Callable[..., Any] | None) -> WrongAnswer:
    """The error with the place of the method whose answer it is about."""
    exc.at = code_of(method)
    return exc


def code_of(method: object) -> CodeType | None:
    """The code of a function or method, decorated or not."""
    plain = getattr(method, "__func__", method)
    code = getattr(inspect.unwrap(plain), "__code__", None) if callable(plain) else None
    return code if isinstance(code, CodeType) else None


def _named(table: Mapping[str, Any], name: str, what: str) -> Any:
    found = table.get(name)
    if found is None:
        raise PluginError(f"this plugin has no {what} '{name}'; it has {', '.join(table)}", code="not_found")
    return found


def _article(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def _nothing(_: object) -> str:
    return "null"
