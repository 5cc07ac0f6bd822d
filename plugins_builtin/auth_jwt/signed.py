"""Signed tokens (JWS compact, RFC 7515): their header, read before anything is believed, and their signature.

The same file stands in every built-in plugin that reads signed tokens; a test keeps them alike.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry

from mockforge_plugin import Json

from .bearer import Refused
from .keys import VerifyingKey
from .strict_json import NotStrict, read_object

MAX_HEADER: Final = 4096
"""Characters of a token's header; those with a certificate chain (`x5c`) are this long."""
_MAX_KID: Final = 256


class _Registry(JWSRegistry):
    """The library's algorithms with the bounds of this plugin; what it does not allow by name is not there."""

    max_header_length = MAX_HEADER
    max_payload_length = 1 << 16
    max_signature_length = 1 << 11

    def get_alg(self, name: str) -> JWSAlgModel:
        """The algorithm; the library warns of each use of EdDSA, whose newer names mean the same (RFC 9864)."""
        if not self.allowed or name not in self.allowed or name == "none":
            raise JoseError("not allowed")
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token whose header was read and whose signature was not yet looked at."""

    text: bytes
    header: Mapping[str, Json]
    algorithm: str
    kid: str | None

    @classmethod
    def read(cls, token: str) -> SignedToken:
        """Raises Refused for what is no signed token with its content in it, or wants something that is not done here."""
        parts = token.split(".")
        if len(parts) == 5:
            raise Refused("the token is encrypted, which is not supported here")
        if len(parts) != 3 or not parts[0]:
            raise Refused("the token is not a signed JWT")
        if len(parts[0]) > MAX_HEADER:
            raise Refused(f"the header of the token is longer than {MAX_HEADER} bytes")
        header = _header(parts[0])
        if "crit" in header or "b64" in header:
            raise Refused("the token wants an extension that is not supported here")
        if not parts[1]:
            raise Refused("the content of the token is not in it")
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or (kid is not None and (not isinstance(kid, str) or len(kid) > _MAX_KID)):
            raise Refused("the header of the token cannot be read")
        return cls(token.encode(), header, algorithm, kid)

    def claims(self, keys: Iterable[VerifyingKey]) -> dict[str, Json]:
        """The claims, once one of the keys verified the signature. Raises Refused."""
        try:
            return read_object(self.content(keys))
        except NotStrict as error:
            raise Refused(f"the content of the token is refused: {error}") from None

    def content(self, keys: Iterable[VerifyingKey]) -> bytes:
        """What was signed, once one of the keys verified the signature. Raises Refused."""
        for key in keys:
            content = self._verified(key)
            if content is not None:
                return content
        raise Refused("the signature of the token is not that of a key that is trusted here")

    def _verified(self, key: VerifyingKey) -> bytes | None:
        if self.algorithm not in key.algorithms:
            return None
        try:
            found = jws.deserialize_compact(self.text, key.key, registry=_Registry(algorithms=key.algorithms, strict_check_header=False))
        except (JoseError, ValueError):
            return None
        return found.payload


def _header(text: str) -> dict[str, Json]:
    try:
        return read_object(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, NotStrict):
        raise Refused("the header of the token cannot be read") from None
