"""Fields of frozen values, set where they are made: by their constructors, and by the host where it reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any


def setters(cls: type) -> list[Callable[[Any, Any], None]]:
    """What sets each field of a new value, for constructors: those of `dataclass` find it by name, each time, and take twice as long."""
    return [vars(cls)[f.name].__set__ for f in fields(cls)]


class WithKnown:
    """A value with room for what its host knows of it, for when it is given the very same again. It is in no copy of the value."""

    __slots__ = ("_known",)
    _known: Any


set_known: Callable[[Any, Any], None] = vars(WithKnown)["_known"].__set__
"""For the host, and for the constructor."""
