"""The keys that requests are signed with: read from secrets, and checked."""

from __future__ import annotations

import binascii
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mockforge_plugin import Allow, HostError, Json, Principal

MAX_WEBHOOK_KEYS = 10
"""A webhook names no key, so that every one is tried."""
LEAST_BYTES = 16
"""The least of a webhook's secret, some of which are chosen by people."""
DIGEST_BYTES = {"sha256": 32, "sha512": 64}

Problem = tuple[str, str]
"""Where in the configuration, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, the one hash that it is used with, and the answer to who signs with it."""

    id: str
    secret: bytes
    algorithm: str
    allow: Allow


NOBODY = Key("", secrets.token_bytes(32), "sha256", Allow(Principal("nobody")))
"""What stands in for a key that is not known, so that it costs the same."""


def read_keys(config: Mapping[str, Json], secret: Callable[[str], str]) -> tuple[dict[str, Key], list[Problem]]:
    """The keys by their ids, and all that is wrong with them. What a secret holds is never in it."""
    is_webhook = config["preset"] != "rfc9421"
    found: dict[str, Key] = {}
    problems: list[Problem] = []
    if is_webhook and len(config["keys"]) > MAX_WEBHOOK_KEYS:
        problems.append(("keys", f"a webhook names no key, so that all are tried: at most {MAX_WEBHOOK_KEYS} may be there."))
    for id, entry in config["keys"].items():
        place, algorithm = f"keys.{id}", entry.get("algorithm", "sha256")
        if is_webhook and algorithm != "sha256":
            problems.append((f"{place}.algorithm", f"webhooks of {config['preset']} are signed with sha256. Remove it."))
        try:
            data = _decoded(secret(entry["secret"]), entry.get("encoding", "text"))
        except (HostError, _Unfit) as error:
            problems.append((f"{place}.secret", f"secret '{entry['secret']}': {error}"))
            continue
        least = LEAST_BYTES if is_webhook else DIGEST_BYTES[algorithm]
        if len(data) < least:
            what = f"the key has {len(data)} bytes, fewer than the {least} that are needed. Make one with: openssl rand -hex 32"
            problems.append((f"{place}.secret", f"secret '{entry['secret']}': {what}"))
        if any(data == key.secret for key in found.values()):
            problems.append(
                (f"{place}.secret", f"secret '{entry['secret']}': another key is the same, so that one could sign for the other.")
            )
        principal = Principal(entry.get("principal", id), tuple(entry.get("roles", ())), tuple(entry.get("groups", ())))
        found[id] = Key(id, data, algorithm, Allow(principal, {"keyid": id, "signed_by": config["preset"]}))
    return found, problems[:20]


class _Unfit(ValueError):
    """A secret that cannot be used, and why."""


def _decoded(text: str, encoding: str) -> bytes:
    if encoding == "text":
        if text != text.strip():
            raise _Unfit("there is white space around it, perhaps the end of a line. Remove it, or write it as base64.")
        return text.encode()
    try:
        return bytes.fromhex(text) if encoding == "hex" else b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise _Unfit(f"it is not {encoding}.") from None
