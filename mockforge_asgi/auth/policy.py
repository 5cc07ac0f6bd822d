"""AuthPolicy: who may pass, by the operator's protection rules and the plugins that are loaded now. Knows nothing of how it is mounted."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Final

from mockforge_asgi.auth.backoff import Backoff, Backoffs, attempted_name, spelling
from mockforge_asgi.auth.challenge import insufficient_scope, merged_challenge
from mockforge_asgi.auth.composition import NO_DECISION, Composition, composition
from mockforge_asgi.auth.credentials import consumed_by, may_go_by_name, share_credentials
from mockforge_asgi.auth.requirements import Lack, lack, needed_scopes
from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config.objects import ProtectRule, Requirement
from mockforge_asgi.contract import Allow, Decision, Deny, Reply
from mockforge_asgi.errors import MockForgeError, PluginUnavailable, RequestRejected
from mockforge_asgi.events import AuthDecided, EventStream
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.headers import wire_headers
from mockforge_asgi.http.request_document import Consumed
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.plugins.registry import NOT_LOADED, LoadedPlugins
from mockforge_asgi.routing.ambiguity import check_path, is_plain


@dataclass(frozen=True, slots=True)
class RulePlugins:
    """The plugins of one rule in the order they are asked, what they read of credentials, and the challenge of their 401s."""

    plugins: tuple[Plugin, ...]
    ask: Composition
    consumed: Consumed
    challenge: str
    backoff: Backoff | None

    @classmethod
    def of(cls, rule: ProtectRule, loaded: LoadedPlugins, backoffs: Backoffs | None) -> RulePlugins:
        """Lowest priority number first; equals stay as the rule names them. Raises PluginUnavailable for one that is not loaded."""
        named = [loaded.get(name, "it guards this path and is not loaded") for name in rule.auth]
        plugins = tuple(sorted(named, key=lambda plugin: plugin.priority))
        backoff = None if backoffs is None else backoffs.of(rule.backoff)
        return cls(
            plugins, composition(rule.mode, plugins), consumed_by(plugin.view for plugin in plugins), merged_challenge(plugins), backoff
        )

    def named(self, names: str) -> list[Plugin]:
        """Those that the exchange tells of, with commas between."""
        found = names.split(", ")
        return [plugin for plugin in self.plugins if plugin.name in found]

    async def count_guess(self, exchange: Exchange, decision: Decision) -> None:
        """Count wrong credentials, if there were any, whatever came of the request; `decision` None: nobody could tell."""
        if exchange.wrong_by and self.backoff is not None and self._is_guess(exchange, decision):
            await self.backoff.failed(exchange)

    def _is_guess(self, exchange: Exchange, decision: Decision) -> bool:
        """Whether what one plugin called wrong may be none of what another one accepted, or would have."""
        snapshot, name = exchange.snapshot, attempted_name(exchange.snapshot)
        wrong = next(plugin for plugin in self.plugins if plugin.name == exchange.wrong_by)
        is_known = isinstance(decision, Deny) and decision.status == 403
        if decision is None or (isinstance(decision, Deny) and decision.status >= 500):
            others = (plugin for plugin in self.plugins if plugin is not wrong)
            return bool(name) or not any(share_credentials(wrong.view, other.view) for other in others)
        if not isinstance(decision, Allow) and not is_known:
            return True
        by = self.named(exchange.answered_by if is_known else exchange.allowed_by)
        if not all(share_credentials(wrong.view, plugin.view) for plugin in by):
            return True
        is_of_that_name = isinstance(decision, Allow) and spelling(decision.principal.id) == name
        return bool(name) and not is_of_that_name and not all(may_go_by_name(plugin.view, snapshot) for plugin in by)


class AuthPolicy:
    """The rules, with the plugins that decide for each. Where one is not loaded, whatever the rule protects is unavailable."""

    __slots__ = ("_backoffs", "_events", "_loaded", "_of_rule", "protection")

    def __init__(
        self,
        protection: Protection,
        loaded: LoadedPlugins = NOT_LOADED,
        backoffs: Backoffs | None = None,
        events: EventStream | None = None,
    ) -> None:
        self.protection: Final = protection
        self._loaded, self._backoffs, self._events = loaded, backoffs, events
        self._of_rule = {
            id(rule): RulePlugins.of(rule, loaded, backoffs)
            for rule in protection.rules
            if all(name in loaded.plugins for name in rule.auth)
        }

    def check_path(self, exchange: Exchange) -> None:
        """Refuse a path that could be read as one that is protected differently. Raises RequestRejected."""
        snapshot = exchange.snapshot
        check_path(exchange.scope, snapshot.path, partial(self.protection.rule_for, snapshot.method))

    def rule_of(self, exchange: Exchange) -> ProtectRule | None:
        """The rule about this request; about a preflight, also that of the request which it asks for."""
        snapshot, rule_for = exchange.snapshot, self.protection.rule_for
        rule = rule_for(snapshot.method, snapshot.path)
        if rule is None and exchange.is_preflight:
            rule = rule_for(snapshot.header("access-control-request-method") or "", snapshot.path)
        return rule

    def allows_preflight(self, exchange: Exchange) -> bool:
        """Whether the wrapped app may answer before auth: a preflight where the rule says so, on a path that has one reading."""
        if not exchange.is_preflight:
            return False
        rule = self.protection.rule_for("OPTIONS", exchange.snapshot.path)
        return rule is not None and rule.preflight == "app" and is_plain(exchange.snapshot.path, exchange.scope.get("raw_path"))

    def decide(self, exchange: Exchange, rule: ProtectRule) -> Coroutine[None, None, Decision]:
        """The decision about a request that falls under that rule; None lets an anonymous caller pass. What an Allow brings is noted in
        the exchange.

        Raises RequestRejected (429 for a caller that has to wait), ClientDisconnected, and PluginUnavailable when a plugin that is
        needed fails.
        """
        events = self._events
        return self._decide(exchange, rule) if events is None or not events.is_auditing else self._told(exchange, rule, events)

    async def _told(self, exchange: Exchange, rule: ProtectRule, events: EventStream) -> Decision:
        decision: Decision = None
        try:
            decision = await self._decide(exchange, rule)
        except MockForgeError as error:
            if told := _failed(exchange, rule, error):
                events.emit(told)
            raise
        events.emit(_decided(exchange, rule, decision))
        return decision

    async def _decide(self, exchange: Exchange, rule: ProtectRule) -> Decision:
        asked = self._of_rule.get(id(rule)) or RulePlugins.of(rule, self._loaded, self._backoffs)
        backoff = asked.backoff
        attempt = await backoff.begin(exchange) if backoff is not None and backoff.seen.is_any else None
        try:
            try:
                decision = await asked.ask(exchange)
            except BaseException:  # also of a client that leaves, or sends what no plugin reads, once one has called its password wrong
                exchange.allowed_by = ""
                await asked.count_guess(exchange, None)
                raise
            if isinstance(decision, Allow):
                if exchange.wrong_by:
                    await asked.count_guess(exchange, decision)
                elif attempt is not None and any(may_go_by_name(p.view, exchange.snapshot) for p in asked.named(exchange.allowed_by)):
                    await attempt.succeeded()
                if rule.require is not None and (lacking := lack(rule.require, decision)) is not None:
                    return self._insufficient(exchange, rule.require, asked, decision, lacking)
                headers = decision.set_headers
                exchange.allowed(decision.principal, decision.claims, wire_headers(headers) if headers else (), asked.consumed)
                return decision
            if decision is None and rule.require is not None:
                decision = NO_DECISION  # nobody has no roles
            exchange.allowed_by = ""
            exchange.consume(asked.consumed)
            await asked.count_guess(exchange, decision)
            return self._refused(asked, exchange, decision) if isinstance(decision, Deny) else decision
        finally:
            if attempt is not None:
                attempt.end()  # not before it is counted: as many as may be under way would follow it meanwhile

    def _refused(self, asked: RulePlugins, exchange: Exchange, decision: Deny) -> Deny:
        """The refusal with a challenge, once it is noted."""
        exchange.reason = decision.reason
        if decision is NO_DECISION:
            exchange.answered_by = ", ".join(plugin.name for plugin in asked.plugins)
        if decision.status == 401 and not decision.challenge:
            return Deny(401, decision.reason, asked.challenge)
        return decision

    def _insufficient(self, exchange: Exchange, require: Requirement, asked: RulePlugins, allow: Allow, lacking: Lack) -> Deny:
        """The refusal of a caller that is known and has not what the rule requires."""
        deciding = asked.named(exchange.allowed_by)
        exchange.allowed(allow.principal, allow.claims, (), asked.consumed)
        exchange.answered_by, exchange.allowed_by, exchange.reason = exchange.allowed_by, "", f"the caller lacks {lacking}"
        return Deny(403, exchange.reason, insufficient_scope(deciding, needed_scopes(require)))


def _decided(exchange: Exchange, rule: ProtectRule, decision: Decision) -> AuthDecided:
    """The event of a decision."""
    outcome = "anonymous" if decision is None else type(decision).__name__.lower()
    status = decision.status if isinstance(decision, Deny) else decision.response.status if isinstance(decision, Reply) else None
    by = exchange.allowed_by if isinstance(decision, Allow) else exchange.answered_by
    return _event(exchange, rule, outcome, by=by if decision is not None else "", status=status, reason=exchange.reason)


def _failed(exchange: Exchange, rule: ProtectRule, error: MockForgeError) -> AuthDecided | None:
    """The event of a request that nobody could decide about, or that has to wait; None where its client has left."""
    if isinstance(error, PluginUnavailable):
        return _event(exchange, rule, "unavailable", by=error.plugin, status=503, reason=error.message)
    if isinstance(error, RequestRejected):
        return _event(exchange, rule, "deny", by=exchange.answered_by, status=error.status, reason=error.reason)
    return None


def _event(exchange: Exchange, rule: ProtectRule, outcome: str, *, by: str, status: int | None, reason: str) -> AuthDecided:
    snapshot, principal = exchange.snapshot, exchange.principal
    return AuthDecided(
        method=snapshot.method, path=snapshot.path, rule=rule.path, plugins=rule.auth, outcome=outcome, by=by,
        principal=None if principal is None else principal.id, status=status, reason=reason, client=snapshot.client,
    )  # fmt: skip
