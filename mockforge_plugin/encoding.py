"""Strict JSON text of what a plugin answers, and words for what JSON cannot carry."""

from __future__ import annotations

import json as _json
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]  # the first is known to `json` alone
from typing import Any

from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.values import Json

_encoder = _json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_open: dict[int, object] = {}
"""What `_reused` has begun to write, by which it finds cycles."""
_reused: Any = c_make_encoder and c_make_encoder(_open, _encoder.default, encode_basestring, None, ":", ",", False, False, False)
"""(value, 0) → the pieces of its text: what `_encoder` makes for each value, made once. None where Python has no such function in C."""
quoted = encode_basestring
"""The JSON text of a string, as it stands in `encode`'s."""


def encode(value: Json, what: str = "answer") -> str:
    """Strict JSON text: no NaN, no lone surrogates, nothing that is not JSON. Raises: WrongAnswer naming the place in `what`."""
    if _reused is not None:
        try:
            return checked(quoted(value) if type(value) is str else "".join(_reused(value, 0)))
        except Exception:  # what is wrong is found below; if it was but another thread that wrote the same value, nothing
            _open.clear()
    try:
        return checked(_encoder.encode(value))
    except (TypeError, ValueError, RecursionError) as exc:
        raise WrongAnswer(_why_not_json(value, what) or f"the {what} is not JSON: {exc}") from None


def checked(text: str) -> str:
    """The text, if UTF-8 can carry it. Raises: ValueError for a lone surrogate."""
    if not text.isascii():
        text.encode()
    return text


def _why_not_json(value: Any, path: str, depth: int = 0) -> str | None:
    """What is wrong where, or None when nothing is found."""
    if depth > 100:
        return f"{path[:80]}... is nested too deeply"
    if isinstance(value, float):
        return None if value - value == 0 else f"{path} is {value}, which JSON cannot carry"
    if isinstance(value, str):
        return None if _is_unicode(value) else f"{path} holds a lone surrogate, which UTF-8 cannot carry"
    if value is None or isinstance(value, int):
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str | int | float | None):
                return f"{path} has a key of type {type(key).__name__}; keys must be str"
            found = _why_not_json(item, f"{path}[{key!r}]", depth + 1)
            if found:
                return found
        return None
    if isinstance(value, list | tuple):
        return next((found for i, item in enumerate(value) if (found := _why_not_json(item, f"{path}[{i}]", depth + 1))), None)
    name = type(value).__name__
    return f"{path} is {'an' if name[:1] in 'aeioAEIO' else 'a'} {name}, which is not JSON{_remedies.get(name, '')}"


_remedies = {
    "datetime": "; use .isoformat()",
    "date": "; use .isoformat()",
    "time": "; use .isoformat()",
    "UUID": "; use str(...)",
    "Decimal": "; use str(...) or float(...)",
    "bytes": "; use .decode() or base64",
    "set": "; use sorted(...)",
    "frozenset": "; use sorted(...)",
    "HostCall": "; await it",
    "coroutine": "; await it",
}


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
