"""Which paths are refused where some paths are protected: those that another reader could take for one that is protected differently."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.http.paths import ENCODED_SLASH, sent_path
from mockforge_asgi.types import Scope

MAX_PATH: Final = 8192
"""Characters of a path, where paths are protected."""

_QUERY: Final = re.compile(r"[?#]")

_AMBIGUOUS: Final = re.compile(r"//|/\.\.?(?:[/?#]|\Z)|[\\\x00-\x1f\x7f-\x9f]|%[0-9A-Fa-f]{2}")


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
        and (raw is None or raw == (sent := path.encode()) or (raw.endswith(sent) and b"?" not in raw and b"#" not in raw))
    )


def check_path(scope: Scope, path: str, rule_for: Callable[[str], object]) -> None:
    """Refuse an ambiguous path. `path` is the route path, `rule_for` tells how a path is protected (None: not at all).

    Raises RequestRejected.
    """
    if is_plain(path, scope.get("raw_path")):
        return
    if len(path) > MAX_PATH:
        raise RequestRejected(414, f"where paths are protected, a path has {MAX_PATH} characters at most")
    sent = sent_path(scope, path)
    divided = sent.replace(ENCODED_SLASH, "/")
    if _is_ambiguous(path) or _is_ambiguous(divided):
        raise RequestRejected(
            400, r"the path is ambiguous: send it without '//', '.', '..', '\', control characters, a host and escapes of escapes"
        )
    rules, others = {rule_for(reading) for reading in _readings(path)}, {rule_for(reading) for reading in _readings(sent)}
    if divided != path:  # whoever changed the path left `raw_path`: it must not lead around a rule
        others.discard(None)
    if len(rules | others) > 1:
        raise RequestRejected(400, "the path is ambiguous: read in another way ('%2F', '%3F', '%23'), it is protected differently")


def _is_ambiguous(path: str) -> bool:
    return (path[:1] != "/" and path not in ("", "*")) or _AMBIGUOUS.search(path) is not None


def _readings(path: str) -> set[str]:
    """An encoded slash as data and as a divider; what follows a `?` or `#` as part of the path, and left off."""
    wholes = {path, path.replace(ENCODED_SLASH, "/")}
    return wholes | {_QUERY.split(whole, 1)[0] for whole in wholes}
