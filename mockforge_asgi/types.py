"""The ASGI types and the JSON payload that all layers share. Holds no behaviour beyond encoding a payload at most once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockforge_asgi.exact_json import dumps, loads

Json: TypeAlias = Any
"""A JSON value."""

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Header pairs as ASGI carries them: lower-case names."""


class Document:
    """One JSON payload, kept as bytes, as a value, or both: each form is made at most once."""

    __slots__ = ("_json", "_value")

    def __init__(self, value: Json = None, *, json: bytes | None = None) -> None:
        self._value, self._json = value, json

    @classmethod
    def of_json(cls, json: bytes) -> Document:
        """A document from its UTF-8 JSON text."""
        return cls(json=json)

    @classmethod
    def around(cls, inner: Document, name: str, rest: Mapping[str, Json]) -> Document:
        """An object that holds `inner` under that name beside the rest; the inner document's text is not made again."""
        return _Around(inner, name, rest)

    @property
    def json(self) -> bytes:
        """The document as UTF-8 JSON text."""
        if self._json is None:
            self._json = dumps(self._value)
        return self._json

    @property
    def value(self) -> Json:
        """The document as Python data; shared, so never changed by who reads it."""
        if self._value is None and self._json is not None:
            self._value = loads(self._json)
        return self._value


class _Around(Document):
    __slots__ = ("_inner", "_name", "_rest")

    def __init__(self, inner: Document, name: str, rest: Mapping[str, Json]) -> None:
        super().__init__()
        self._inner, self._name, self._rest = inner, name, rest

    @property
    def json(self) -> bytes:
        if self._json is None:
            tail = dumps(self._rest)
            self._json = b'{"%b":%b%b%b' % (self._name.encode(), self._inner.json, b"," if self._rest else b"", tail[1:])
        return self._json

    @property
    def value(self) -> Json:
        if self._value is None:
            self._value = {self._name: self._inner.value, **self._rest}
        return self._value


NOTHING: Final = Document({})
"""The empty document, for operations without input."""

__all__ = ["NOTHING", "ASGIApp", "Document", "Headers", "Json", "Message", "Receive", "Scope", "Send"]
