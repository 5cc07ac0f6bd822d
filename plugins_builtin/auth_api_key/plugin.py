"""auth-api-key: callers that send a known key, in a header, a query parameter or a cookie.

A key is looked up by the SHA-256 of what was sent, so that it costs the same however many there are; then it is compared, in constant
time. The same file runs native and sandboxed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest

from mockforge_plugin import Allow, AuthPlugin, Deny, Json, PluginError, Request, log, now, secret

from .keys import NOBODY, Key, problems_in, read_keys
from .places import Places

_AMBIGUOUS = Deny(400, "more than one API key was sent")
_TOO_LONG = Deny(400, "the API key is too long")


class ApiKeyAuth(AuthPlugin):
    """Accepts requests that carry a known key."""

    def validate_config(self, config: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return [*Places.problems(config), *problems_in(config, secret)]

    def init(self) -> None:
        """Read the keys, and make every answer about them."""
        self.places = Places.of(self.config)
        self.max_bytes = int(self.config["max_key_bytes"])
        self.unknown = Deny(401, "the API key is not known", f'ApiKey realm="{self.config["realm"]}"')
        self.expired = Deny(401, "the API key has expired", self.unknown.challenge)
        self.early = Deny(401, "the API key is not valid yet", self.unknown.challenge)
        keys = read_keys(self.config, secret)
        if isinstance(keys, list):
            raise PluginError("; ".join(message for _, message in keys), code="invalid_config")
        self.keys: Mapping[bytes, Key] = keys
        if weak := sorted({key.allow.principal.id for key in keys.values() if key.is_weak}):
            log.warning(
                f"keys of fewer than 16 characters can be guessed: those of {', '.join(weak[:20])}. Make them with: openssl rand -hex 32"
            )

    def capabilities(self) -> Mapping[str, Json]:
        """The challenge of callers that show nothing."""
        return {"schemes": ["ApiKey"], "challenge": 'ApiKey realm="{config.realm}"'}

    async def authenticate(self, request: Request) -> Allow | Deny | None:
        """The decision about the key, if there is one."""
        sent = self.places.sent(request)
        if not sent:
            return None
        if len(sent) > 1:
            return _AMBIGUOUS
        if len(sent[0]) > self.max_bytes:
            return _TOO_LONG
        digest = sha256(sent[0]).digest()
        key = self.keys.get(digest, NOBODY)
        if not compare_digest(key.digest, digest):
            return self.unknown
        if key.is_timed:
            moment = now().timestamp()
            if moment >= key.expires:
                return self.expired
            if moment < key.not_before:
                return self.early
        return key.allow
