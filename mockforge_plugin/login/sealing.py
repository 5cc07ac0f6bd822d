"""Text that only this plugin can read and make: JSON in a JWE (RFC 7516), `dir` with `A256GCM`, by keys derived for one purpose.

What another plugin, another purpose or another key sealed, and what differs in one character, does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final

from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import PluginError
from mockforge_plugin.host import kv
from mockforge_plugin.values import Json

_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}
MAX_SEALED_CHARS: Final = 100_000
"""The longest text that is opened."""
_DEVELOPMENT_KEY: Final = "session-key"


class Sealer:
    """Seals and opens for what `plugin` names: a plugin, and perhaps a provider of it.

    Without secrets the key is made at random and shared through key-value storage (development).
    """

    def __init__(self, plugin: str, keys: Sequence[str]) -> None:
        """Raises PluginError where joserfc is not installed."""
        try:
            from joserfc import jwe
            from joserfc.jwk import OctKey
        except ImportError:
            raise PluginError(
                "sessions need the Python module joserfc, which is not installed: pip install 'mockforge-asgi[auth]'", code="unavailable"
            ) from None
        self._jwe, self._import, self._plugin = jwe, OctKey.import_key, plugin
        self._registry = jwe.JWERegistry(algorithms=list(_HEADER.values()))
        self._secrets = [key.encode() for key in keys]
        self._keys: dict[str, list[Any]] = {}

    async def seal(self, value: Json, purpose: str) -> str:
        """The value as sealed text."""
        key = (await self._of(purpose))[0]
        return self._jwe.encrypt_compact(dict(_HEADER), encode(value), key, registry=self._registry)

    async def open(self, text: str, purpose: str) -> Json:
        """The value of a sealed text; None where it is none of this plugin's, for this purpose."""
        if len(text) > MAX_SEALED_CHARS or not _is_canonical(text):
            return None
        for key in await self._of(purpose):
            try:
                sealed = self._jwe.decrypt_compact(text, key, registry=self._registry)
                if sealed.protected == _HEADER and sealed.plaintext is not None:
                    return json.loads(sealed.plaintext)
            except Exception:  # whatever the library says of a stranger's text, it is none of ours
                continue
        return None

    async def _of(self, purpose: str) -> list[Any]:
        if purpose not in self._keys:
            secret = self._secrets or [await _development_key()]
            self._keys[purpose] = [self._import(_derived(key, f"{self._plugin}\0{purpose}")) for key in secret]
        return self._keys[purpose]


def _is_canonical(text: str) -> bool:
    """Whether its parts are base64url as it is written in one way only (RFC 4648 §3.5)."""
    try:
        parts = text.encode("ascii").split(b".")
        return len(parts) == 5 and all(
            urlsafe_b64encode(urlsafe_b64decode(part + b"=" * (-len(part) % 4))).rstrip(b"=") == part for part in parts
        )
    except ValueError:
        return False


def _derived(key: bytes, purpose: str) -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869), of which one block is enough."""
    extracted = hmac.digest(b"mockforge login", key, hashlib.sha256)
    return hmac.digest(extracted, purpose.encode() + b"\x01", hashlib.sha256)


async def _development_key() -> bytes:
    """One key for all workers, which lasts as long as the storage does."""
    await kv.add_if_absent(_DEVELOPMENT_KEY, secrets.token_urlsafe(32))
    return str(await kv.get(_DEVELOPMENT_KEY)).encode()
