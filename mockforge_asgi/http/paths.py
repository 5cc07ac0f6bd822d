"""What a request's path is, and what somebody behind us might take it for.

`route_path` is the path that everything here matches on. `check_path` refuses a path whose sent and normalised forms differ where one of
them is protected: `//x`, `/a/../x`, `%2F`, `\\`, an absolute-form target. Elsewhere such paths pass untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast
from urllib.parse import unquote

from mockforge_asgi.errors import Refused
from mockforge_asgi.types import Scope

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")
_ENCODED = re.compile(rb"%(?:2[ef]|5c|00)", re.IGNORECASE)
_REPEATED_PERCENT = re.compile(r"%(?:25)+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_ROUNDS = 4


def route_path(scope: Scope) -> str:
    """The path below the mount's root path, with the semantics of Starlette's routing."""
    root: str = scope.get("root_path", "")
    path = cast(str, scope["path"])
    return _below(root, path) if root else path


def _below(root: str, path: str) -> str:
    if not path.startswith(root):
        return path
    below = path[len(root) :]
    return below if not below or below[0] == "/" else path


def is_plain(path: str, raw: bytes | None) -> bool:
    """Whether a path has one form only, so that no check is needed. Quick, and False when in doubt."""
    return (
        path[:1] == "/"
        and "//" not in path
        and "/." not in path
        and "\\" not in path
        and "%" not in path
        and path.isprintable()
        and (raw is None or b"%" not in raw)
    )


def normal_form(path: str) -> str | None:
    """The path decoded to the end, with one kind of slash, no empty, `.` or `..` segments; None when it never settles."""
    path = _ABSOLUTE.sub("", path, count=1) if _ABSOLUTE.match(path) else path
    for _ in range(_ROUNDS):
        decoded = unquote(_REPEATED_PERCENT.sub("%", path), errors="replace")
        if decoded == path:
            break
        path = decoded
    else:
        return None
    path = _CONTROLS.sub("", path).replace("\\", "/")
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + slash


def check_path(scope: Scope, path: str, is_protected: Callable[[str], bool]) -> None:
    """Refuse an ambiguous path if any of its forms is protected. `path` is the route path. Raises Refused (400)."""
    raw: bytes | None = scope.get("raw_path")
    if is_plain(path, raw):
        return
    normal, whole = normal_form(path), normal_form(scope["path"])
    if normal is not None and whole is not None:
        if (normal == path or path == "") and not (raw and _ENCODED.search(raw)):
            return
        below = _below(scope.get("root_path", ""), whole)
        if not (is_protected(path) or is_protected(normal) or is_protected(below)):
            return
    raise Refused(400, "the path has more than one reading: send it without '//', '.', '..', '\\' and encoded separators")
