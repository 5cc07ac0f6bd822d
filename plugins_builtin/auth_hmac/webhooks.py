"""Signatures of webhooks, as GitHub, Stripe and Slack document them.

github  X-Hub-Signature-256: sha256=HEX, of the body
stripe  Stripe-Signature: t=UNIX,v1=HEX[,v1=HEX], of "UNIX.body"
slack   X-Slack-Signature: v0=HEX and X-Slack-Request-Timestamp, of "v0:UNIX:body"

None names a key: every one is tried, always all of them.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mockforge_plugin import Request, now

from .content import hashed
from .dictionaries import MAX_FIELD_CHARS, Malformed
from .keys import Key
from .signatures import Refused
from .window import Window

MAX_SIGNATURES = 16
_HEX = re.compile(r"[0-9a-f]{64}")
_UNIX = re.compile(r"[1-9][0-9]{0,11}")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a webhook says: signatures in hexadecimal, what is signed before the body, and when that was."""

    signatures: tuple[str, ...]
    before_body: str = ""
    created: int | None = None


class Webhooks:
    """Checks the signature of one sender's webhooks against the keys."""

    def __init__(self, preset: str, keys: Mapping[str, Key], window: Window) -> None:
        self.read, self.keys, self.window = SENDERS[preset], tuple(keys.values()), window

    async def check(self, request: Request) -> Key | None:
        """The key that the request is signed with; None where it has no such signature. Raises Refused and Malformed."""
        signed = self.read(request)
        if signed is None:
            return None
        macs = [hmac.new(key.secret, signed.before_body.encode(), "sha256") for key in self.keys]
        await hashed(request, macs)
        # Not before the body is there: it may take its time, longer than what was accepted is remembered.
        moment = now().timestamp() if self.window.is_once or signed.created is not None else 0.0
        fault = "" if signed.created is None else self.window.fault(moment, signed.created)
        if fault:
            raise Refused(fault)
        matching = [
            (key, mac.digest())
            for key, mac in zip(self.keys, macs, strict=True)
            if sum(hmac.compare_digest(mac.hexdigest().encode(), signature.encode()) for signature in signed.signatures)
        ]
        if not matching:
            raise Refused("the signature does not match: another key, or the body was changed")
        # each of them is used up: signed with two secrets, as while one is replaced, the same could be sent again with either
        are_first = [await self.window.is_first(moment, signed.created, key.id, made) for key, made in matching]
        if not all(are_first):
            raise Refused("the same was accepted before")
        return matching[0][0]


def _one(request: Request, name: str) -> str | None:
    """The value of a header that may be there once. Raises Malformed."""
    values = request.header_values(name)
    if len(values) > 1:
        raise Malformed(f"{name} is there more than once")
    if values and len(values[0]) > MAX_FIELD_CHARS:
        raise Malformed(f"{name} is too long")
    return values[0] if values else None


def _hex(value: str, prefix: str, name: str) -> str:
    digits = value.removeprefix(prefix)
    if digits == value or not _HEX.fullmatch(digits):
        raise Malformed(f"{name} is not {prefix} and 64 hexadecimal digits in lower case")
    return digits


def _unix(value: str, name: str) -> int:
    if not _UNIX.fullmatch(value):
        raise Malformed(f"{name} has no time in Unix seconds")
    return int(value)


def _github(request: Request) -> Signed | None:
    value = _one(request, "x-hub-signature-256")
    return None if value is None else Signed((_hex(value, "sha256=", "X-Hub-Signature-256"),))


def _stripe(request: Request) -> Signed | None:
    value = _one(request, "stripe-signature")
    if value is None:
        return None
    items = [item.strip(" ").partition("=") for item in value.split(",", MAX_SIGNATURES + 2)]
    times = [text for name, _, text in items if name == "t"]
    signatures = [text for name, _, text in items if name == "v1" and _HEX.fullmatch(text)]
    if len(items) > MAX_SIGNATURES or len(times) != 1 or not signatures:
        raise Malformed("Stripe-Signature is not one t= and at least one v1=")
    return Signed(tuple(signatures), f"{times[0]}.", _unix(times[0], "Stripe-Signature"))


def _slack(request: Request) -> Signed | None:
    value, time = _one(request, "x-slack-signature"), _one(request, "x-slack-request-timestamp")
    if value is None:
        return None
    if time is None:
        raise Malformed("X-Slack-Request-Timestamp is missing")
    created = _unix(time, "X-Slack-Request-Timestamp")
    return Signed((_hex(value, "v0=", "X-Slack-Signature"),), f"v0:{time}:", created)


SENDERS: Mapping[str, Callable[[Request], Signed | None]] = {"github": _github, "stripe": _stripe, "slack": _slack}
