"""Access tokens that the provider signed (RFC 9068, and providers before it), in `Authorization: Bearer`.

A token that was seen before costs a look-up and two comparisons, until it expires or the keys change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from mockforge_plugin import Allow, Deny, Json, now

from .connection import Provider
from .tokens.bearer import Bearer, Refused
from .tokens.claims import ClaimRules
from .tokens.jwks import RemoteKeys
from .tokens.principal import PrincipalPaths
from .tokens.provider import Unavailable
from .tokens.seen import SeenTokens, digest_of

_OF_OTHER_TOKENS = ("nonce", "at_hash", "c_hash", "events")
"""Claims of ID tokens, and of logout and other security event tokens (RFC 8417), whose audience may be that of access tokens."""
_OF_ACCESS_TOKENS = ("scope", "scp", "client_id", "appid", "azpacr")
"""Claims that access tokens have and ID tokens have not (RFC 9068 §2.2; `scp`, `appid`, `azpacr`: Microsoft Entra)."""


class AccessTokens:
    """Decides about the access tokens of one provider."""

    def __init__(self, provider: Provider, bearer: Bearer, rules: ClaimRules, paths: PrincipalPaths, *, most: int) -> None:
        self._provider, self._bearer, self._rules, self._paths = provider, bearer, rules, paths
        self.seen: SeenTokens[Allow] = SeenTokens(most, 32 << 20)
        self._keys: RemoteKeys | None = None
        self._generation = 0

    async def decide(self, token: str) -> Allow | Deny:
        """The decision about a token."""
        digest = digest_of(token)
        seen = self.seen.get(digest)
        if seen is not None and time.time() < seen.until_s and self._keys is not None and self._keys.is_current(seen.generation):
            return seen.decision
        try:
            self._bearer.check(token)
            return await self._verified(token, digest)
        except Refused as error:
            return self._bearer.refuse(error.words)
        except Unavailable as error:
            return Deny(error.status, error.words)

    async def _verified(self, token: str, digest: bytes) -> Allow:
        """What a token says, once everything about it was checked. Raises Refused, Unavailable."""
        found = await self._provider.verified(token)
        self._rules.check_type(found.header)
        if self._is_other(found.header, found.claims):
            raise Refused("the token is an ID token or tells of an event, and is not for requests")
        generation = await self._forget_others()
        until_s = self._rules.check(found.claims, now().timestamp())
        allow = Allow(self._paths.principal(found.claims), found.claims)
        self.seen.put(digest, allow, until_s=until_s, generation=generation, weight=4 * len(token))
        return allow

    def _is_other(self, header: Mapping[str, Json], claims: Mapping[str, Json]) -> bool:
        """Whether it is an ID token or tells of an event. An ID token of a refresh may name no nonce, but is for this client alone."""
        if any(name in claims for name in _OF_OTHER_TOKENS):
            return True
        audience = claims.get("aud")
        is_for_client = self._provider.client.id in (audience if isinstance(audience, list) else [audience])
        says_access = any(name in claims for name in _OF_ACCESS_TOKENS) or str(header.get("typ")).lower().endswith("at+jwt")
        return is_for_client and not says_access

    async def _forget_others(self) -> int:
        """The generation of the keys; what others verified is forgotten."""
        keys = await self._provider.keys()
        if (self._keys, self._generation) != (keys, keys.generation):
            self._keys, self._generation = keys, keys.generation
            self.seen.clear()
        return self._generation
