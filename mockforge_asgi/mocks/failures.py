"""FailureResponses: what a client is sent when its request could not be answered, and what is noted of why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mockforge_asgi.config import Config
from mockforge_asgi.errors import ConfigError, MockForgeError, PluginFailed, PluginUnavailable, Problem, SourceFailed
from mockforge_asgi.http.cors import is_foreign
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.mocks.static import ResponseError, plan_of

MAX_TOLD: Final = 8192
"""How much of an error a developer is told in a response, in characters."""


class FailureResponses:
    """The operator's own responses (`on_failure`) for plugins that fail; for every other error the one that `http.errors` has for it.

    In dev mode such a response says what failed and where, though not to pages of other origins; `redact` takes secrets out of it.
    """

    __slots__ = ("_is_live", "_of_plugin", "_redact")

    def __init__(self, config: Config, redact: Callable[[str], str]) -> None:
        self._is_live, self._redact = config.dev, redact
        self._of_plugin = _of_plugins(config)

    def in_place_of(self, exchange: Exchange, error: MockForgeError) -> MockResponse:
        """What the client is sent when a plugin that is no guard has failed: the operator's own response, else one that says so."""
        plugin = error.plugin if isinstance(error, PluginFailed | PluginUnavailable) else ""
        response = self._of_plugin.get(plugin)
        if response is None:
            return self.response_for(exchange, error)
        exchange.answered_by, exchange.reason = f"on_failure of {plugin}", _reason(error)
        return response

    def response_for(self, exchange: Exchange, error: MockForgeError) -> MockResponse:
        """The response to an error, noting whose it is."""
        exchange.reason = _reason(error)
        if isinstance(error, SourceFailed):
            exchange.answered_by = exchange.answered_by or f"data source {error.source}"
            return response_for(error)
        if not isinstance(error, PluginFailed | PluginUnavailable):
            exchange.answered_by = exchange.answered_by or "request check"
            return response_for(error)
        exchange.answered_by = f"plugin {error.plugin}"
        if not self._is_live or is_foreign(exchange.snapshot):
            return response_for(error)
        cause = error.__cause__ if isinstance(error.__cause__, PluginFailed) else error
        return response_for(error, self._redact(str(cause)[:MAX_TOLD]))


def _reason(error: MockForgeError) -> str:
    """Why, in short; of a call that failed another event has told."""
    return "" if isinstance(error, PluginFailed) else str(getattr(error, "reason", getattr(error, "message", error)))


def _of_plugins(config: Config) -> dict[str, MockResponse]:
    """The operator's responses by plugin. Raises ConfigError."""
    made: dict[str, MockResponse] = {}
    problems: list[Problem] = []
    for name, use in config.plugins.items():
        try:
            if use.failure_answer is not None and isinstance(response := plan_of(use.failure_answer), MockResponse):
                made[name] = response
        except ResponseError as error:
            problems.append(config.places.problem((*use.place, "on_failure"), str(error)))
    if problems:
        raise ConfigError("the answers for plugins that fail cannot be used:", problems)
    return made
