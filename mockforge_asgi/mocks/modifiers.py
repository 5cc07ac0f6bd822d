"""Modifiers: plugins that change an answer already made, one after the other, lowest priority number first.

The operator may narrow what each is asked about, by path, method, status and content type (`modifies:` under the plugin).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from mockforge_asgi.config.objects import AnswerFilter
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.http.answers import MockResponse
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.path_glob import PathGlob
from mockforge_asgi.plugins.plugin import Plugin


class Modifiers:
    """The modifiers of one state of the registry. `filters` by plugin name; one without a filter is asked about every answer."""

    __slots__ = ("_steps", "plugins")

    def __init__(self, plugins: Iterable[Plugin] = (), filters: Mapping[str, AnswerFilter] = MappingProxyType({})) -> None:
        self.plugins = tuple(plugins)
        self._steps = tuple((plugin, _Wanted(filters.get(plugin.name, AnswerFilter()))) for plugin in self.plugins)

    async def change(self, exchange: Exchange, answer: MockResponse) -> MockResponse:
        """The answer after all of them; one that fails is left out where the operator says `on_failure: skip`.

        Raises PluginFailed and PluginUnavailable.
        """
        for plugin, wanted in self._steps:
            if not wanted.admits(exchange, answer):
                continue
            try:
                with exchange.watched():
                    answer = await plugin.modify(exchange, answer) or answer
            except (PluginFailed, PluginUnavailable) as error:
                if plugin.facts.on_failure != "skip":
                    raise
                if exchange.notes is not None:
                    exchange.notes.append(f"skipped: {error}")
        return answer


class _Wanted:
    """A filter made ready."""

    __slots__ = ("_filter", "_globs")

    def __init__(self, filter: AnswerFilter) -> None:
        self._filter, self._globs = filter, tuple(map(PathGlob, filter.paths))

    def admits(self, exchange: Exchange, answer: MockResponse) -> bool:
        wanted, snapshot = self._filter, exchange.snapshot
        if wanted.methods and snapshot.method not in wanted.methods:
            return False
        if wanted.status and answer.status not in wanted.status:
            return False
        if self._globs and not any(glob.matches(snapshot.path) for glob in self._globs):
            return False
        return not wanted.content_types or _fits(_content_type(answer), wanted.content_types)


def _content_type(answer: MockResponse) -> str:
    found = next((value for name, value in answer.headers if name.lower() == b"content-type"), b"")
    return found.decode("latin-1").partition(";")[0].strip().lower()


def _fits(content_type: str, wanted: Collection[str]) -> bool:
    return content_type in wanted or f"{content_type.partition('/')[0]}/*" in wanted
