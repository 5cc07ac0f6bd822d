"""AuthChain: decides who may pass, by the operator's protection rules. Mountable around any ASGI app, and a step of `MockForge`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from mockforge_asgi.auth.composition import NO_DECISION, Authenticator, compose
from mockforge_asgi.auth.credentials import consumed_by
from mockforge_asgi.auth.forward import forward
from mockforge_asgi.auth.preflight import answer_preflight, is_preflight
from mockforge_asgi.auth.responses import DEFAULT_CHALLENGE, OTHER_CHALLENGE, decision_response, refuse_handshake
from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Allow, Decision, Deny
from mockforge_asgi.errors import ClientDisconnected, MockForgeError, PluginUnavailable
from mockforge_asgi.http.body import DEFAULT_LIMITS, BodyLimits
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.headers import wire_headers
from mockforge_asgi.http.paths import own_root_path, route_path
from mockforge_asgi.http.request_document import Consumed
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.lifespan import Service, lifespan
from mockforge_asgi.routing.ambiguity import check_path, is_plain
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


class AuthRuntime(Service, Protocol):
    """What the chain asks of the runtime."""

    @property
    def is_ready(self) -> bool:
        """Whether plugins answer on the running loop."""
        ...

    async def ensure(self) -> None:
        """Be ready on this loop, under servers that send no lifespan events."""
        ...

    def plugin(self, name: str, /) -> Authenticator:
        """The current generation of a plugin, by its configured name. Raises KeyError."""
        ...


@dataclass(frozen=True, slots=True)
class RulePlugins:
    """The plugins of one rule: as it names them, in their order, what they read of credentials, and the challenge of their 401s."""

    named: tuple[Authenticator, ...]
    plugins: tuple[Authenticator, ...]
    consumed: Consumed
    challenge: str

    @classmethod
    def of(cls, named: tuple[Authenticator, ...]) -> RulePlugins:
        """Lowest priority number first; equals stay as the rule names them."""
        plugins = tuple(sorted(named, key=lambda plugin: plugin.priority))
        challenges = ", ".join(dict.fromkeys(map(_challenge, plugins)))
        return cls(named, plugins, consumed_by(plugin.view for plugin in plugins), challenges)


class AuthChain:
    """Guards HTTP requests and websockets whose path a rule protects; all else passes through untouched.

    `root_path` is one that the app sets for itself, whatever the server says; None: as `app.root_path` tells.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        runtime: AuthRuntime,
        rules: Iterable[ProtectRule],
        limits: BodyLimits = DEFAULT_LIMITS,
        root_path: str | None = None,
    ) -> None:
        self.app, self.runtime, self.limits = app, runtime, limits
        self.protection = Protection(rules, own_root_path(app, root_path))
        self._panels: dict[ProtectRule, RulePlugins] = {}

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
        path = route_path(scope)
        if is_plain(path, scope.get("raw_path")) and not self.protection.covers(path):
            return await self.app(scope, receive, send)
        exchange, is_new = Exchange.of(scope, receive, send, limits=self.limits)
        try:
            await self._guard(exchange)
        finally:
            if is_new:
                exchange.close()

    async def _guard(self, exchange: Exchange) -> None:
        if self.allows_preflight(exchange) and await answer_preflight(self.app, exchange):
            return
        try:
            self.check(exchange)
            decision = await self.decide(exchange)
        except ClientDisconnected:
            return
        except MockForgeError as error:
            return await self.refuse(exchange, response_for(error))
        if decision is None or isinstance(decision, Allow):
            await forward(self.app, exchange, is_protected=self.is_protected(exchange), share=True)
        else:
            await self.refuse(exchange, decision_response(decision))

    def check(self, exchange: Exchange) -> None:
        """Refuse a path that could be read as one that is protected differently. Raises RequestRejected."""
        if self.protection.is_any:
            check_path(exchange.scope, exchange.snapshot.path, partial(self.protection.rule_for, exchange.snapshot.method))

    def rule_of(self, exchange: Exchange) -> ProtectRule | None:
        """The rule about this request; about a preflight, also that of the request which it asks for."""
        shot, rule_for = exchange.snapshot, self.protection.rule_for
        rule = rule_for(shot.method, shot.path)
        return rule_for(shot.header("access-control-request-method") or "", shot.path) if rule is None and is_preflight(exchange) else rule

    def is_protected(self, exchange: Exchange) -> bool:
        """Whether a rule is about this request."""
        return self.protection.rule_for(exchange.snapshot.method, exchange.snapshot.path) is not None

    def allows_preflight(self, exchange: Exchange) -> bool:
        """Whether the wrapped app may answer before auth: a preflight where the rule says so, on a path that has one reading."""
        if not is_preflight(exchange):
            return False
        rule = self.protection.rule_for("OPTIONS", exchange.snapshot.path)
        return rule is not None and rule.preflight == "app" and is_plain(exchange.snapshot.path, exchange.scope.get("raw_path"))

    async def decide(self, exchange: Exchange) -> Decision:
        """The decision about this request; None lets an anonymous caller pass. What an Allow brings is noted in the exchange.

        Raises RequestRejected, ClientDisconnected, and PluginUnavailable when a plugin that is needed fails.
        """
        rule = self.protection.rule_for(exchange.snapshot.method, exchange.snapshot.path)
        if rule is None:
            return None
        if not self.runtime.is_ready:
            await self.runtime.ensure()
        panel = self._panel(rule)
        decision = await compose(rule.mode, panel.plugins, exchange)
        if isinstance(decision, Allow):
            exchange.allowed(decision.principal, decision.claims, wire_headers(decision.set_headers))
        exchange.consume(panel.consumed)
        if decision is NO_DECISION:
            exchange.answered_by = ", ".join(plugin.name for plugin in panel.plugins)
        if isinstance(decision, Deny):
            exchange.reason = decision.reason
            if decision.status == 401 and not decision.challenge:
                return Deny(401, decision.reason, panel.challenge)
        return decision

    def _panel(self, rule: ProtectRule) -> RulePlugins:
        """The rule's plugins as they are loaded now; worked out once per generation."""
        try:
            current = tuple(self.runtime.plugin(name) for name in rule.auth)
        except KeyError as error:
            raise PluginUnavailable(str(error.args[0]), "it guards this path and is not loaded") from error
        known = self._panels.get(rule)
        if known is None or known.named != current:
            known = self._panels[rule] = RulePlugins.of(current)
        return known

    async def refuse(self, exchange: Exchange, answer: MockResponse | TemplateResponse) -> None:
        """Send the answer of a caller that may not pass."""
        if exchange.scope["type"] == "websocket":
            await refuse_handshake(exchange, answer)
        else:
            await exchange.respond(answer)


def _challenge(plugin: Authenticator) -> str:
    """What the plugin says that it wants; otherwise `Bearer` if it may read the header that a client would answer it with."""
    said, headers = plugin.description.capabilities.get("challenge"), plugin.view.headers
    if isinstance(said, str) and said:
        return said
    return DEFAULT_CHALLENGE if headers is None or "authorization" in headers else OTHER_CHALLENGE
