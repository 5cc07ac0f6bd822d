"""What templates may ask others for: functions of plugins as `alias.function(...)`, rows of named queries as `data.source.query(...)`.

Both may have to be waited for, so only renderings that run in `with_waiting` have them. What comes back is data: it is never read as a
template.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from jinja2.runtime import Undefined
from markupsafe import Markup

from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.sources.records import records, written_numbers
from mockforge_asgi.templates.bounds.environment import Explained, Exposed
from mockforge_asgi.templates.bounds.meter import METER, SCALARS, meter
from mockforge_asgi.templates.formats import NotPrintable
from mockforge_asgi.templates.functions import generator
from mockforge_asgi.templates.waiting import result_of
from mockforge_asgi.types import Json
from mockforge_plugin.values import FunctionMetadata

Query: TypeAlias = Callable[[Exchange, str, str, Mapping[str, Json]], Awaitable[Mapping[str, Json]]]
"""Runs (exchange, source, query, params); gives `{"columns", "rows", "truncated", …}` with rows in the columns' order."""


PROVIDER: Final = "faker"
"""The category of functions that make fake data."""
FAKE: Final = "fake"
"""Their argument that the host gives: `{"seed", "locale"}`."""
_SEED_BITS: Final = 53
"""As many as every language reads exactly out of JSON."""
_FEW: Final = 64
"""How many arguments a call may have that are not counted."""
_PLAIN: Final = SCALARS | {str}


def plain(value: Any) -> Json:
    """A template's value as JSON data, for others. Raises NotPrintable."""
    known = type(value)
    if known is str or known in SCALARS:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [item if type(item) in SCALARS else plain(item) for item in value]
    if isinstance(value, str):
        return value.unescape() if isinstance(value, Markup) else value
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Undefined):
        str(value)
    raise NotPrintable(f"{type(value).__name__} cannot be handed to a plugin")


def is_provider(function: FunctionMetadata) -> bool:
    """Whether it makes fake data out of a seed: templates have it below `faker`."""
    return function.category == PROVIDER and any(parameter.name == FAKE for parameter in function.parameters)


class PluginFunctions(Exposed):
    """The functions of one plugin, for one request."""

    __slots__ = ("_exchange", "_plugin")

    def __init__(self, plugin: Plugin, exchange: Exchange) -> None:
        self._plugin, self._exchange = plugin, exchange

    @property
    def label(self) -> str:  # type: ignore[override]
        """What messages call it."""
        names = ", ".join(function.name for function in self._plugin.functions if not is_provider(function))
        return f"plugin '{self._plugin.name}' (its functions: {names or 'none'})"

    def expose(self, name: str) -> Callable[..., Json]:
        """The function of that name. Raises KeyError."""
        for function in self._plugin.functions:
            if function.name == name and not is_provider(function):
                return partial(_call_plugin, self._plugin, self._exchange, name)
        raise KeyError(name)


class PluginProviders(Exposed):
    """The providers of fake data of one plugin, for one rendering: each call has a seed of its own, drawn from the rendering's chance."""

    __slots__ = ("_exchange", "_locale", "_plugin")

    def __init__(self, plugin: Plugin, exchange: Exchange, locale: str) -> None:
        self._plugin, self._exchange, self._locale = plugin, exchange, locale

    @property
    def label(self) -> str:  # type: ignore[override]
        """What messages call it."""
        return f"plugin '{self._plugin.name}' (its providers: {', '.join(f.name for f in self._plugin.functions if is_provider(f))})"

    def expose(self, name: str) -> Callable[..., Json]:
        """The provider of that name. Raises KeyError."""
        if not any(function.name == name and is_provider(function) for function in self._plugin.functions):
            raise KeyError(name)

        def fake(*args: Any, **kwargs: Any) -> Json:
            drawn = {"seed": generator().getrandbits(_SEED_BITS), "locale": self._locale}
            return _call_plugin(self._plugin, self._exchange, name, *args, **{**kwargs, FAKE: drawn})

        return fake


def _call_plugin(plugin: Plugin, exchange: Exchange, name: str, /, *args: Any, **kwargs: Any) -> Json:
    """The value of a plugin's function. The time that it takes is not the rendering's own."""
    used = METER.get() or meter()
    positional, named, is_plain = list(args), kwargs, not kwargs and len(args) <= _FEW
    for arg in args:
        is_plain = is_plain and type(arg) in _PLAIN
    if not is_plain:
        used.check_values([args, kwargs])
        positional, named = [plain(arg) for arg in args], {key: plain(arg) for key, arg in kwargs.items()}
    since = used.clock()
    try:
        return result_of(plugin.call_function(exchange, name, positional, named))
    except (PluginFailed, PluginUnavailable):
        if plugin.facts.on_failure != "skip":
            raise
        return None
    finally:
        used.seen = now = used.clock()
        used.give_back(now - since)


def _run_query(query: Query, exchange: Exchange, source: str, name: str, /, **params: Any) -> Json:
    """The rows of a query."""
    used = meter()
    used.check_values(params)
    named = {key: plain(value) for key, value in params.items()}
    since = used.clock()
    try:
        found = result_of(query(exchange, source, name, named))
    finally:
        used.waited(since)
    return _readable(found, f"data.{source}.{name}")


class _Source(Exposed):
    """The queries of one data source, for one request."""

    __slots__ = ("_exchange", "_query", "_source")

    def __init__(self, source: str, query: Query, exchange: Exchange) -> None:
        self._source, self._query, self._exchange = source, query, exchange

    def expose(self, name: str) -> Callable[..., Json]:
        """The query of that name, whether there is one or not."""
        return partial(_run_query, self._query, self._exchange, self._source, name)


class DataSources(Exposed):
    """The named data sources, for one request."""

    __slots__ = ("_exchange", "_names", "_query")
    label = "data"

    def __init__(self, names: Collection[str], query: Query, exchange: Exchange) -> None:
        self._names, self._query, self._exchange = names, query, exchange

    def expose(self, name: str) -> _Source:
        """The source of that name. Raises KeyError."""
        if name not in self._names:
            raise KeyError(name)
        return _Source(name, self._query, self._exchange)


def _readable(found: Mapping[str, Json], called: str) -> Json:
    """Rows as mappings by column name; `first` is the first of them, or none, and so is `one`, which is there if they are no more."""
    rows = records(found, written_numbers)
    first = rows[0] if rows else None
    made = {**found, "rows": rows, "first": first, "count": len(rows)}
    if len(rows) < 2:
        return made | {"one": first}
    return Explained(made, {"one": f"{called} gave {len(rows)} rows, and `one` is of at most one; `first` is the first of them"})
