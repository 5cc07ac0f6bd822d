"""Grants: what a login, or a client for itself, was allowed; one record for the code, the refresh tokens and all tokens that came of it.

A code or a refresh token that is used twice ends all of them (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .authorization import Authorization
from .defects import AS_USUAL, Behaviour
from .oauth import OAuthError
from .ring import Handle, Ring, digest, is_secret, new_secret
from .settings import Client, User

_BAD_CODE: Final = "the code is unknown, used, too old, or another client's"
_BAD_REFRESH: Final = "the refresh token is unknown, used, too old, or another client's"


@dataclass(frozen=True, slots=True)
class Grant:
    """What was allowed to whom."""

    handle: Handle
    """Its slot, and the secret that its code and refresh tokens have."""
    ring: str
    id: str
    """What its access tokens name it by, which opens nothing."""
    client: str
    user: str | None
    scopes: tuple[str, ...]
    audience: str | None
    nonce: str | None = None
    sid: str | None = None
    auth_time_s: int | None = None
    behaviour: Behaviour = AS_USUAL
    """What its login wanted to be wrong."""

    @classmethod
    def of(cls, ring: str, handle: Handle, record: Mapping[str, Any]) -> Grant:
        """That of a record."""
        return cls(
            handle,
            ring,
            record["id"],
            record["client"],
            record["user"],
            tuple(record["scopes"]),
            record.get("audience"),
            record.get("nonce"),
            record.get("sid"),
            record.get("auth_time"),
            Behaviour(*record.get("behaviour", ())),
        )


class Grants:
    """All of them, for all workers."""

    def __init__(self, kept: int, *, code_s: float, access_token_s: float, refresh_token_s: float) -> None:
        self._code_s = code_s
        lasts_s = max(refresh_token_s, access_token_s, code_s)
        self._rings = {"login": Ring("login", kept, lasts_s), "client": Ring("client", kept, access_token_s)}

    async def for_client(self, client: Client, scopes: tuple[str, ...]) -> Grant:
        """That of a client for itself (RFC 6749 §4.4)."""
        return await self._add("client", {"client": client.id, "user": None, "scopes": scopes})

    async def for_login(self, asked: Authorization, user: User, behaviour: Behaviour, sid: str, auth_time_s: int, now_s: float) -> Grant:
        """That of a login; its `code` is for the client."""
        return await self._add(
            "login",
            {
                "client": asked.client.id,
                "user": user.id,
                "scopes": asked.scopes,
                "audience": asked.audience,
                "nonce": asked.nonce,
                "sid": sid,
                "auth_time": auth_time_s,
                "behaviour": [behaviour.defect, behaviour.error, behaviour.delay_ms],
                "redirect_uri": asked.back.uri,
                "challenge": asked.challenge,
                "code_until": now_s + self._code_s,
            },
        )

    async def _add(self, ring: str, record: dict[str, Any]) -> Grant:
        return Grant.of(ring, *await self._rings[ring].add({**record, "scopes": list(record["scopes"])}))

    async def redeem(self, code: str, client: Client, redirect_uri: str | None, verifier: str | None, now_s: float) -> tuple[Grant, str]:
        """The grant of a code, and its first refresh token. Raises OAuthError; a code that comes again ends the grant."""
        handle = Handle.read(code)
        record = await self._rings["login"].find(handle)
        if handle is None or record is None or record["client"] != client.id:
            raise OAuthError("invalid_grant", _BAD_CODE)
        _check_verifier(record["challenge"], verifier)
        if redirect_uri != record["redirect_uri"]:
            raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorization request")
        refresh, is_again = new_secret(), False

        def use(now: dict[str, Any]) -> dict[str, Any]:
            nonlocal is_again
            is_again = "refresh" in now
            if not is_again and (now_s > now["code_until"] or now.get("revoked")):
                raise OAuthError("invalid_grant", _BAD_CODE)
            return {**now, "revoked": True} if is_again else {**now, "refresh": digest(refresh)}

        if not await self._rings["login"].change(handle.slot, record["id"], use) or is_again:
            raise OAuthError("invalid_grant", _BAD_CODE)
        return Grant.of("login", handle, record), f"{handle}.{refresh}"

    async def refresh(self, token: str, client: Client) -> tuple[Grant, str]:
        """The grant of a refresh token, and the token that takes its place. Raises OAuthError; one that comes again ends the grant."""
        family, _, secret = token[:300].rpartition(".")
        handle = Handle.read(family)
        record = await self._rings["login"].find(handle)
        if handle is None or record is None or record["client"] != client.id or "refresh" not in record:
            raise OAuthError("invalid_grant", _BAD_REFRESH)
        following, is_again = new_secret(), False

        def use(now: dict[str, Any]) -> dict[str, Any]:
            nonlocal is_again
            if now.get("revoked"):
                raise OAuthError("invalid_grant", _BAD_REFRESH)
            is_again = not is_secret(secret, now["refresh"])
            return {**now, "revoked": True} if is_again else {**now, "refresh": digest(following)}

        if not await self._rings["login"].change(handle.slot, record["id"], use) or is_again:
            raise OAuthError("invalid_grant", _BAD_REFRESH)
        return Grant.of("login", handle, record), f"{handle}.{following}"

    async def of_refresh_token(self, token: str) -> Grant | None:
        """The grant of a refresh token that could be used now."""
        family, _, secret = token[:300].rpartition(".")
        handle = Handle.read(family)
        record = await self._rings["login"].find(handle)
        if handle is None or record is None or record.get("revoked") or not is_secret(secret, record.get("refresh")):
            return None
        return Grant.of("login", handle, record)

    async def of_access_token(self, jti: object) -> Grant | None:
        """The grant that an access token came of, while it holds."""
        ring, _, rest = str(jti).partition(".")
        name, _, _ = rest.rpartition(".")
        record = await self._rings[ring].named(name) if ring in self._rings else None
        if record is None or record.get("revoked"):
            return None
        return Grant.of(ring, Handle(int(name.partition(".")[0]), ""), record)

    async def revoke(self, grant: Grant) -> None:
        """End it, with all that came of it."""
        await self._rings[grant.ring].change(grant.handle.slot, grant.id, lambda now: {**now, "revoked": True})


def new_jti(grant: Grant) -> str:
    """The identifier of a new access token, by which its grant is found."""
    return f"{grant.ring}.{grant.handle.slot}.{grant.id}.{new_secret()[:12]}"


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 §4.6. A verifier without a challenge is a downgrade (RFC 9700 §2.1.1)."""
    if challenge is None and verifier is None:
        return
    if challenge is None or verifier is None or not 43 <= len(verifier) <= 128:
        raise OAuthError("invalid_grant", "code_verifier is missing, has no code_challenge, or is not of 43 to 128 characters (RFC 7636)")
    found = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    if not hmac.compare_digest(found, challenge):
        raise OAuthError("invalid_grant", "code_verifier is not the one of code_challenge (RFC 7636)")
