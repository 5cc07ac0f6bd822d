"""What an ID token must say before anybody is logged in by it (OpenID Connect Core 1.0 §3.1.3.7), beyond signature, time and issuer."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from mockforge_plugin import Json

from .tokens.bearer import Refused
from .tokens.claims import ClaimRules

_MAX_SUBJECT: Final = 255


class NotThisLogin(Refused):
    """A good token of another login: whoever brought its code did not begin it here."""


@dataclass(frozen=True, slots=True)
class IdTokenRules:
    """What ID tokens for one client must say."""

    issuer: str
    client_id: str
    trusted: frozenset[str] = frozenset()
    """Other audiences that a token may be meant for, too."""
    leeway_s: float = 30.0
    max_age_s: float | None = None

    def check_type(self, header: Mapping[str, Json]) -> None:
        """An ID token has the type `JWT`, or none: access, logout and other tokens say what they are (RFC 8725 §3.11). Raises Refused."""
        kind = header.get("typ")
        if kind is not None and (not isinstance(kind, str) or kind.lower().removeprefix("application/") != "jwt"):
            raise Refused("the token is not an ID token")

    def check(self, claims: Mapping[str, Json], now_s: float) -> None:
        """What holds for every ID token, whatever brought it. Raises Refused."""
        rules = ClaimRules((self.issuer,), (self.client_id,), leeway_s=self.leeway_s, required=(("exp",), ("iat",), ("sub",), ("aud",)))
        rules.check(claims, now_s)
        subject = claims["sub"]
        if not isinstance(subject, str) or len(subject) > _MAX_SUBJECT:
            raise Refused("the token does not say who it is about")
        self._check_party(claims)
        if self.max_age_s is not None:
            self._check_age(claims, now_s, self.max_age_s)

    def check_login(self, claims: Mapping[str, Json], *, nonce: str, algorithm: str, access_token: str) -> None:
        """That the token is of this login, and the access token beside it, too. Raises Refused."""
        said = claims.get("nonce")
        if not isinstance(said, str) or not compare_digest(said.encode(), nonce.encode()):
            raise NotThisLogin("the token is of another login")
        if (digest := claims.get("at_hash")) is not None and digest != _half_hash(access_token, algorithm):
            raise Refused("the access token is not the one that the ID token came with")

    def _check_party(self, claims: Mapping[str, Json]) -> None:
        audience, party = claims["aud"], claims.get("azp")
        others = set(audience if isinstance(audience, list) else [audience]) - {self.client_id}
        if not others <= self.trusted:
            raise Refused("the token is meant for others, too, which are not trusted here")
        if (others or party is not None) and party != self.client_id:
            raise Refused("the token was issued to another client")

    def _check_age(self, claims: Mapping[str, Json], now_s: float, most_s: float) -> None:
        at_s = claims.get("auth_time")
        if isinstance(at_s, bool) or not isinstance(at_s, int | float):
            raise Refused("the token does not say when the user logged in")
        if not -self.leeway_s <= now_s - at_s <= most_s + self.leeway_s:
            raise Refused("the user logged in too long ago")


def _half_hash(text: str, algorithm: str) -> str:
    """The left half of the hash that belongs to a signature algorithm (OpenID Connect Core 1.0 §3.1.3.6)."""
    if algorithm == "Ed448":
        digest = hashlib.shake_256(text.encode()).digest(114)
    else:
        digest = hashlib.new("sha512" if algorithm.startswith("Ed") else f"sha{algorithm[2:]}", text.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
