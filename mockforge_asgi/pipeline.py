"""Pipeline: all that a request walks through, made ready: of one configuration, with the plugins as they are loaded.

What the configuration alone decides is made once; a pipeline is put together from it whenever the plugins have changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_asgi.auth.backoff import Backoffs
from mockforge_asgi.auth.endpoints import Endpoints, public_plugins
from mockforge_asgi.auth.policy import AuthPolicy
from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config import Config
from mockforge_asgi.config.collected import Faults
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.config.sources.objects import NamedQuery, SourceConfig
from mockforge_asgi.forwarded import TrustedProxies
from mockforge_asgi.http.body import BodyLimits
from mockforge_asgi.http.cors import OPEN, Cors
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.mocks.data import DataServices
from mockforge_asgi.mocks.failures import FailureResponses
from mockforge_asgi.mocks.modifiers import Modifiers
from mockforge_asgi.mocks.responders import Responders
from mockforge_asgi.mocks.routes import build_routes, inline_paths, inline_templates, plugins_named
from mockforge_asgi.plugins.plugin import alias_of
from mockforge_asgi.plugins.registry import LoadedPlugins
from mockforge_asgi.routing.passthrough import ClaimedPaths
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.types import Json


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Auth, endpoints, responders, templates and modifiers over one state of the plugins. A request takes one, and keeps it."""

    auth: AuthPolicy
    endpoints: Endpoints
    responders: Responders
    templates: TemplateMiddleware
    modifiers: Modifiers
    failures: FailureResponses
    claims: ClaimedPaths
    """The paths where anybody here could have a say; all others are the wrapped app's alone."""
    limits: BodyLimits
    proxies: TrustedProxies | None
    """Whose word of where a request comes from is believed."""
    cors: Cors | None
    """Which pages may read responses that no rule protects; None leaves that to the wrapped app."""
    guards_cors: bool
    """Whether that holds for protected ones too."""
    is_alone: bool
    """Whether there is no wrapped app."""
    is_traced: bool
    """Whether it is noted who was asked: in dev mode, where a 404 tells it."""

    def cors_for(self, exchange: Exchange, rule: ProtectRule | None) -> Cors | None:
        """Which pages may read the response to this request, which falls under that rule; a preflight also under that of the request
        which it asks for."""
        if rule is None and exchange.is_preflight:
            rule = self.auth.rule_of(exchange)
        is_for_app = rule is not None and (not self.guards_cors or (rule.preflight == "app" and not self.is_alone))
        return None if is_for_app else self.cors

    async def rendered(self, exchange: Exchange, response: MockResponse | TemplateResponse) -> MockResponse:
        """The response, ready to be sent."""
        return response if isinstance(response, MockResponse) else await self.templates.render(exchange, response)


class PipelineBuilder:
    """What a configuration decides by itself, ready to become a pipeline. Raises ConfigError with all that is wrong."""

    def __init__(self, config: Config, runtime: PluginRuntime, *, root_path: str, is_alone: bool) -> None:
        self._config, self._is_alone = config, is_alone
        self._protection: Final = Protection(config.protect, root_path)
        faults = Faults()
        with faults:
            self._responders: Final = _responders(config, _Data(self, runtime))
        with faults:
            self._templates: Final = _templates(config, runtime)
        with faults:
            self._failures: Final = FailureResponses(config, lambda text: runtime.events.redact(text))
        faults.refuse()
        self._limits = config.limits.body
        self._public, self._backoffs, self._events = public_plugins(config), Backoffs(runtime), runtime.events

    @property
    def renderer(self) -> Renderer:
        """What renders the templates."""
        return self._templates.renderer

    def build(self, loaded: LoadedPlugins) -> Pipeline:
        """The pipeline with those plugins."""
        config, responders = self._config, self._responders.of(loaded)
        endpoints = Endpoints(loaded.plugins.values(), self._public)
        max_bytes = config.limits.max_answer_kb * 1024
        modifiers = Modifiers(loaded.of_kind("modifier"), max_bytes=max_bytes, in_place_of=self._failures.in_place_of)
        claims = self._protection.claims | endpoints.claims | responders.claims() | modifiers.claims
        return Pipeline(
            auth=AuthPolicy(self._protection, loaded, self._backoffs, self._events),
            endpoints=endpoints,
            responders=responders,
            templates=self._templates,
            modifiers=modifiers,
            failures=self._failures,
            claims=ClaimedPaths(everything=True) if config.dev or config.cors is not None else claims,
            limits=self._limits,
            proxies=config.trusted_proxies,
            cors=config.cors or (OPEN if self._is_alone else None),
            guards_cors=config.cors is not None,
            is_alone=self._is_alone,
            is_traced=config.dev,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """What routes that answer out of data sources stand on."""

    builder: PipelineBuilder
    runtime: PluginRuntime

    @property
    def sources(self) -> Mapping[str, SourceConfig]:
        """See DataServices."""
        return self.runtime.config.sources

    async def render(self, exchange: Exchange, response: TemplateResponse) -> MockResponse:
        """See DataServices."""
        return await self.builder.renderer.render(exchange, response)

    async def query(self, source: str, query: str | NamedQuery, params: Mapping[str, Json], **options: Any) -> dict[str, Json]:
        """See DataServices."""
        return await self.runtime.sources.query(source, query, params, **options)


def _responders(config: Config, data: DataServices) -> Responders:
    return Responders(
        build_routes(config.routes, data) if config.routes else None,
        named_by_routes=plugins_named(config.routes),
        priorities={name: use.priority for name, use in config.plugins.items() if use.priority is not None},
        explains=config.dev,
    )


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
        sources=config.sources,
        query=runtime.query,
        seed=config.templates.seed,
        locale=config.templates.locale,
    )
    renderer.check()
    return TemplateMiddleware(None, runtime=runtime, renderer=renderer, shows_errors=config.dev)
