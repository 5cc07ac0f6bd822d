"""What a request's path is, and what somebody behind us might take it for.

`route_path` is the path that everything here matches on. `check_path` refuses a path whose sent and normalised forms differ where one of
them is protected: `//x`, `/a/../x`, `%2F`, `\\`, an absolute-form target. Elsewhere such paths pass untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Final, cast
from urllib.parse import unquote

from mockforge_asgi.errors import Refused
from mockforge_asgi.types import Scope

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?://[^/?#]*)?")
_ENCODED = re.compile(rb"%(?:2[ef]|5c|00)", re.IGNORECASE)
_ENDS = re.compile(r"[?#]")
_REPEATED_PERCENT = re.compile(r"%(?:25)+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_ROUNDS = 4


MAX_AMBIGUOUS: Final = 4096
"""Characters of a path with several readings, where paths are protected."""


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
        and "#" not in path
        and "?" not in path
        and path.isprintable()
        and (raw is None or b"%" not in raw)
    )


def normal_form(path: str) -> str | None:
    """The path decoded to the end, with one kind of slash, no empty, `.` or `..` segments; None when it never settles."""
    stages = _stages(path)
    return _resolved(stages[-1].replace("\\", "/")) if stages else None


def _stages(path: str) -> tuple[str, ...]:
    """The path as it is, decoded once, twice, to the end, which comes last; none when it never settles."""
    step_by_step = tuple(_decodings(path, lambda text: text))
    at_once = tuple(_decodings(path, lambda text: _REPEATED_PERCENT.sub("%", text)))
    is_settled = len(at_once) <= _ROUNDS
    return (*step_by_step, *at_once) if is_settled else ()


def _decodings(path: str, prepared: Callable[[str], str]) -> Iterator[str]:
    """The path, and what each of the first rounds of decoding makes of it, as long as they change it."""
    text = _bare(path)
    yield text
    for _ in range(_ROUNDS):
        decoded = _bare(unquote(prepared(text), errors="replace"))
        if decoded == text:
            return
        text = decoded
        yield text


def _bare(path: str) -> str:
    """Without control characters, spaces before it, and the scheme and host of an absolute form."""
    path = _CONTROLS.sub("", path).lstrip(" ")
    found = _ABSOLUTE.match(path)
    return path[found.end() :] if found else path


def _resolved(path: str, nothing: Collection[str] = ("", ".")) -> str:
    """Without `..` segments, and without those that mean nothing."""
    kept: list[str] = []
    for segment in path[1:].split("/") if path[:1] == "/" else path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in nothing:
            kept.append(segment)
    slash = "/" if kept and kept[-1] != "" and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + slash


def _readings(path: str) -> tuple[str, ...]:
    """What others may take the path for, the normal form last: how far they decode, whether they merge slashes or mean `/` by `\\`.

    Of a path that never settles there are none.
    """
    stages, slashed = _stages(path), path.replace("\\", "/")
    if stages and slashed != path and _ABSOLUTE.match(slashed):  # as browsers read it, whose host ends at a `\`
        stages = (*_stages(slashed), *stages)
    ends = (end for stage in stages for end in _ENDS.split(stage, 1)[:-1])  # to who takes what follows for a query or a fragment
    return tuple(reading for stage in (*ends, *stages) for reading in _forms(stage))


def _forms(path: str) -> Iterator[str]:
    slashed = path.replace("\\", "/")
    for text in (path, slashed):
        if text.startswith("//"):  # a host and its path (RFC 3986 §4.2), which a `\` may belong to or end
            below = text[2:].partition("/")[2]
            yield from (_resolved(below), _resolved(below.replace("\\", "/")))
    yield path
    yield from (_resolved(text, (".",)) for text in (path, slashed))
    yield from (_resolved(text) for text in (path, slashed))


def _has_controls(path: str) -> bool:
    """Whether control characters are in it, however encoded: to some they are segments, and others take them out."""
    for _ in range(_ROUNDS):
        if _CONTROLS.search(path):
            return True
        path = unquote(path, errors="replace")
    return False


def check_path(scope: Scope, path: str, is_protected: Callable[[str], bool]) -> None:
    """Refuse an ambiguous path if any of its forms is protected or they are too many. `path` is the route path. Raises Refused."""
    raw: bytes | None = scope.get("raw_path")
    if is_plain(path, raw):
        return
    if len(path) > MAX_AMBIGUOUS:  # its readings would take long to compare with every rule
        raise Refused(414, f"the path has more than one reading and over {MAX_AMBIGUOUS} characters: send it without '//', '.' and '..'")
    readings, whole = _readings(path), _readings(scope["path"])
    if readings and whole and (readings[-1] == _CONTROLS.sub("", path) or not _has_controls(path)):
        if (readings[-1] == path or path == "") and not (_ENDS.search(path) or (raw and _ENCODED.search(raw))):
            return
        root = scope.get("root_path", "")
        if not any(map(is_protected, {path, *readings, *(_below(root, reading) for reading in whole)})):
            return
    raise Refused(400, "the path has more than one reading: send it without '//', '.', '..', '\\' and encoded separators")
