"""Texts of clients and guests, in which secrets are looked for: none of them shows, however it is written, and what is shown is in bounds.

An input is a choice of secrets, then the text, mixed of pieces of theirs and of anything.
"""

from __future__ import annotations

import base64
import json
from random import Random
from urllib.parse import quote

from mockforge_asgi.security.redaction import MAX_TEXT, Redactor
from mockforge_asgi.security.secrets import Secrets
from tests.fuzz.fuzzing import Choices, Target

SECRETS = (
    "hunter2!", "correct-horse-battery", "-----BEGIN KEY-----\nMIIEvAIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----", "a=bearer;b=secret",
    "------------", "pässwörd \u2028 1", "k" * 40,
)  # fmt: skip
PIECES = (
    "password=",
    "bearer ",
    "a://b:",
    "@",
    "eyJ-",
    "eyJabcdefgh.",
    "-----",
    " ",
    "\n",
    "\ud800",
    "\x00",
    "=",
    '"',
    "secret(",
    "hunter",
)


def spelt(secret: str, how: int) -> str:
    """The secret, as it may turn up."""
    data = secret.encode()
    ways = (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), data.hex(), data.hex().upper(), base64.b64encode(data).decode())
    return ways[how % len(ways)]


def check(data: bytes) -> None:
    """Hide, and look for what is left."""
    choices = Choices(data)
    known = [secret for secret in SECRETS if choices.number() % 2] or [SECRETS[0]]
    hide, text, shown = Redactor(Secrets({str(n): secret for n, secret in enumerate(known)})), "", list[str]()
    for _ in range(20):
        if choices.number() % 4 == 0:
            shown.append(spelt(choices.one_of(known), choices.number()))
            text += shown[-1]
        else:
            text += choices.one_of(PIECES) + choices.take(choices.number() % 8).decode("latin-1")
    text *= 1 + choices.number() % 3
    hidden = hide(text)
    assert len(hidden) <= 11 * len(text) and len(hidden) <= 11 * MAX_TEXT
    assert not [secret for secret in shown if secret.rstrip("=") in hidden.replace("[redacted]", "\0")], (text, hidden)


TARGET = Target(check, 800, tuple(Random(n).randbytes(40 * n) for n in range(1, 8)), max_bytes=400)
