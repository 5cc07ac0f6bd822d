"""What an active token must be: unexpired, a bearer token, for this service, by a client that is accepted (RFC 7662 §2.2, §4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin import Json

from .bearer import Refused

_MAX_DATE: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The rules; empty tuples ask for nothing."""

    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    leeway_s: float = 30.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TokenRules:
        """As the configuration has them."""
        named = {key: _texts(config.get(key)) for key in ("issuer", "audience", "clients", "scopes")}
        return cls(named["issuer"], named["audience"], named["clients"], named["scopes"], config["leeway_s"])

    def check(self, said: Mapping[str, Json], now_s: float) -> float:
        """Until when the token holds: seconds since 1970, infinite where the provider does not say. Raises Refused."""
        until_s = self._check_time(said, now_s)
        kind = said.get("token_type")
        if said.get("cnf") is not None or (
            kind is not None and (not isinstance(kind, str) or kind.lower() not in ("bearer", "access_token"))
        ):
            raise Refused("the token is bound to a key of its owner and must not be taken for a bearer token")
        if self.issuers and said.get("iss") not in self.issuers:
            raise Refused("the token is from an issuer that is not accepted here")
        audience = said.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        if self.audiences and not any(item in self.audiences for item in meant if isinstance(item, str)):
            raise Refused("the token is meant for another audience")
        if self.clients and said.get("client_id") not in self.clients:
            raise Refused("the token was made for a client that is not accepted here")
        return until_s

    def lacks_scope(self, said: Mapping[str, Json]) -> bool:
        """Whether one of the scopes that are asked for was not given to the token."""
        scope = said.get("scope")
        given = set(scope.split()) if isinstance(scope, str) else set()
        return not given.issuperset(self.scopes)

    def _check_time(self, said: Mapping[str, Json], now_s: float) -> float:
        expires_s, begins_s = _date(said, "exp"), _date(said, "nbf")
        if expires_s is not None and now_s >= expires_s + self.leeway_s:
            raise Refused("the token has expired")
        if begins_s is not None and now_s < begins_s - self.leeway_s:
            raise Refused("the token is not valid yet")
        return float("inf") if expires_s is None else expires_s + self.leeway_s


def _texts(value: Any) -> tuple[str, ...]:
    return () if not value else (value,) if isinstance(value, str) else tuple(value)


def _date(said: Mapping[str, Json], name: str) -> float | None:
    """A time (RFC 7519 §2). Raises Refused."""
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_DATE:
        raise Refused("a time that is told of the token is not a number of seconds since 1970")
    return float(value)
