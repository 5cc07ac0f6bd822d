"""ResponseMiddleware: `Responders` around any ASGI app, or alone. `MockForge` has the same as one of its steps."""

from __future__ import annotations

from mockforge_asgi.errors import ClientDisconnected, MockForgeError
from mockforge_asgi.http.body import BodyLimits
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.http.exchange import SCOPE_KEY, Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.lifespan import lifespan
from mockforge_asgi.mocks.plans import READY
from mockforge_asgi.mocks.responders import Responders
from mockforge_asgi.per_load import PerLoad
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


class ResponseMiddleware:
    """Answers HTTP requests that a responder claims; everything else goes to the wrapped app, or is a 404 where there is none."""

    def __init__(
        self, app: ASGIApp | None = None, *, runtime: PluginRuntime, responders: Responders, limits: BodyLimits | None = None
    ) -> None:
        """The runtime's response plugins are asked too, each in its place among `responders`. `limits` are those of bodies that are read;
        None: as a middleware further out has them."""
        self.app, self.runtime, self.limits = app, runtime, limits
        self._responders = PerLoad(runtime, responders.of)

    @property
    def routes(self) -> object:
        """The routes of the wrapped app, for `request.url_for` where this is mounted in Starlette."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or let the wrapped app do it."""
        if scope["type"] == "lifespan":
            return await lifespan(self.runtime, self.app, scope, receive, send)
        if scope["type"] != "http":
            if self.app is not None:
                return await self.app(scope, receive, send)
            return await send({"type": "websocket.close"}) if scope["type"] == "websocket" else None
        exchange, is_new = Exchange.of(scope, receive, send, limits=self.limits, proxies=self.runtime.config.trusted_proxies)
        try:
            await self._serve(exchange)
        finally:
            if is_new:
                exchange.close()

    async def _serve(self, exchange: Exchange) -> None:
        try:
            response = await self._respond(exchange)
            if response is not None:
                return await exchange.respond(response)
        except ClientDisconnected:
            return
        except MockForgeError as error:
            return await exchange.respond(response_for(error))
        assert self.app is not None  # without one there is always a response
        exchange.release()
        await self.app({**exchange.scope, SCOPE_KEY: exchange}, exchange.request_body.replay(), exchange.send)

    async def _respond(self, exchange: Exchange) -> MockResponse | TemplateResponse | None:
        responders = self._responders.ready() or await self._responders.current()
        if responders.explains and exchange.trace is None:
            exchange.trace = []
        if responders.routes is not None and exchange.matched_route is None:
            responders.routes.note_route(exchange)
        response = responders.respond(exchange)
        if response is not None and not isinstance(response, READY):
            response = await response
        return responders.not_found(exchange, self.runtime.events.redact) if response is None and self.app is None else response
