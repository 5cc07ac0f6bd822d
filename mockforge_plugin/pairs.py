"""Ordered (name, value) pairs: headers and query parameters, found by position or by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import SupportsIndex, TypeAlias, overload

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Ordered (name, value) pairs; names may repeat."""


def pairs(items: Mapping[str, str] | Iterable[Iterable[str]] | None) -> Pairs:
    """Ordered pairs from a mapping, from pairs, or from nothing."""
    if items is None:
        return ()
    if type(items) is dict or isinstance(items, Mapping):
        items = items.items()
    return tuple([(str(k), str(v)) for k, v in items])


class _Named(tuple[tuple[str, str], ...]):
    """Ordered (name, value) pairs, found by position or by name."""

    __slots__ = ()

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value under that name, or the default."""
        return next((v for k, v in self if k == name), default)

    def all(self, name: str) -> list[str]:
        """Every value under that name, in order."""
        return [v for k, v in self if k == name]

    @overload
    def __getitem__(self, key: str, /) -> str: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, key: slice, /) -> Pairs: ...
    def __getitem__(self, key: str | SupportsIndex | slice, /) -> str | tuple[str, str] | Pairs:
        """The first value under that name. Raises: KeyError when there is none."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object, /) -> bool:
        return self.get(key) is not None if isinstance(key, str) else super().__contains__(key)


class Headers(_Named):
    """Ordered header pairs; look-ups ignore case (RFC 9110 §5.1)."""

    __slots__ = ()

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value under that name, or the default."""
        low = name.lower()
        return next((v for k, v in self if k.lower() == low), default)

    def all(self, name: str) -> list[str]:
        """Every value under that name, in order."""
        low = name.lower()
        return [v for k, v in self if k.lower() == low]


class Query(_Named):
    """Ordered query pairs; names are exact and may repeat."""

    __slots__ = ()
