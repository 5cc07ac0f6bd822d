"""auth-oauth2: access tokens that the provider is asked about (RFC 7662), with what it said kept for a while.

Tokens that are JWTs need no question: those are for `auth-jwt`, and a rule may name both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from mockforge_plugin import Allow, AuthPlugin, Deny, Health, Json, Request, now, secret

from .bearer import Bearer, Refused
from .introspection import Endpoint, Introspector
from .principal import PrincipalPaths, path_problem
from .provider import Unavailable, address_problem
from .seen import SeenTokens, digest_of
from .token_rules import TokenRules

_NO_AUDIENCE: Final = (
    "without it any token of this provider would pass, for whatever service it was made. "
    "Name the `aud` of your tokens, or the `clients`, or write `any_audience: true`"
)


class OAuth2Auth(AuthPlugin):
    """Accepts requests with a bearer token that the provider calls active."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(_problems(config))

    def init(self) -> None:
        """Read the secret and the rules."""
        config = self.config
        self.bearer = Bearer(config["realm"], config.get("cookie"), config.get("query"), config["max_token_bytes"])
        self.rules, self.paths = TokenRules.from_config(config), PrincipalPaths.from_config(config)
        self.provider = Introspector(
            Endpoint(
                config["introspection_url"],
                config["client_id"],
                secret(config["client_secret"]),
                config["client_auth"],
                config.get("token_type_hint"),
                config["timeout_ms"],
            )
        )
        self.active: SeenTokens[Allow | Deny] = SeenTokens(config["cache_entries"], 32 << 20)
        self.refused: SeenTokens[Deny] = SeenTokens(config["cache_entries"], 8 << 20)
        """Apart, so that made-up tokens do not drive out those of callers."""
        self._turns: dict[bytes, _Turn] = {}

    def capabilities(self) -> Mapping[str, Json]:
        """What callers are asked for."""
        return {"schemes": ["Bearer"], "challenge": 'Bearer realm="{config.realm}"'}

    def health(self) -> Health:
        """Whether the provider answered when it was last asked."""
        return Health() if self.provider.is_well else Health("degraded", "the identity provider did not answer")

    async def authenticate(self, request: Request) -> Allow | Deny | None:
        """The decision about the token, if there is one."""
        token = self.bearer.token(request)
        if not isinstance(token, str):
            return token
        digest = digest_of(token)
        known = self._known(digest)
        if known is not None:
            return known
        try:
            self.bearer.check(token)
        except Refused as error:
            return self.bearer.refuse(error.words)
        with self._turn(digest) as turn:
            async with turn.lock:
                known = self._known(digest)
                return await self._asked(token, digest) if known is None else known

    def _known(self, digest: bytes) -> Allow | Deny | None:
        for seen in (self.active, self.refused):  # both: it may have been active once
            found = seen.get(digest)
            if found is not None and time.time() < found.until_s:
                return found.decision
        return None

    async def _asked(self, token: str, digest: bytes) -> Allow | Deny:
        """The decision by what the provider says now; others with the same token wait for it."""
        try:
            said = await self.provider.ask(token)
        except Unavailable as error:
            failed = Deny(error.status, error.words)
            if error.status == 502:  # of this token; of the others it may say what it should
                self.refused.put(digest, failed, until_s=time.time() + self.provider.rest_s, weight=512)
            return failed
        now_s = now().timestamp()
        try:
            if said is None:
                raise Refused("the token is not active")
            until_s = min(self.rules.check(said, now_s), now_s + self.config["cache_s"])
            allow = Allow(self.paths.principal(said), {name: value for name, value in said.items() if name != "active"})
        except Refused as error:
            deny = self.bearer.refuse(error.words)
            self.refused.put(digest, deny, until_s=now_s + self.config["negative_cache_s"], weight=512)
            return deny
        decision = self._lacking_scope() if self.rules.lacks_scope(said) else allow
        self.active.put(digest, decision, until_s=until_s, weight=1024 + 8 * len(str(said)))
        return decision

    def _lacking_scope(self) -> Deny:
        """RFC 6750 §3.1."""
        words, scopes = "the token lacks a scope that is required here", " ".join(self.rules.scopes)
        return Deny(403, words, f'{self.bearer.challenge}, error="insufficient_scope", error_description="{words}", scope="{scopes}"')

    @contextmanager
    def _turn(self, digest: bytes) -> Iterator[_Turn]:
        """One question about a token at a time."""
        turn = self._turns.setdefault(digest, _Turn())
        turn.waiting += 1
        try:
            yield turn
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[digest]


class _Turn:
    """Who asks about a token, and how many want to know."""

    def __init__(self) -> None:
        self.lock, self.waiting = asyncio.Lock(), 0


def _problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    risk = "tokens and the client's secret can be read on the way"
    if words := address_problem(config["introspection_url"], plain_http=config["plain_http"], risk=risk):
        yield "introspection_url", words
    if config.get("any_audience") and (config.get("audience") or config.get("clients")):
        yield "any_audience", "it contradicts `audience` and `clients`. Leave it out"
    if not any(config.get(key) for key in ("audience", "clients", "any_audience")):
        yield (
            "audience",
            _NO_AUDIENCE,
        )
    for key in ("principal", "name", "email"):
        if key in config and (words := path_problem(config[key])):
            yield key, words
    for key in ("roles", "groups"):
        for number, path in enumerate(config.get(key) or ()):
            if words := path_problem(path):
                yield f"{key}[{number}]", words
