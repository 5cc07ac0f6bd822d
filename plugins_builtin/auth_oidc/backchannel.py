"""Logouts that the provider tells of (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from mockforge_plugin import HostError, Json, Request, Response, kv, log, now
from mockforge_plugin.login import Sessions

from .connection import Provider
from .tokens.bearer import Refused
from .tokens.claims import ClaimRules
from .tokens.provider import Unavailable

_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_LASTS_S: Final = 300.0
_MAX_TOKEN: Final = 16_384
_REQUIRED: Final = (("iat",), ("jti",), ("aud",), ("events",))


class BackChannel:
    """Ends sessions when the provider says so."""

    def __init__(self, provider: Provider, sessions: Sessions) -> None:
        self._provider, self._sessions = provider, sessions

    async def told(self, request: Request) -> Response:
        """The answer to a logout token (§2.7, §2.8)."""
        try:
            tokens = (await request.form()).all("logout_token")
        except ValueError:
            tokens = []
        if len(tokens) != 1 or len(tokens[0]) > _MAX_TOKEN:
            return refused(400, "exactly one logout_token is wanted, in a form")
        try:
            ended = await self._end(tokens[0])
        except Refused as error:
            return refused(400, error.words)
        except Unavailable as error:
            return refused(error.status, error.words)
        except HostError as error:  # the provider tells of it again
            log.warning(f"a logout of the provider came to nothing: {error.message}")
            return refused(503, "sessions cannot be ended at the moment")
        log.info(f"{self._provider.rules.issuer} has ended {ended} session(s)")
        return Response(200, (("cache-control", "no-store"),))

    async def _end(self, token: str) -> int:
        """End the sessions that a logout token is about (§2.6). Raises Refused, Unavailable."""
        found = await self._provider.verified(token)
        claims, rules = found.claims, self._provider.rules
        kind = found.header.get("typ")
        if kind is not None and (not isinstance(kind, str) or kind.lower().removeprefix("application/") not in ("logout+jwt", "jwt")):
            raise Refused("the token is not a logout token")
        check = ClaimRules((rules.issuer,), (rules.client_id,), leeway_s=rules.leeway_s, max_age_s=_LASTS_S, required=_REQUIRED)
        check.check(claims, now().timestamp())
        events, name, index = claims["events"], claims["jti"], _index(claims)
        if not isinstance(events, Mapping) or not isinstance(events.get(_EVENT), Mapping) or "nonce" in claims:
            raise Refused("the token is not a logout token")
        if not isinstance(name, str) or len(name) > 255:
            raise Refused("the token has no name of its own")
        key = f"logout/{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()}"
        if await kv.get(key) is not None:
            raise Refused("the token was used before")
        ended = await self._sessions.end_by(index)
        await kv.set(key, True, ttl_s=_LASTS_S + 2 * rules.leeway_s)  # not before: the provider tells of it again where storage failed
        return ended


def _index(claims: Mapping[str, Json]) -> str:
    """By what the sessions are found: that of the provider, or all of the user's. Raises Refused."""
    for name in ("sid", "sub"):
        value = claims.get(name)
        if isinstance(value, str) and value:
            return f"{name} {value}"
    raise Refused("the token does not say whose sessions it is about")


def refused(status: int, words: str) -> Response:
    """That no session was ended."""
    said = {"error": "invalid_request" if status < 500 else "temporarily_unavailable", "error_description": words}
    return Response.json(said, status, [("cache-control", "no-store")])
