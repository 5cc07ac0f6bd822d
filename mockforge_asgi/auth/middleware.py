"""AuthMiddleware: `AuthPolicy` around any ASGI app. `MockForge` has the same as one of its steps."""

from __future__ import annotations

from collections.abc import Iterable

from mockforge_asgi.auth.backoff import Backoffs
from mockforge_asgi.auth.forward import forward
from mockforge_asgi.auth.policy import AuthPolicy
from mockforge_asgi.auth.preflight import answer_preflight
from mockforge_asgi.auth.responses import decision_response, refuse
from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Allow
from mockforge_asgi.errors import ClientDisconnected, MockForgeError
from mockforge_asgi.http.body import BodyLimits
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.paths import own_root_path, route_path
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.lifespan import lifespan
from mockforge_asgi.per_load import PerLoad
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


class AuthMiddleware:
    """Guards HTTP requests and websockets whose path a rule protects; what begins like no such path passes through untouched.

    `limits` are those of bodies that plugins read; None: as a middleware further out has them. `root_path` is one that the app sets for
    itself, whatever the server says; None: as `app.root_path` tells.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        runtime: PluginRuntime,
        rules: Iterable[ProtectRule],
        limits: BodyLimits | None = None,
        root_path: str | None = None,
    ) -> None:
        self.app, self.runtime, self.limits = app, runtime, limits
        self.protection = Protection(rules, own_root_path(app, root_path))
        self._backoffs = Backoffs(runtime)
        self._policy = PerLoad(runtime, lambda loaded: AuthPolicy(self.protection, loaded, self._backoffs, runtime.events))

    @property
    def routes(self) -> object:
        """The routes of the wrapped app, for `request.url_for` where this is mounted in Starlette."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass, or refuse it."""
        if scope["type"] == "lifespan":
            return await lifespan(self.runtime, self.app, scope, receive, send)
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if self.protection.claims.passes_through(route_path(scope), scope.get("raw_path")):
            return await self.app(scope, receive, send)
        exchange, is_new = Exchange.of(scope, receive, send, limits=self.limits, proxies=self.runtime.config.trusted_proxies)
        try:
            await self._guard(exchange)
        finally:
            if is_new:
                exchange.close()

    async def _guard(self, exchange: Exchange) -> None:
        policy = self._policy.now.value
        if policy.allows_preflight(exchange) and await answer_preflight(self.app, exchange):
            return
        rule = self.protection.rule_for(exchange.snapshot.method, exchange.snapshot.path)
        try:
            refusal = await self._refusal(exchange, rule)
            if refusal is not None:
                return await refuse(exchange, refusal)
        except ClientDisconnected:
            return
        except MockForgeError as error:
            return await refuse(exchange, response_for(error))
        exchange.release()
        await forward(self.app, exchange, is_protected=rule is not None, share=True)

    async def _refusal(self, exchange: Exchange, rule: ProtectRule | None) -> MockResponse | TemplateResponse | None:
        """The response to a caller that may not pass."""
        self._policy.now.value.check_path(exchange)
        if rule is None:
            return None
        policy = self._policy.ready() or await self._policy.current()
        exchange.answered_by = exchange.allowed_by = exchange.wrong_by = ""  # a mount further out may have decided, too
        decision = await policy.decide(exchange, rule)
        return None if decision is None or isinstance(decision, Allow) else decision_response(decision)
