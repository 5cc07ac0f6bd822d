"""Signers for the tests, written from the documents (RFC 9421, RFC 9530, pages of GitHub, Stripe and Slack), not from the plugin."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

KEY = "a shared secret of thirty-two bytes or more"
GITHUB, STRIPE, SLACK = "It's a Secret to Everybody", "whsec_test_0123456789abcdefghijkl", "8f742231b10e8888abcd99yyyzzz85a5"
"""GitHub's and Slack's are those of their documentation."""


def sf_bytes(data: bytes) -> str:
    """A byte sequence of RFC 8941."""
    return f":{b64encode(data).decode()}:"


def content_digest(body: bytes, algorithm: str = "sha256") -> str:
    """Content-Digest (RFC 9530)."""
    return f"sha-{algorithm[3:]}={sf_bytes(hashlib.new(algorithm, body).digest())}"


def _bare(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests as RFC 9421 says. What a test does not set is what the plugin wants."""

    keyid: str = "ci"
    key: bytes = KEY.encode()
    algorithm: str = "sha256"
    host: str = "testserver"
    components: tuple[str, ...] | None = None
    created: int | None = None
    parameters: Mapping[str, str | int | None] = field(default_factory=dict)

    def headers(self, method: str, target: str, body: bytes = b"", **headers: str) -> dict[str, str]:
        """The headers with which the request is sent; those given are signed, too."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            named.setdefault("content-digest", content_digest(body))
        path, _, query = target.partition("?")
        known = {"@method": method, "@authority": self.host, "@path": path, "@query": f"?{query}", "@scheme": "http"}
        known |= {"@request-target": target, "@target-uri": f"http://{self.host}{target}", **named}
        covered = ("@method", "@authority", "@path", "@query", *named) if self.components is None else self.components
        nonce = secrets.token_hex(12)
        said: dict[str, str | int | None] = {
            "created": int(time.time()) if self.created is None else self.created, "keyid": self.keyid,
            "alg": f"hmac-{self.algorithm}", "nonce": nonce, **self.parameters,
        }  # fmt: skip
        told = "".join(f";{name}={_bare(value)}" for name, value in said.items() if value is not None)
        about = "(" + " ".join(f'"{name}"' for name in covered) + ")" + told
        base = "\n".join([*(f'"{name}": {known.get(name, "")}' for name in covered), f'"@signature-params": {about}'])
        made = hmac.new(self.key, base.encode("latin-1"), self.algorithm).digest()
        return {**named, "signature-input": f"sig={about}", "signature": f"sig={sf_bytes(made)}"}

    def but(self, **changes: object) -> Signer:
        """One that differs."""
        return replace(self, **changes)  # type: ignore[arg-type]  # what a test changes, it changes rightly


def github(body: bytes, secret: str = GITHUB) -> dict[str, str]:
    """https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries"""
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def stripe(body: bytes, secret: str = STRIPE, at: int | None = None) -> dict[str, str]:
    """https://docs.stripe.com/webhooks#verify-manually"""
    moment = int(time.time()) if at is None else at
    return {"stripe-signature": f"t={moment},v1=" + hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()}


def slack(body: bytes, secret: str = SLACK, at: int | None = None) -> dict[str, str]:
    """https://api.slack.com/authentication/verifying-requests-from-slack"""
    moment = int(time.time()) if at is None else at
    made = hmac.new(secret.encode(), b"v0:%d:" % moment + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": str(moment), "x-slack-signature": f"v0={made}"}
