"""How the decisions of several auth plugins become one.

`first`     the first that is not None decides
`any`       the first Allow, else the refusal of the highest precedence
`all`       every one must Allow; None counts as missing
`optional`  as `first`, but nobody's None lets an anonymous caller pass

Nobody decided: 401, unless optional. A plugin that fails makes the whole unavailable (503), except in `any` when another allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from mockforge_asgi.contract import Allow, Decision, Deny, Description, Principal, Reply
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.plugins.permits import TemplateRights, permit_template


class Authenticator(Protocol):
    """An auth plugin as the chain sees it."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def priority(self) -> float:
        """Its precedence: lower numbers first."""
        ...

    @property
    def view(self) -> RequestView:
        """The part of requests it may see: where the credentials are."""
        ...

    @property
    def facts(self) -> TemplateRights:
        """What is known of it without running it."""
        ...

    @property
    def description(self) -> Description:
        """What it says of itself; `capabilities["challenge"]` is the challenge of a 401 when nobody decided."""
        ...

    async def authenticate(self, exchange: Exchange) -> Decision:
        """Allow, Deny, Reply or None. Raises PluginFailed, PluginUnavailable."""
        ...


NO_DECISION: Final = Deny(401, "authentication required")
"""The decision when nobody decided; whose challenge it carries is for `chain` to say."""


async def compose(mode: str, plugins: Sequence[Authenticator], exchange: Exchange) -> Decision:
    """The one decision of these plugins, in their order; None only in mode `optional`.

    Raises PluginUnavailable for a plugin that is needed and fails.
    """
    if mode == "any":
        return await _any(plugins, exchange)
    if mode == "all":
        return await _all(plugins, exchange)
    decision = await _first(plugins, exchange)
    return NO_DECISION if decision is None and mode != "optional" else decision


async def _first(plugins: Sequence[Authenticator], exchange: Exchange) -> Decision:
    for plugin in plugins:
        decision = await _ask(plugin, exchange)
        if decision is not None:
            return decision
    return None


async def _any(plugins: Sequence[Authenticator], exchange: Exchange) -> Decision:
    refusal: Decision = None
    failure: PluginUnavailable | None = None
    for plugin in plugins:
        try:
            decision = await _ask(plugin, exchange)
        except PluginUnavailable as error:
            failure = failure or error
            continue
        if isinstance(decision, Allow):
            return decision
        refusal = refusal or decision
    if failure is not None:
        raise failure
    return refusal or NO_DECISION


async def _all(plugins: Sequence[Authenticator], exchange: Exchange) -> Decision:
    allowed: list[Allow] = []
    for plugin in plugins:
        decision = await _ask(plugin, exchange)
        if not isinstance(decision, Allow):
            return decision or NO_DECISION
        allowed.append(decision)
    return _merged(allowed) if allowed else NO_DECISION


async def _ask(plugin: Authenticator, exchange: Exchange) -> Decision:
    try:
        decision = await plugin.authenticate(exchange)
        if isinstance(decision, Reply) and decision.response.template is not None:
            permit_template(plugin.name, plugin.facts, "auth.authenticate", decision.response.template)
        if isinstance(decision, Deny | Reply) and not exchange.answered_by:  # the first to refuse, as in what is answered
            exchange.answered_by = plugin.name
        return decision
    except PluginFailed as error:
        raise PluginUnavailable(plugin.name, f"it failed to decide about a request ({error.code})") from error


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
