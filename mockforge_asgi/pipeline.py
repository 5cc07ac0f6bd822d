"""Pipeline: the chains of a configuration, put together as `MockForge` runs them, and which paths they could have a say in.

What depends on the loaded plugins is worked out anew when the registry has changed.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from mockforge_asgi.auth.endpoints import Endpoints, public_plugins
from mockforge_asgi.auth.middleware import AuthChain
from mockforge_asgi.config import Config
from mockforge_asgi.config.collected import Faults
from mockforge_asgi.errors import ConfigError, MockForgeError, PluginFailed, PluginUnavailable, Problem, UnsupportedEventLoop
from mockforge_asgi.http.body import BodyLimits
from mockforge_asgi.http.cors import OPEN, Cors, is_foreign
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.mocks.middleware import PluginResponders, ResponseChain
from mockforge_asgi.mocks.modifiers import Modifiers
from mockforge_asgi.mocks.responders import RouteResponder
from mockforge_asgi.mocks.routes import build_routes, inline_paths, inline_templates, plugins_named
from mockforge_asgi.mocks.static import AnswerError, answer_of
from mockforge_asgi.plugins.plugin import alias_of
from mockforge_asgi.plugins.registry import Registry
from mockforge_asgi.routing.passthrough import ClaimedPaths
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.types import Receive, Scope, Send

MOST_TOLD: Final = 8192
"""How much of an error a developer is told in an answer, in characters."""


class Pipeline:
    """Auth, endpoints, responses, templates and modifiers over one runtime."""

    __slots__ = (
        "_cors",
        "_generation",
        "_is_live",
        "_max_answer_bytes",
        "_public",
        "_registry",
        "_runtime",
        "_stand_ins",
        "auth",
        "claims",
        "endpoints",
        "limits",
        "modifiers",
        "responses",
        "templates",
    )

    def __init__(self, config: Config, runtime: PluginRuntime, root_path: str) -> None:
        self._runtime, self._is_live, self._cors = runtime, config.dev, config.cors
        self.limits: Final = BodyLimits(config.limits.max_body_kb * 1024, config.limits.body_timeout_ms / 1000)
        self.auth: Final = AuthChain(_nowhere, runtime=runtime, rules=config.protect, limits=self.limits, root_path=root_path)
        faults = Faults()
        with faults:
            self.responses: Final = _responses(config, runtime, self.limits)
        with faults:
            self.templates: Final = _templates(config, runtime)
        with faults:
            self._stand_ins = _stand_ins(config)
        faults.refuse()
        self.claims = ClaimedPaths(everything=True)
        self.endpoints, self.modifiers = Endpoints(), Modifiers()
        self._max_answer_bytes = config.limits.max_answer_kb * 1024
        self._public = public_plugins(config)
        self._registry: Registry | None = None
        self._generation = -1

    def passes_through(self, path: str, raw: bytes | None) -> bool:
        """Whether no piece could have a say in a request for that path. False before plugins are known, and in dev mode."""
        registry = self._registry
        return registry is not None and registry.generation == self._generation and self.claims.passes_through(path, raw)

    def backed(self, exchange: Exchange, answering: Awaitable[MockResponse | None]) -> Awaitable[MockResponse | None]:
        """The same, with the operator's own answers (`on_failure`) in place of errors of plugins."""
        return self._backed(exchange, answering) if self._stand_ins else answering

    async def _backed(self, exchange: Exchange, answering: Awaitable[MockResponse | None]) -> MockResponse | None:
        try:
            return await answering
        except (PluginFailed, PluginUnavailable) as error:
            return self.in_place_of(exchange, error)

    def in_place_of(self, exchange: Exchange, error: MockForgeError) -> MockResponse:
        """What the client is sent when a plugin that is no guard has failed: the operator's own answer, else one that says so."""
        plugin = error.plugin if isinstance(error, PluginFailed | PluginUnavailable) else ""
        answer = self._stand_ins.get(plugin)
        if answer is None:
            return self.response_for(exchange, error)
        exchange.answered_by, exchange.reason = f"on_failure of {plugin}", _reason(error)
        return answer

    def response_for(self, exchange: Exchange, error: MockForgeError) -> MockResponse:
        """The answer to an error, noting whose it is. In dev mode it says what failed and where, but not to pages of other origins."""
        exchange.reason = _reason(error)
        if not isinstance(error, PluginFailed | PluginUnavailable):
            exchange.answered_by = exchange.answered_by or "request check"
            return response_for(error)
        exchange.answered_by = f"plugin {error.plugin}"
        if not self._is_live or is_foreign(exchange.snapshot):
            return response_for(error)
        cause = error.__cause__ if isinstance(error.__cause__, PluginFailed) else error
        return response_for(error, self._runtime.events.redact(str(cause)[:MOST_TOLD]))

    async def ready(self) -> None:
        """Have the plugins loaded, and follow what has changed among them. Raises MockForgeError.

        On an event loop that cannot have any, whatever needs a plugin raises, and all else is served.
        """
        runtime = self._runtime
        if not runtime.is_ready:
            try:
                await runtime.ensure()
            except UnsupportedEventLoop:
                return
        if self._is_live:
            await runtime.refresh()
        registry = runtime.registry
        if registry is not self._registry or registry.generation != self._generation:
            self._follow(registry)

    def _follow(self, registry: Registry) -> None:
        self._registry, self._generation = registry, registry.generation
        self.endpoints = Endpoints(registry, self._public)
        self.modifiers = Modifiers(registry.of_kind("modifier"), max_bytes=self._max_answer_bytes, in_place_of=self.in_place_of)
        claims = self.auth.protection.claims | self.endpoints.claims | self.responses.claims() | self.modifiers.claims
        self.claims = ClaimedPaths(everything=True) if self._is_live or self._cors is not None else claims

    def cors(self, exchange: Exchange, *, is_alone: bool) -> Cors | None:
        """What says which pages may read the answer; None leaves that to the wrapped app, or to nobody.

        `is_alone`: there is no wrapped app, so that without `cors:` what nothing protects is open.
        """
        if exchange.scope["type"] != "http" or (self._cors is None and not is_alone):
            return None
        rule = self.auth.rule_of(exchange)
        if self._cors is None:
            return None if rule is not None else OPEN
        return None if rule is not None and rule.preflight == "app" and not is_alone else self._cors


def _reason(error: MockForgeError) -> str:
    """Why, in short; of a call that failed another event has told."""
    return "" if isinstance(error, PluginFailed) else str(getattr(error, "reason", getattr(error, "message", error)))


def _responses(config: Config, runtime: PluginRuntime, limits: BodyLimits) -> ResponseChain:
    links = (RouteResponder(build_routes(config.routes), runtime),) if config.routes else ()
    priorities = {name: use.priority for name, use in config.plugins.items() if use.priority is not None}
    plugins = PluginResponders(
        runtime,
        named_by_routes=plugins_named(config.routes),
        priorities=priorities,
        expects_any=bool(runtime.own_names or config.plugins),
    )
    return ResponseChain(None, runtime=runtime, links=links, plugins=plugins, limits=limits, explains=config.dev)


def _templates(config: Config, runtime: PluginRuntime) -> TemplateMiddleware:
    texts = {**config.templates.inline, **inline_templates(config.routes)}
    places = {name: config.places.where(("templates", "inline", name)) for name in config.templates.inline}
    places |= {name: config.places.where(path) for name, path in inline_paths(config.routes).items()}
    renderer = Renderer(
        TemplateStore(config.templates.dir, texts, locations=places, watcher=runtime.watcher),
        aliases={
            **{alias_of(name): name for name in runtime.own_names},
            **{use.alias: name for name, use in config.plugins.items() if use.alias},
        },
        plugin=runtime.plugin,
        sources=frozenset(config.sources),
        query=runtime.query,
        seed=config.templates.seed,
        locale=config.templates.locale,
    )
    renderer.check()
    return TemplateMiddleware(None, runtime=runtime, renderer=renderer, shows_errors=config.dev)


def _stand_ins(config: Config) -> dict[str, MockResponse]:
    """The static answers for plugins that fail. Raises ConfigError."""
    made: dict[str, MockResponse] = {}
    problems: list[Problem] = []
    for name, use in config.plugins.items():
        try:
            if use.failure_answer is not None and isinstance(answer := answer_of(use.failure_answer), MockResponse):
                made[name] = answer
        except AnswerError as error:
            problems.append(config.places.problem(("plugins", name, "on_failure"), str(error)))
    if problems:
        raise ConfigError("the answers for plugins that fail cannot be used:", problems)
    return made


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """What the auth chain wraps as a step: nothing, `MockForge` hands requests on itself."""
