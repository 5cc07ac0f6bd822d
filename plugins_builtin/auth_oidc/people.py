"""From the claims of a login to who the caller is, for as long as the session goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mockforge_plugin import Allow, Json, now

from .connection import Provider
from .tokens.principal import PrincipalPaths

_OF_THE_TOKEN: Final = frozenset({"acr", "amr", "at_hash", "aud", "azp", "c_hash", "exp", "iat", "jti", "nbf", "nonce", "s_hash", "sid"})
"""Claims about a token rather than about a user, which are no more once its login is done."""


@dataclass(frozen=True, slots=True)
class People:
    """Who users are, by their ID tokens and, where it is asked, the userinfo endpoint."""

    provider: Provider
    paths: PrincipalPaths
    asks_userinfo: bool

    async def allow(self, claims: Mapping[str, Json], tokens: Mapping[str, Json]) -> Allow:
        """The decision about requests of that user's session. Raises Refused, Unavailable."""
        said: dict[str, Json] = {}
        if self.asks_userinfo:
            said = await self.provider.userinfo(str(tokens["access_token"]), str(claims["sub"]))
        said |= {name: value for name, value in claims.items() if name not in _OF_THE_TOKEN}
        principal = self.paths.principal(said)
        if isinstance(scope := tokens.get("scope"), str):
            said["scope"] = scope
        return Allow(principal, said)


def ends_s(tokens: Mapping[str, Json]) -> float | None:
    """When the access token ends, in seconds of Unix time; None where the provider does not say."""
    lasts_s = tokens.get("expires_in")
    if isinstance(lasts_s, str) and lasts_s.isascii() and lasts_s.isdigit() and len(lasts_s) < 10:
        lasts_s = int(lasts_s)  # some providers write it as text
    if isinstance(lasts_s, bool) or not isinstance(lasts_s, int | float) or not 0 < lasts_s < 1e9:
        return None
    return now().timestamp() + lasts_s
