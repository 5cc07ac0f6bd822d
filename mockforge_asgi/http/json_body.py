"""JsonBody: a request's body as JSON, for all who look into it: conditions of routes, explanations, templates.

The only place where a client's body is read as JSON. It is read once, when somebody first asks, and within `bounded_json.CLIENT`; how many
bytes there are is decided by `body`.
"""

from __future__ import annotations

from typing import Final

from mockforge_asgi.bounded_json import CLIENT, BadJson, TooMuch, parse
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.types import Json
from mockforge_plugin.charset import decoded_json

NOWHERE: Final = object()
"""What a body holds at a place that it does not have."""


class JsonBody:
    """One body. What is not JSON, or over the bounds, has a `fault` and no value anywhere."""

    __slots__ = ("_content_type", "_data", "_fault", "_found", "_is_over", "_value")

    def __init__(self, data: bytes, content_type: str = "") -> None:
        self._data: bytes | None = data
        self._content_type = content_type
        self._value: Json = None
        self._fault, self._is_over = "", False
        self._found: dict[tuple[str | int, ...], Json] = {}

    @property
    def fault(self) -> str:
        """Why there is no value, as the end of "the body is ..."; empty where there is one."""
        self._read()
        return self._fault

    def value(self) -> Json:
        """The value; None where the body is not JSON. Raises RequestRejected (413) over the bounds."""
        self._read()
        if self._is_over:
            raise RequestRejected(413, f"the body is {self._fault}")
        return self._value

    def at(self, steps: tuple[str | int, ...]) -> Json:
        """The value there; NOWHERE where there is none."""
        if steps not in self._found:
            self._found[steps] = NOWHERE if self.fault else _reach(self._value, steps)
        return self._found[steps]

    def _read(self) -> None:
        if self._data is None:
            return
        data, self._data = self._data, None
        try:
            if not data.isascii() or 0 in data[:2]:
                data = decoded_json(data, self._content_type).encode()
            self._value = parse(data, CLIENT)
        except BadJson as error:
            self._fault, self._is_over = str(error), isinstance(error, TooMuch)
        except UnicodeError as error:
            self._fault = f"not JSON: {error}"
        except ValueError as error:
            self._fault = str(error)


def _reach(value: Json, steps: tuple[str | int, ...]) -> Json:
    for step in steps:
        if isinstance(value, str) or isinstance(value, dict) != isinstance(step, str):
            return NOWHERE
        try:
            value = value[step]
        except (LookupError, TypeError):
            return NOWHERE
    return value


EMPTY: Final = JsonBody(b"")
"""The body of a request that has none, whatever its type: one for all of them."""
