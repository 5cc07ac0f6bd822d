"""What a verified token's claims must say: time, issuer, audience, what the operator requires (RFC 7519 §4, RFC 9068 §4).

The same file stands in every built-in plugin that checks the claims of tokens; a test keeps them alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mockforge_plugin import Json

from .bearer import Refused
from .principal import ClaimPath, value_at

RFC9068_CLAIMS: Final = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
_USUAL_TYPES: Final = ("jwt", "at+jwt")
_MAX_DATE: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """The rules; empty tuples ask for nothing."""

    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    any_audience: bool = False
    leeway_s: float = 30.0
    max_age_s: float | None = None
    required: tuple[ClaimPath, ...] = (("exp",),)
    values: tuple[tuple[ClaimPath, tuple[Json, ...]], ...] = ()
    types: tuple[str, ...] = ()

    def check_type(self, header: Mapping[str, Json]) -> None:
        """The header's `typ`, in any case of letters, with `application/` or without (RFC 7515 §4.1.9). Raises Refused.

        Where none is asked for, tokens that say to be for another purpose (`logout+jwt`, `secevent+jwt`) are refused (RFC 8725 §3.11).
        """
        kind = header.get("typ")
        if kind is None and not self.types:
            return
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in (self.types or _USUAL_TYPES):
            raise Refused("the token is not of a type that is accepted here")

    def check(self, claims: Mapping[str, Json], now_s: float) -> float:
        """Until when the claims hold: seconds since 1970, infinite where nothing ends them. Raises Refused."""
        until_s = self._check_time(claims, now_s)
        self._check_issuer(claims)
        self._check_audience(claims)
        if claims.get("cnf") is not None:
            raise Refused("the token is bound to a key of its owner and must not be taken for a bearer token")
        for path in self.required:
            if value_at(claims, path) in (None, "", [], {}):
                raise Refused("the token lacks a claim that is required here")
        for path, accepted in self.values:
            value = value_at(claims, path)
            if not any(type(value) is type(other) and value == other for other in accepted):
                raise Refused("a claim of the token has a value that is not accepted here")
        return until_s

    def _check_time(self, claims: Mapping[str, Json], now_s: float) -> float:
        expires_s, begins_s, issued_s = (_date(claims, name) for name in ("exp", "nbf", "iat"))
        if expires_s is not None and now_s >= expires_s + self.leeway_s:
            raise Refused("the token has expired")
        if begins_s is not None and now_s < begins_s - self.leeway_s:
            raise Refused("the token is not valid yet")
        if issued_s is not None and now_s < issued_s - self.leeway_s:
            raise Refused("the token was issued in the future")
        until_s = float("inf") if expires_s is None else expires_s + self.leeway_s
        if self.max_age_s is not None:
            if issued_s is None:
                raise Refused("the token does not say when it was issued")
            if now_s >= (oldest_s := issued_s + self.max_age_s + self.leeway_s):
                raise Refused("the token was issued too long ago")
            until_s = min(until_s, oldest_s)
        return until_s

    def _check_issuer(self, claims: Mapping[str, Json]) -> None:
        if not self.issuers:
            return
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self.issuers:
            raise Refused("the token is from an issuer that is not accepted here")

    def _check_audience(self, claims: Mapping[str, Json]) -> None:
        if self.any_audience:
            return
        audience = claims.get("aud")
        meant = [audience] if isinstance(audience, str) else audience
        if meant is None and not self.audiences:
            return
        if not isinstance(meant, list) or not all(isinstance(item, str) for item in meant) or not set(self.audiences) & set(meant):
            raise Refused("the token is meant for another audience")


def _date(claims: Mapping[str, Json], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2). Raises Refused."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_DATE:
        raise Refused("a time in the token is not a number of seconds since 1970")
    return float(value)
