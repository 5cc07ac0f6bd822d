"""Links: what the response chain asks, one after the other, for an answer.

A link answers, or gives None: not mine, ask the next. The routes of the configuration and response plugins are links; so is whatever
else may answer (fixtures 0, scenarios 1, failures 2, proxy 3, plugins 3.5, routes 4).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias

from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.mocks.routes import Routes
from mockforge_asgi.mocks.static import PluginResponse, RouteAnswer
from mockforge_asgi.plugins.permits import TemplateRights, permit_template
from mockforge_asgi.routing.index import NEEDS_BODY, Found

PLUGINS: Final = 3.5
"""The priority of response plugins, unless the operator gives another."""
ROUTES: Final = 4.0
"""The priority of the configuration's routes."""


class Later(Enum):
    """The link has to wait before it can say anything."""

    WAIT = "wait"


WAIT: Final = Later.WAIT
ResponderResult: TypeAlias = MockResponse | TemplateResponse | None


class Responder(Protocol):
    """One link of the chain."""

    @property
    def name(self) -> str:
        """What logs and explanations call it."""
        ...

    @property
    def priority(self) -> float:
        """Its place: lowest first."""
        ...

    def answer_now(self, exchange: Exchange) -> ResponderResult | Literal[Later.WAIT]:
        """Its answer where nothing has to be waited for, else WAIT."""
        ...

    async def answer(self, exchange: Exchange) -> ResponderResult:
        """Its answer. Raises MockForgeError."""
        ...


class PluginMeta(TemplateRights, Protocol):
    """What links need to know of a plugin."""

    @property
    def on_failure(self) -> str:
        """`error`: a failure is the answer; `skip`: it is asked as if it had nothing to say."""
        ...


class ResponsePlugin(Protocol):
    """A plugin that answers requests."""

    @property
    def name(self) -> str:
        """The operator's name for it."""
        ...

    @property
    def priority(self) -> float:
        """Its place among plugins."""
        ...

    @property
    def kinds(self) -> frozenset[str]:
        """What it is."""
        ...

    @property
    def facts(self) -> PluginMeta:
        """What is known of it."""
        ...

    async def can_handle(self, exchange: Exchange) -> bool:
        """Whether it wants to answer."""
        ...

    async def generate(self, exchange: Exchange) -> ResponderResult:
        """Its answer."""
        ...


class Plugins(Protocol):
    """Where links find plugins: the runtime."""

    @property
    def is_ready(self) -> bool:
        """Whether plugins answer on the running loop."""
        ...

    async def ensure(self) -> None:
        """Be ready on this loop."""
        ...

    def plugin(self, name: str, /) -> ResponsePlugin:
        """The current generation of a plugin. Raises KeyError."""
        ...


async def ask(plugins: Plugins, name: str, exchange: Exchange, *, directly: bool) -> ResponderResult:
    """A plugin's answer; `directly`: without asking whether it wants to.

    Raises PluginFailed and PluginUnavailable unless the plugin is to be skipped when it fails.
    """
    if not plugins.is_ready:
        await plugins.ensure()
    try:
        plugin = plugins.plugin(name)
    except KeyError:
        raise PluginUnavailable(name, "it is not loaded") from None
    try:
        if not directly and not await plugin.can_handle(exchange):
            _note(exchange, f"Plugin '{name}' was asked, and said in can_handle that it does not answer this.")
            return None
        answer = await plugin.generate(exchange)
        if answer is None:
            _note(exchange, f"Plugin '{name}' was asked, and generate gave no answer.")
            return None
        if isinstance(answer, TemplateResponse):
            permit_template(name, plugin.facts, "response.generate", answer.template)
        exchange.answered_by = f"plugin {name}"
        return answer
    except (PluginFailed, PluginUnavailable) as error:
        if plugin.facts.on_failure != "skip":
            raise
        _note(exchange, f"skipped: {error}")
        return None


def _note(exchange: Exchange, why: str) -> None:
    """Why there is no answer, for developers."""
    if exchange.notes is not None:
        exchange.notes.append(why)


class PluginResponder:
    """A response plugin that is asked about every request."""

    __slots__ = ("_plugins", "name", "priority")

    def __init__(self, plugins: Plugins, name: str, *, priority: float = PLUGINS) -> None:
        self._plugins = plugins
        self.name: Final = name
        self.priority: Final = priority

    def answer_now(self, exchange: Exchange) -> Literal[Later.WAIT]:
        """Always WAIT: a plugin is called."""
        return WAIT

    async def answer(self, exchange: Exchange) -> ResponderResult:
        """The plugin's answer."""
        return await ask(self._plugins, self.name, exchange, directly=False)


class RouteResponder:
    """The configuration's routes."""

    __slots__ = ("_plugins", "index", "name", "priority")

    def __init__(self, index: Routes, plugins: Plugins, *, priority: float = ROUTES) -> None:
        self.index: Final = index
        self._plugins = plugins
        self.name: Final = "routes"
        self.priority: Final = priority

    def locate(self, exchange: Exchange) -> None:
        """Find the route before anybody needs it: plugins are told the route and the path's parameters.

        A route that only the body decides is found later, since the body is not read before auth.
        """
        found = self.index.match(exchange.snapshot, exchange.json_body)
        if found is None:
            exchange.located = False
        elif found is not NEEDS_BODY:
            exchange.located = found
            route, params = found
            exchange.matched(route.pattern.text, params)

    def _located(self, exchange: Exchange) -> Found[RouteAnswer] | None:
        if exchange.located is None:
            self.locate(exchange)
        located = exchange.located
        return located if isinstance(located, tuple) else None

    def answer_now(self, exchange: Exchange) -> ResponderResult | Literal[Later.WAIT]:
        """The answer of a route that has one ready."""
        located = exchange.located
        if located is None:
            self.locate(exchange)
            located = exchange.located
            if located is None:
                return WAIT
        if located is False:
            return None
        answer: RouteAnswer = located[0].answer  # type: ignore[index]  # what `locate` put there
        return WAIT if isinstance(answer, PluginResponse) else answer

    async def answer(self, exchange: Exchange) -> ResponderResult:
        """The answer of the route."""
        found = self._located(exchange)
        if exchange.located is None:
            await exchange.body()
            found = self._located(exchange)
        if found is None:
            return None
        answer = found[0].answer
        if isinstance(answer, PluginResponse):
            return await ask(self._plugins, answer.plugin, exchange, directly=True)
        return answer
