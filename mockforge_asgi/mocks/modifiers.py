"""Modifiers: plugins that change a response already made, one after the other, lowest priority number first.

The operator may narrow what each is asked about, by path, method, status and content type (`modifies:` under the plugin), and widen it to
responses of the wrapped app, whose way through modifiers is `app_response`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mockforge_asgi.config.objects import ResponseFilter
from mockforge_asgi.errors import MockForgeError, PluginFailed, PluginUnavailable
from mockforge_asgi.events import Step
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, ResponseHead
from mockforge_asgi.http.snapshot import with_head
from mockforge_asgi.mocks.app_response import AppResponse
from mockforge_asgi.plugins.plugin import A, Plugin
from mockforge_asgi.routing.glob import PathGlob
from mockforge_asgi.routing.passthrough import ClaimedPaths
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


class Modifiers:
    """The modifiers of one state of the registry. Answers of the wrapped app are given to them whole up to `max_bytes`.

    `in_place_of` says what the client is sent when changing a response of the wrapped app has failed.
    """

    __slots__ = ("_max_bytes", "_of_app", "_steps", "claims", "in_place_of", "plugins")

    def __init__(
        self,
        plugins: Iterable[Plugin] = (),
        *,
        max_bytes: int = 1024 * 1024,
        in_place_of: Callable[[Exchange, MockForgeError], MockResponse] = lambda _, error: response_for(error),
    ) -> None:
        self.plugins = tuple(plugins)
        self._steps = tuple((plugin, _Wanted(plugin.facts.modifies)) for plugin in self.plugins)
        self._of_app = tuple(step for step in self._steps if step[0].facts.modifies.app)
        self._max_bytes: Final = max_bytes
        self.in_place_of: Final = in_place_of
        filters = [plugin.facts.modifies for plugin, _ in self._of_app]
        self.claims: Final = ClaimedPaths((path for f in filters for path in f.paths), everything=not all(f.paths for f in filters))
        """Paths where responses of the wrapped app may be changed."""

    async def change(self, exchange: Exchange, response: A, *, of_app: bool = False) -> A:
        """The response after all of them; one that fails is left out where the operator says `on_failure: skip`.

        Raises PluginFailed and PluginUnavailable.
        """
        for plugin, wanted in self._of_app if of_app else self._steps:
            if not wanted.fits(exchange) or not wanted.admits(response):
                continue
            try:
                response = await plugin.modify(exchange, response) or response
            except (PluginFailed, PluginUnavailable) as error:
                if plugin.facts.on_failure != "skip":
                    raise
                if exchange.trace is not None:
                    exchange.trace.append(Step(f"plugin {plugin.name}", "failed", why=f"skipped: {error}"))
        return response

    def around(self, app: ASGIApp, exchange: Exchange) -> ASGIApp:
        """The wrapped app with its response to this request changed; the very app where none of its responses would be."""
        if exchange.scope["type"] != "http" or not any(wanted.fits(exchange) for _, wanted in self._of_app):
            return app

        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, AppResponse(self, exchange, send, self._max_bytes).send)

        return changed

    async def change_app(self, exchange: Exchange, response: A) -> A:
        """A response of the wrapped app after all that are asked about those; see `change`."""
        try:
            return await self.change(exchange, response, of_app=True)
        finally:
            exchange.release()

    def want(self, exchange: Exchange, head: ResponseHead) -> bool:
        """Whether one of them would be asked about that response of the wrapped app."""
        return any(wanted.fits(exchange) and wanted.admits(head) for _, wanted in self._of_app)


class _Wanted:
    """A filter made ready."""

    __slots__ = ("_filter", "_globs", "_methods")

    def __init__(self, filter: ResponseFilter) -> None:
        self._filter, self._globs = filter, tuple(map(PathGlob, filter.paths))
        self._methods = with_head(filter.methods)

    def fits(self, exchange: Exchange) -> bool:
        """Whether responses to that request are wanted."""
        snapshot = exchange.snapshot
        if self._methods and snapshot.method not in self._methods:
            return False
        return not self._globs or any(glob.matches(snapshot.match_path) for glob in self._globs)

    def admits(self, response: MockResponse | ResponseHead) -> bool:
        """Whether a response with that head is wanted."""
        if self._filter.status and response.status not in self._filter.status:
            return False
        return not self._filter.content_types or not self._filter.content_types.isdisjoint(MediaType.among(response.headers).ranges)
