"""What a request's path is.

`route_path` is the path below the mount, decoded once. Routes and globs match on `match_path`, where a slash that was sent as `%2F` does
not divide. Nothing is decoded twice, and no dots are resolved; which paths are refused is `routing/ambiguity.py`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.types import Scope

ENCODED_SLASH: Final = "\ufdd0"
"""Stands for a slash that was sent as `%2F`, which is data of its segment. Unicode keeps this code point for internal use."""

_MAX_WRAPPED: Final = 100
_SENT_SLASH: Final = re.compile(rb"%2f", re.IGNORECASE)


def route_path(scope: Scope) -> str:
    """The path below the mount's root path, with the semantics of Starlette's routing."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    return below(root, path) if root else path


def below(root: str, path: str) -> str:
    """The path without that root path, if it begins with it."""
    if not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if not rest or rest[0] == "/" else path


def match_path(scope: Scope, path: str, raw: bytes) -> str:
    """That route path with `ENCODED_SLASH` for each slash that was sent as `%2F`; the very same text where there is none."""
    sent = sent_path(scope, path) if _SENT_SLASH.search(raw) else path
    return sent if sent.replace(ENCODED_SLASH, "/") == path else path


def own_root_path(app: object, told: str | None = None) -> str:
    """The root path that an app sets whatever the server says: as told, or its `root_path` (FastAPI), looked for below what wraps it.

    Raises ConfigError.
    """
    if told is not None:
        if told[:1] not in ("", "/"):
            raise ConfigError(f"root_path {told!r} does not begin with '/': write one such as '/api'.")
        return told.rstrip("/")
    for _ in range(_MAX_WRAPPED):
        root = getattr(app, "root_path", None)
        if isinstance(root, str) and root[:1] == "/":
            return root.rstrip("/")
        app = getattr(app, "app", None)
    return ""


def sent_path(scope: Scope, path: str) -> str:
    """The path as `raw_path` has it, decoded once but for slashes: below what the mounts have taken off, or whole where it is another."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return path
    parts = _SENT_SLASH.split(raw.partition(b"?")[0])
    sent = ENCODED_SLASH.join(unquote_to_bytes(part).decode("utf-8", "replace") for part in parts)
    end = sent[max(0, len(sent) - len(path)) :]
    return end if end.replace(ENCODED_SLASH, "/") == path else below(scope.get("root_path", ""), sent)
