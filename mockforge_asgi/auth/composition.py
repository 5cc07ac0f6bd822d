"""How the decisions of several auth plugins become one.

`first`     the first that is not None decides
`any`       the first Allow, else the refusal of the highest precedence, where one that says "not now" (5xx) comes before all others
`all`       every one must Allow; None counts as missing
`optional`  as `first`, but nobody's None lets an anonymous caller pass

Nobody decided: 401, unless optional. A plugin that fails makes the whole unavailable (503), except in `any` when another allows.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeAlias

from mockforge_asgi.contract import Allow, Decision, Deny, Principal, Reply
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.events import Step
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.plugins.plugin import Plugin

NO_DECISION: Final = Deny(401, "authentication required")
"""The decision when nobody decided; which challenge it carries is said in `challenge.py`."""


async def _first(plugins: Sequence[Plugin], exchange: Exchange) -> Decision:
    for plugin in plugins:
        decision = await _ask(plugin, exchange)
        if decision is not None:
            return decision
    return NO_DECISION


async def _optional(plugins: Sequence[Plugin], exchange: Exchange) -> Decision:
    decision = await _first(plugins, exchange)
    return None if decision is NO_DECISION else decision


async def _any(plugins: Sequence[Plugin], exchange: Exchange) -> Decision:
    refusal: Decision = None
    unknown, unknown_by = None, ""
    failure: PluginUnavailable | None = None
    try:
        for plugin in plugins:
            try:
                decision = await _ask(plugin, exchange)
            except PluginUnavailable as error:
                failure = failure or error
                continue
            if isinstance(decision, Allow):
                return decision
            if unknown is None and isinstance(decision, Deny) and decision.status >= 500:
                unknown, unknown_by = decision, plugin.name
            refusal = refusal or decision
        if unknown is not None:
            exchange.answered_by = f"{exchange.wrong_by}, {unknown_by}" if exchange.wrong_by else unknown_by
            return unknown
        if failure is not None:
            raise failure
        return refusal or NO_DECISION
    finally:
        failure = None  # an error knows the frames it went through: kept in one of them, only the collector could free both


async def _all(plugins: Sequence[Plugin], exchange: Exchange) -> Decision:
    allowed: list[Allow] = []
    for plugin in plugins:
        decision = await _ask(plugin, exchange)
        if not isinstance(decision, Allow):
            return decision or NO_DECISION
        allowed.append(decision)
    return _merged(allowed) if allowed else NO_DECISION


async def _ask(plugin: Plugin, exchange: Exchange, nobody: Decision = None) -> Decision:
    """The plugin's decision; where it has none, `nobody`."""
    begun = 0.0 if exchange.trace is None else perf_counter()
    try:
        decision = await plugin.authenticate(exchange)
        if isinstance(decision, Allow):
            exchange.allowed_by = f"{exchange.allowed_by}, {plugin.name}" if exchange.allowed_by else plugin.name
        elif decision is not None:
            if isinstance(decision, Reply) and decision.response.template is not None:
                plugin.permit_template("auth.authenticate", decision.response.template)
            exchange.answered_by = exchange.answered_by or plugin.name  # the first to refuse, as in what is sent
            if isinstance(decision, Deny) and decision.status == 401:
                exchange.wrong_by = exchange.wrong_by or plugin.name  # a guess counts, whatever others say
    except PluginFailed as error:
        if exchange.trace is not None:
            exchange.trace.append(Step(f"plugin {plugin.name}", "unavailable", perf_counter() - begun, error.message))
        raise PluginUnavailable(plugin.name, f"it failed to decide about a request ({error.code})") from error
    if exchange.trace is not None:
        exchange.trace.append(_step(plugin, decision, perf_counter() - begun))
    return nobody if decision is None else decision


def _step(plugin: Plugin, decision: Decision, wall_s: float) -> Step:
    outcome = "nothing" if decision is None else type(decision).__name__.lower()
    return Step(f"plugin {plugin.name}", outcome, wall_s, decision.reason if isinstance(decision, Deny) else "")


def _merged(allowed: Sequence[Allow]) -> Allow:
    """The first plugin's principal, with the roles, groups, claims and headers of all; on equal claims the first wins."""
    first = allowed[0].principal
    everybody = [a.principal for a in allowed]
    principal = Principal(
        first.id,
        tuple(dict.fromkeys(role for p in everybody for role in p.roles)),
        tuple(dict.fromkeys(group for p in everybody for group in p.groups)),
        first.name,
        first.email,
        first.attributes,
    )
    claims = {name: value for a in reversed(allowed) for name, value in a.claims.items()}
    return Allow(principal, claims, tuple(pair for a in allowed for pair in a.set_headers))


Composition: TypeAlias = Callable[[Exchange], Coroutine[Any, Any, Decision]]
"""Asks plugins about a request and makes one decision of theirs; None only in mode `optional`.

Raises PluginUnavailable for a plugin that is needed and fails.
"""

MODES: Final[Mapping[str, Callable[[Sequence[Plugin], Exchange], Coroutine[Any, Any, Decision]]]] = {
    "first": _first,
    "any": _any,
    "all": _all,
    "optional": _optional,
}
"""How each `mode` makes one decision of those of its plugins, asked in their order."""


def composition(mode: str, plugins: Sequence[Plugin]) -> Composition:
    """What asks those plugins, in their order."""
    if len(plugins) == 1 and mode != "all":  # whose decision it is, then: it is asked without anybody in between
        return partial(_ask, plugins[0], nobody=None if mode == "optional" else NO_DECISION)
    return partial(MODES[mode], plugins)
