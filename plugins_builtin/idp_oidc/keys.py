"""Signing keys: made at the first start, shared by all workers, changed when somebody asks or time has come."""

from __future__ import annotations

import asyncio
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from mockforge_plugin import kv

from .defects import Signing

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
MAX_KEYS: Final = 5
"""So many are published: the one in use, and those before it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; `kid` is its thumbprint (RFC 7638), so that it is never another key's."""

    key: RSAKey | ECKey
    algorithm: str
    made_s: int

    @classmethod
    def make(cls, algorithm: str, now_s: int) -> SigningKey:
        """A new one. RSA takes a tenth of a second."""
        key: RSAKey | ECKey = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(2048)
        return cls(key, algorithm, now_s)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> SigningKey:
        """That of a kept value."""
        return cls((ECKey if value["jwk"]["kty"] == "EC" else RSAKey).import_key(value["jwk"]), value["algorithm"], value["made_s"])

    @property
    def value(self) -> dict[str, Any]:
        """As it is kept."""
        return {"jwk": self.key.as_dict(private=True), "algorithm": self.algorithm, "made_s": self.made_s}

    @property
    def kid(self) -> str:
        """Its name in tokens and in the key set."""
        return self.key.thumbprint()

    @property
    def public(self) -> dict[str, Any]:
        """As it is published."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: Mapping[str, Any], typ: str, how: Signing = "well", stranger: SigningKey | None = None) -> str:
        """The token; `how` says what is wrong with its signature, and `stranger` is the key that nobody published."""
        header = {"alg": self.algorithm, "kid": self.kid, "typ": typ}
        payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        if how == "not_at_all":
            return f"{_part({**header, 'alg': 'none'})}.{_encoded(payload)}."
        if how == "with_the_public_key":
            signed = f"{_part({**header, 'alg': 'HS256'})}.{_encoded(payload)}"
            public = self.key.as_pem(private=False)
            return f"{signed}.{_encoded(hmac.digest(public, signed.encode(), 'sha256'))}"
        if how == "by_a_stranger" and stranger is not None:
            return stranger.sign(claims, typ)
        token = jws.serialize_compact(header, payload, self.key, algorithms=[self.algorithm])
        return _with_another_signature(token) if how == "badly" else token


def _with_another_signature(token: str) -> str:
    signed, _, signature = token.rpartition(".")
    data = bytearray(urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    data[len(data) // 2] ^= 0xFF
    return f"{signed}.{_encoded(bytes(data))}"


def _part(header: Mapping[str, str]) -> str:
    return _encoded(json.dumps(header, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class KeyRing:
    """The keys of this provider: the one in use first, then those that verify what it signed before."""

    def __init__(self, algorithm: str, rotate_s: int) -> None:
        """`rotate_s`: so long a key is used; 0: until somebody asks for another."""
        self._algorithm, self._rotate_s = algorithm, rotate_s
        self._known: dict[str, SigningKey] = {}
        self._stranger: SigningKey | None = None
        self._making = asyncio.Lock()

    async def keys(self, now_s: int) -> Sequence[SigningKey]:
        """All that are published. Makes the first, and the next where the time has come."""
        kept = await kv.get("keys")
        if kept is None or kept[0]["algorithm"] != self._algorithm or 0 < self._rotate_s <= now_s - kept[0]["made_s"]:
            await self.rotate(now_s, kept)
            kept = await kv.get("keys")
        return [self._read(value) for value in kept]

    async def rotate(self, now_s: int, kept: list[dict[str, Any]] | None, *, forgets: bool = False) -> None:
        """A new key in front of those that are `kept`, or in their place. Where several want it at once, one of them does it."""
        async with self._making:
            if await kv.get("keys") == kept:
                made = await asyncio.to_thread(SigningKey.make, self._algorithm, now_s)
                before = [] if forgets or kept is None else kept[: MAX_KEYS - 1]
                await kv.compare_and_set("keys", kept, [made.value, *before])

    async def sign(self, claims: Mapping[str, Any], typ: str, how: Signing, now_s: int) -> str:
        """A token of the key in use."""
        key = (await self.keys(now_s))[0]
        if how == "by_a_stranger" and (self._stranger is None or self._stranger.algorithm != self._algorithm):
            self._stranger = await asyncio.to_thread(SigningKey.make, self._algorithm, now_s)
        return key.sign(claims, typ, how, self._stranger)

    async def claims(self, token: str, now_s: int) -> dict[str, Any] | None:
        """What a token of this provider says, whenever it was; None for all others."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            for key in await self.keys(now_s):
                if key.kid == header.get("kid"):
                    claims = json.loads(jws.deserialize_compact(token, key.key, algorithms=[key.algorithm]).payload)
                    return claims if isinstance(claims, dict) else None
        except (JoseError, ValueError, RecursionError):
            pass
        return None

    def _read(self, value: Mapping[str, Any]) -> SigningKey:
        """The key of a kept value, read once; bounded by what is published."""
        name = value["jwk"].get("n") or value["jwk"]["x"]
        if name not in self._known:
            if len(self._known) > MAX_KEYS:
                self._known.clear()
            self._known[name] = SigningKey.of(value)
        return self._known[name]
