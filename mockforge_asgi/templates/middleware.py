"""TemplateMiddleware: renders the template responses of the app that it wraps; `MockForge` uses its `render` as one of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockforge_asgi.errors import ClientDisconnected, MockForgeError, PluginFailed, RequestRejected, TemplateFailed
from mockforge_asgi.events import RenderFailed
from mockforge_asgi.http.cors import is_foreign
from mockforge_asgi.http.errors import error_response, response_for
from mockforge_asgi.http.exchange import SCOPE_KEY, Exchange
from mockforge_asgi.http.headers import wire_headers
from mockforge_asgi.http.responses import TEMPLATE_EXTENSION, MockResponse, TemplateResponse
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from mockforge_asgi.runtime import PluginRuntime


class TemplateMiddleware:
    """Mounted around an app, it renders that app's `mockforge.template` messages: `{"type", "status", "headers", "name", "vars"}`, and
    where headers are templates `{"header_templates", "body"}`; `length` is the Content-Length of a response to HEAD.

    `shows_errors`: the response to a failed rendering names template, line and reason, for developers; otherwise it is a bare 500.
    """

    def __init__(self, app: ASGIApp | None = None, *, runtime: PluginRuntime, renderer: Renderer, shows_errors: bool = False) -> None:
        self.app, self.renderer = app, renderer
        self._events, self._shows_errors = runtime.events, shows_errors
        self._proxies = runtime.config.trusted_proxies

    @property
    def routes(self) -> object:
        """The routes of the wrapped app, for `request.url_for` where this is mounted in Starlette."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "TemplateMiddleware was built without an app to wrap"
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange, is_new = Exchange.of(scope, receive, send, proxies=self._proxies)

        async def rendering(message: Message) -> None:
            if message["type"] != TEMPLATE_EXTENSION:
                await send(message)
                return
            try:
                response = await self.render(exchange, _wanted(message))
            except ClientDisconnected:
                return
            except RequestRejected as error:
                response = response_for(error)
            await response.send(send, head=exchange.snapshot.method == "HEAD")

        extended = {**scope, "extensions": {**(scope.get("extensions") or {}), TEMPLATE_EXTENSION: {}}}
        if is_new:
            extended[SCOPE_KEY] = exchange
        try:
            await self.app(extended, exchange.request_body.replay(), rendering)
        finally:
            if is_new:
                exchange.close()

    async def render(self, exchange: Exchange, response: TemplateResponse) -> MockResponse:
        """The response with its text; where rendering fails, the one that says so.

        Raises RequestRejected and ClientDisconnected when reading the body does.
        """
        try:
            return await self.renderer.render(exchange, response)
        except (RequestRejected, ClientDisconnected):
            raise
        except MockForgeError as error:
            return self._failed(exchange, response, error)

    def _failed(self, exchange: Exchange, response: TemplateResponse, error: MockForgeError) -> MockResponse:
        told = self.renderer.explain(response, error)
        self._events.emit(RenderFailed(template=response.template, reason=str(told)))
        if not self._shows_errors or is_foreign(exchange.snapshot):
            return response_for(error)
        trace = f"\n{error.author_traceback}" if isinstance(error, PluginFailed) and error.author_traceback else ""
        shown = self._events.redact(f"{told}{trace}")
        return error_response(500, shown, error="Template failed") if isinstance(error, TemplateFailed) else response_for(error, shown)


def _wanted(message: Message) -> TemplateResponse:
    return TemplateResponse(
        message.get("status", 200),
        wire_headers(message.get("headers", ())),
        message["name"],
        message.get("vars", {}),
        tuple(message.get("header_templates", ())),
        message.get("body"),
        message.get("length"),
    )
