"""Reads what a guest hands to a host call: each field checked, every fault a HostCallError that names it."""

from __future__ import annotations

from collections.abc import Mapping

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import HostCallError


def text(payload: Mapping[str, Json], name: str, *, max_chars: int = 512) -> str:
    """A text that is there and not empty. Raises HostCallError."""
    value = payload.get(name)
    if not isinstance(value, str) or not value:
        raise HostCallError("invalid_input", f"`{name}` must be a string that is not empty")
    if len(value) > max_chars:
        raise HostCallError("invalid_input", f"`{name}` is longer than {max_chars} characters")
    return value


def whole(payload: Mapping[str, Json], name: str, default: int | None, *, least: int, most: int) -> int:
    """An integer in its range; the default (None: there is none) where it is left out. Raises HostCallError."""
    value = payload.get(name)
    if value is None and default is not None:
        return default
    if type(value) is not int or not least <= value <= most:
        raise HostCallError("invalid_input", f"`{name}` must be an integer from {least} to {most}")
    return value


def optional_whole(payload: Mapping[str, Json], name: str, *, least: int, most: int) -> int | None:
    """An integer in its range, or None where it is left out. Raises HostCallError."""
    return None if payload.get(name) is None else whole(payload, name, None, least=least, most=most)


def members(payload: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    """An object, empty where it is left out. Raises HostCallError."""
    value = payload.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise HostCallError("invalid_input", f"`{name}` must be an object")
    return value
