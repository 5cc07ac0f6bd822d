"""Token templates: `{{uuid}}`, `{{now+1d}}`, `{{path.id}}`, `"$random.int"`, for texts written for other MockForge products.

A template whose name has `.tokens` before its suffix (`order.tokens.json`) is written so. A token is replaced by a value each time it
stands there; one that is unknown, or whose value is not there, stays as it is. There are no loops, conditions or filters.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from mockforge_asgi.templates.bounds.environment import Exposed
from mockforge_asgi.templates.bounds.meter import meter
from mockforge_asgi.templates.faker import Faker
from mockforge_asgi.templates.formats import Format, NotPrintable
from mockforge_asgi.templates.functions import generator, make_uuid, offset, rand_float, rand_hex, rand_int, show_time
from mockforge_asgi.types import Json

Values: TypeAlias = Mapping[str, Any]
"""`request` (exposed) and the response's variables."""

Maker: TypeAlias = Callable[[Values], Json]

_TOKEN: Final = re.compile(r'\{\{[ \t]{0,20}([^{}\n]{1,200}?)[ \t]{0,20}\}\}|"\$((?:random|faker)\.[a-z_.]{1,60})"')
_RANGE: Final = re.compile(r"(?:randInt|rand\.int)\s+(-?\d{1,15})\s+(-?\d{1,15})", re.ASCII)
_ALPHANUMERIC: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_RANDOM: Final[Mapping[str, Maker]] = {
    "uuid": lambda values: make_uuid(),
    "faker.uuid": lambda values: make_uuid(),
    "rand.int": lambda values: rand_int(),
    "rand.float": lambda values: rand_float(),
    "random.int": lambda values: rand_int(),
    "random.int.small": lambda values: rand_int(0, 100),
    "random.int.large": lambda values: rand_int(0, 1_000_000_000),
    "random.float": lambda values: rand_float(),
    "random.bool": lambda values: generator().random() < 0.5,
    "random.uuid": lambda values: make_uuid(),
    "random.hex": lambda values: rand_hex(32),
    "random.hex.short": lambda values: rand_hex(8),
    "random.alphanumeric": lambda values: "".join(generator().choices(_ALPHANUMERIC, k=10)),
}

_FAKER: Final = {
    "email": "email",
    "name": "name",
    "address": "address",
    "phone": "phone_number",
    "company": "company",
    "url": "url",
    "ip": "ipv4",
    "color": "color_name",
    "word": "word",
    "sentence": "sentence",
    "paragraph": "paragraph",
}
_HEAD: Final = {"method": "method", "path": "path"}
_PLACES: Final = {"path": "path_params", "query": "query", "headers": "headers", "body": "json"}


class TokenTemplate:
    """A text with tokens, cut once. `needs_body`: some token names the body."""

    __slots__ = ("_format", "_parts", "needs_body")

    def __init__(self, text: str, format: Format, clock: Callable[[], float] = time.time) -> None:
        self._format = format
        self._parts: list[str | tuple[str, Maker]] = []
        self.needs_body = False
        at = 0
        for found in _TOKEN.finditer(text):
            maker = self._maker(found.group(1) or found.group(2), clock)
            if maker is not None:
                self._parts += [text[at : found.start()], (found.group(), maker)]
                at = found.end()
        self._parts.append(text[at:])

    def _maker(self, token: str, clock: Callable[[], float]) -> Maker | None:
        token = token.removeprefix("request.")
        if token in _RANDOM:
            return _RANDOM[token]
        if token[:3] == "now":
            return _time(token[3:], clock)
        if (found := _RANGE.fullmatch(token)) is not None:
            low, high = sorted(map(int, found.groups()))
            return lambda values: rand_int(low, high)
        if token.startswith("faker."):
            provider = _FAKER.get(token[6:])
            return None if provider is None else lambda values: Faker().builtin(provider)()
        if token in _HEAD:
            return lambda values: values["request"].expose(token)
        place, dot, rest = token.partition(".")
        if dot and place in _PLACES:
            self.needs_body = self.needs_body or place == "body"
            return lambda values: _reach(values["request"].expose(_PLACES[place]), rest)
        return (lambda values: _reach(values, token)) if token.replace(".", "_").replace("-", "_").isidentifier() else None

    def parts(self, values: Values) -> Iterator[str]:
        """The text in pieces, every token replaced."""
        for part in self._parts:
            yield part if isinstance(part, str) else self._put(part[0], part[1], values)

    def _put(self, written: str, maker: Maker, values: Values) -> str:
        meter().step()
        try:
            value = maker(values)
            if written[0] != '"':
                return self._format.put(value)
            # `"$random.int"` is a whole value: in JSON the quotes go with it unless it is text.
            whole = isinstance(value, str) or self._format.name != "json"
            return f'"{self._format.put(value)}"' if whole else self._format.put(value)
        except (KeyError, IndexError, NotPrintable):
            return written


def _time(shift: str, clock: Callable[[], float]) -> Maker | None:
    try:
        delta = offset(shift)
    except ValueError:
        return None
    return lambda values: show_time(datetime.fromtimestamp(clock(), UTC) + delta)


def _reach(value: Any, path: str) -> Json:
    if isinstance(value, Exposed):
        return value.expose(path)
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for step in path.split("."):
        if isinstance(value, list) and step.isdecimal():
            value = value[int(step)]
        elif isinstance(value, Mapping):
            value = value[step]
        else:
            raise KeyError(step)
    return value
