"""What a request's path is, and which paths are refused where some paths are protected.

`route_path` is the path below the mount, decoded once. Routes and globs match on `match_path`, where a slash that was sent as `%2F` is no
divider. `check_path` refuses a path that another reader could
take for one that is protected differently. Nothing is decoded twice, and no dots are resolved: such paths are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import unquote_to_bytes

from mockforge_asgi.errors import ConfigError, Refused
from mockforge_asgi.types import Scope

ENCODED_SLASH: Final = "\ufdd0"
"""Stands for a slash that was sent as `%2F`, which is data of its segment. Unicode keeps this code point for internal use."""

MAX_PATH: Final = 8192
"""Characters of a path, where paths are protected."""

_MAX_WRAPPED: Final = 100
_SENT_SLASH: Final = re.compile(rb"%2f", re.IGNORECASE)
_QUERY: Final = re.compile(r"[?#]")
_AMBIGUOUS: Final = re.compile(r"//|/\.\.?(?:[/?#]|\Z)|[\\\x00-\x1f\x7f-\x9f]|%[0-9A-Fa-f]{2}")


def route_path(scope: Scope) -> str:
    """The path below the mount's root path, with the semantics of Starlette's routing."""
    root: str = scope.get("root_path", "")
    path = cast(str, scope["path"])
    return below(root, path) if root else path


def below(root: str, path: str) -> str:
    """The path without that root path, if it begins with it."""
    if not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if not rest or rest[0] == "/" else path


def match_path(scope: Scope, path: str, raw: bytes) -> str:
    """That route path with `ENCODED_SLASH` for each slash that was sent as `%2F`; the very same text where there is none."""
    sent = _sent(scope, path) if _SENT_SLASH.search(raw) else path
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


def is_plain(path: str, raw: bytes | None) -> bool:
    """Whether a path has one reading, so that no check is needed. Quick, and False when in doubt."""
    return (
        path[:1] == "/"
        and "//" not in path
        and "/." not in path
        and "\\" not in path
        and "%" not in path
        and "#" not in path
        and "?" not in path
        and path.isprintable()
        and len(path) <= MAX_PATH
        and (raw is None or raw.endswith(path.encode()))
    )


def check_path(scope: Scope, path: str, rule_for: Callable[[str], object]) -> None:
    """Refuse an ambiguous path. `path` is the route path, `rule_for` tells how a path is protected, None: not at all. Raises Refused."""
    if is_plain(path, scope.get("raw_path")):
        return
    if len(path) > MAX_PATH:
        raise Refused(414, f"where paths are protected, a path has {MAX_PATH} characters at most")
    sent = _sent(scope, path)
    divided = sent.replace(ENCODED_SLASH, "/")
    if _is_ambiguous(path) or _is_ambiguous(divided):
        raise Refused(
            400, r"the path is ambiguous: send it without '//', '.', '..', '\', control characters, a host and escapes of escapes"
        )
    rules, others = {rule_for(reading) for reading in _readings(path)}, {rule_for(reading) for reading in _readings(sent)}
    if divided != path:  # whoever changed the path left `raw_path`: it must not lead around a rule
        others.discard(None)
    if len(rules | others) > 1:
        raise Refused(400, "the path is ambiguous: read in another way ('%2F', '%3F', '%23'), it is protected differently")


def _is_ambiguous(path: str) -> bool:
    return (path[:1] != "/" and path not in ("", "*")) or _AMBIGUOUS.search(path) is not None


def _readings(path: str) -> set[str]:
    """An encoded slash as data and as a divider; what follows a `?` or `#` as part of the path, and left off."""
    wholes = {path, path.replace(ENCODED_SLASH, "/")}
    return wholes | {_QUERY.split(whole, 1)[0] for whole in wholes}


def _sent(scope: Scope, path: str) -> str:
    """The path as `raw_path` has it, decoded once but for slashes: below what the mounts have taken off, or whole where it is another."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return path
    parts = _SENT_SLASH.split(raw.partition(b"?")[0])
    sent = ENCODED_SLASH.join(unquote_to_bytes(part).decode("utf-8", "replace") for part in parts)
    end = sent[max(0, len(sent) - len(path)) :]
    return end if end.replace(ENCODED_SLASH, "/") == path else below(scope.get("root_path", ""), sent)
