"""The configurations and credentials of `auth`: one static route, open and behind each built-in plugin."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

OPEN: Final = "open"
NAMES: Final = ("api_key", "basic", "jwt", "oauth2", "webhook", "signed", "ldap_cached")
"""The plugins; `signed` has a signature and a nonce of its own in every request."""
KEY: Final = secrets.token_hex(32)
PASSWORD: Final = "correct horse"
_ROUTE: Final = [{"match": {"path": "/health"}, "response": {"json": {"status": "ok"}}}]


@dataclass(frozen=True, slots=True)
class Guarded:
    """A plugin, what it is told, and a request that it lets pass."""

    plugin: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def write(self, file: Path) -> Path:
        """A configuration with the route behind it, and the same open at `/open`."""
        document = {
            "version": 1,
            "plugins": {"guard": {"use": self.plugin, "config": dict(self.config)}},
            "secrets": {name: {"value": value} for name, value in self.secrets.items()},
            "protect": [{"path": "/health", "auth": "guard"}],
            "routes": [*_ROUTE, {"match": {"path": "/open"}, "response": {"json": {"status": "ok"}}}],
        }
        file.write_text(json.dumps(document))
        return file


def write_open(file: Path) -> Path:
    """The route that nobody guards."""
    file.write_text(json.dumps({"version": 1, "routes": _ROUTE}))
    return file


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    """The header of a user name and a password."""
    return {"authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


def guarded(name: str, provider: str, directory: str) -> Guarded:
    """That plugin's; addresses of an introspection endpoint and a directory, for those that ask one."""
    if name == "api_key":
        return Guarded("auth-api-key", {"keys": "api_keys"}, {"api_keys": f"{KEY}=ci"}, {"x-api-key": KEY})
    if name == "basic":
        from argon2 import PasswordHasher

        return Guarded("auth-basic", {"users": "users", "cache_s": 3600}, {"users": f"ada:{PasswordHasher().hash(PASSWORD)}"}, basic("ada"))
    if name == "jwt":
        pem, token = _token()
        config = {"keys": [{"pem": pem, "alg": "RS256"}], "audience": "bench", "issuer": "bench", "roles": ["roles"]}
        return Guarded("auth-jwt", config, {}, {"authorization": f"Bearer {token}"})
    if name == "oauth2":
        asked: dict[str, Any] = {
            "introspection_url": provider,
            "client_id": "mock",
            "client_secret": "client",
            "audience": "bench",
            "cache_s": 300,
        }
        return Guarded("auth-oauth2", asked, {"client": KEY}, {"authorization": f"Bearer {KEY}"})
    if name == "webhook":
        made = hmac.new(KEY.encode(), b"", hashlib.sha256).hexdigest()
        return Guarded(
            "auth-hmac",
            {"preset": "github", "keys": {"hook": {"secret": "webhook_key"}}},
            {"webhook_key": KEY},
            {"x-hub-signature-256": f"sha256={made}"},
        )
    if name == "signed":
        return Guarded("auth-hmac", {"keys": {"ci": {"secret": "signed_key"}}, "max_age_s": 60, "clock_skew_s": 0}, {"signed_key": KEY})
    return Guarded("auth-ldap", {**_directory(directory), "cache": {"seconds": 3600}}, {}, basic("alice"))


def logins(directory: str) -> Guarded:
    """LDAP, asked each time."""
    return Guarded("auth-ldap", _directory(directory), {}, basic("alice"))


def _directory(url: str) -> dict[str, Any]:
    return {"servers": [url], "insecure": True, "bind_as": "uid={user},ou=people,dc=example,dc=com"}


def _token() -> tuple[str, str]:
    """A public key, and a token that its private half has signed."""
    from joserfc import jwk, jwt

    key = jwk.RSAKey.generate_key(2048, private=True)
    claims = {"iss": "bench", "aud": "bench", "sub": "ada", "exp": int(time.time()) + 86400, "roles": ["reader"]}
    return key.as_pem(private=False).decode(), jwt.encode({"alg": "RS256"}, claims, key)


def signatures(host: str, count: int) -> list[tuple[str, str]]:
    """(Signature-Input, Signature) of that many GETs of `/health`, by RFC 9421."""
    made, created = [], int(time.time())
    for _ in range(count):
        about = f'("@method" "@authority" "@path" "@query");created={created};keyid="ci";nonce="{secrets.token_hex(12)}"'
        base = f'"@method": GET\n"@authority": {host}\n"@path": /health\n"@query": ?\n"@signature-params": {about}'
        made.append((f"sig={about}", f"sig=:{b64encode(hmac.digest(KEY.encode(), base.encode(), 'sha256')).decode()}:"))
    return made
