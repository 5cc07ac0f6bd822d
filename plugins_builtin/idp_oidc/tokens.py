"""Tokens: access tokens (RFC 9068) and ID tokens (OIDC Core §2), made good or bad, and those of this provider read again."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .defects import Behaviour, TokenKind
from .grants import Grant, Grants, new_jti
from .keys import KeyRing
from .settings import User


@dataclass(frozen=True, slots=True)
class Minted:
    """An access token that was presented, and what it came of."""

    claims: Mapping[str, Any]
    grant: Grant


class Tokens:
    """Makes them, and tells its own."""

    def __init__(self, config: Mapping[str, Any], keys: KeyRing, grants: Grants) -> None:
        self._config, self._keys, self._grants = config, keys, grants

    async def access(self, issuer: str, grant: Grant, user: User | None, audience: str, behaviour: Behaviour, now_s: int) -> str:
        """An access token."""
        claims = {
            **({"sub": grant.client} if user is None else user.said(grant.scopes)),
            "iss": issuer,
            "aud": audience,
            "client_id": grant.client,
            "scope": " ".join(grant.scopes),
            "jti": new_jti(grant),
            "iat": now_s,
            "exp": now_s + self._config["access_token_s"],
        }
        if grant.auth_time_s is not None:
            claims["auth_time"] = grant.auth_time_s
        return await self._signed("access_token", claims, "at+jwt", behaviour, now_s)

    async def identity(self, issuer: str, grant: Grant, user: User, access_token: str, behaviour: Behaviour, now_s: int) -> str:
        """An ID token."""
        claims = {
            **user.said(grant.scopes),
            "iss": issuer,
            "aud": grant.client,
            "azp": grant.client,
            "iat": now_s,
            "exp": now_s + self._config["id_token_s"],
            "auth_time": grant.auth_time_s,
            "at_hash": _half_hash(access_token),
            "sid": grant.sid,
        }
        if grant.nonce is not None:
            claims["nonce"] = grant.nonce
        return await self._signed("id_token", claims, "JWT", behaviour, now_s)

    async def read(self, token: str, issuer: str, now_s: int) -> Minted | None:
        """An access token of this provider that is good now; None for all others."""
        claims = await self._keys.claims(token, now_s)
        if claims is None or claims.get("iss") != issuer or not {"sub", "aud", "exp", "iat"} <= claims.keys():
            return None
        if not claims.get("nbf", 0) <= now_s < claims["exp"]:
            return None
        grant = await self._grants.of_access_token(claims.get("jti"))
        return None if grant is None else Minted(claims, grant)

    async def _signed(self, kind: TokenKind, claims: dict[str, Any], typ: str, behaviour: Behaviour, now_s: int) -> str:
        defect = behaviour.of_token(kind)
        if defect is None:
            return await self._keys.sign(claims, typ, "well", now_s)
        defect.change(claims, now_s)
        return await self._keys.sign(claims, typ, defect.signing, now_s)


def _half_hash(token: str) -> str:
    """The `at_hash` of a token (OIDC Core §3.1.3.6), for algorithms with SHA-256."""
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).decode().rstrip("=")
