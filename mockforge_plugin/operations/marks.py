"""Which of an author's methods and functions are template functions and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mockforge_plugin.plugin import ENDPOINT_MARK, FUNCTION_MARK
from mockforge_plugin.values import Json


class ModuleFunctions:
    """A plugin made of a module's functions, which are its attributes."""

    config: Mapping[str, Json] = {}


def marked_methods(target: object) -> Iterator[Callable[..., Any]]:
    """Bound methods (or functions) marked as template functions or endpoints, in the order they are written."""
    found = (
        vars(target) if isinstance(target, ModuleFunctions) else {n: v for c in reversed(type(target).__mro__) for n, v in vars(c).items()}
    )
    for name, value in found.items():
        if is_marked(value):
            yield getattr(target, name)


def is_marked(value: object) -> bool:
    """Whether it is a template function or an endpoint."""
    return hasattr(value, FUNCTION_MARK) or hasattr(value, ENDPOINT_MARK)
