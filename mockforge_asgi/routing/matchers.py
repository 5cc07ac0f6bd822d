"""Matchers: what a route asks of a request beyond method and path: headers, query parameters, and values in a JSON body.

Each is a frozen value that answers `holds`, and says in words why it does not. Regular expressions run on a linear-time engine
and must match the whole value. Which route is asked first is `index`'s affair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

import orjson
import re2

from mockforge_asgi.exact_json import dumps, same
from mockforge_asgi.http.headers import SENSITIVE_HEADERS
from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.types import Json

MAX_EXPRESSION: Final = 1000
"""The longest regular expression accepted, in characters."""
MAX_REGEX_MEMORY: Final = 1 << 20
"""Bytes that one compiled expression may take; bounds repeats such as `(a{1000}){1000}`."""
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,9})\]")


class MatcherError(ValueError):
    """A matcher cannot be used; the message says why."""


class Matcher(Protocol):
    """One condition of a route."""

    needs_body: ClassVar[bool]
    """Whether the body must have been read."""

    def holds(self, request: RequestSnapshot, body: JsonBody | None) -> bool:
        """Whether the request fulfils it."""
        ...

    def why_not(self, request: RequestSnapshot, body: JsonBody | None) -> str:
        """In words, for the developer: what was wanted and what was there."""
        ...


@dataclass(frozen=True, slots=True)
class Test:
    """A condition on one text value. `op`: equals, contains, regex."""

    op: str
    text: str
    _compiled: Any = field(default=None, compare=False, repr=False)

    __test__ = False

    @classmethod
    def of(cls, op: str, text: str) -> Test:
        """A test made ready. Raises MatcherError."""
        if op not in ("equals", "contains", "regex"):
            raise MatcherError(f"{op!r} is not one of equals, contains, regex")
        if op != "regex":
            return cls(op, text)
        if len(text) > MAX_EXPRESSION:
            raise MatcherError(f"regular expression is longer than {MAX_EXPRESSION} characters")
        options = re2.Options()
        options.max_mem, options.log_errors = MAX_REGEX_MEMORY, False
        try:
            return cls(op, text, re2.compile(text, options))
        except re2.error as error:
            raise MatcherError(f"regular expression {text!r}: {_words(error)}") from None

    def holds(self, value: str) -> bool:
        """Whether the value passes."""
        if self.op == "equals":
            return value == self.text
        if self.op == "contains":
            return self.text in value
        try:
            return self._compiled.fullmatch(value) is not None
        except UnicodeEncodeError:
            return False

    def __str__(self) -> str:
        return f"{self.op} {self.text!r}"


def _words(error: Exception) -> str:
    text = error.args[0] if error.args else error
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


@dataclass(frozen=True, slots=True)
class FieldMatcher:
    """A condition on a header (`place` is "header") or query parameter ("query"); any of its values may pass. `tests` empty: presence."""

    place: str
    name: str
    tests: tuple[Test, ...] = ()
    is_absent: bool = False
    needs_body: ClassVar[bool] = False

    def _values(self, request: RequestSnapshot) -> list[str]:
        name = self.name
        return [v for k, v in (request.headers if self.place == "header" else request.query) if k == name]

    def holds(self, request: RequestSnapshot, body: JsonBody | None) -> bool:
        """Whether the field is as wanted."""
        values = self._values(request)
        if self.is_absent or not values:
            return self.is_absent and not values
        return all(any(test.holds(value) for value in values) for test in self.tests)

    def why_not(self, request: RequestSnapshot, body: JsonBody | None) -> str:
        """In words."""
        values = self._values(request)
        if self.is_absent:
            return f"{self.place} {self.name!r} must be absent, but is there"
        if not values:
            return f"{self.place} {self.name!r} is missing"
        # The value itself may be a credential, and this text may reach a page or a log; what is wanted of some headers is one.
        if self.place == "header" and self.name in SENSITIVE_HEADERS:
            return f"{self.place} {self.name!r} is there, but not as wanted"
        wanted = " and ".join(str(test) for test in self.tests if not any(test.holds(value) for value in values))
        return f"{self.place} {self.name!r} is there, but not {wanted}"


@dataclass(frozen=True, slots=True)
class BodyMatcher:
    """A condition on the JSON body: the value at `path` (`user.tags[0]`, or "" for all of it) equals `value`, types included."""

    path: str
    steps: tuple[str | int, ...]
    text: str
    """The wanted value as JSON text with sorted keys."""
    value: Json = field(compare=False, repr=False)
    needs_body: ClassVar[bool] = True

    @classmethod
    def of(cls, path: str, value: Json) -> BodyMatcher:
        """A matcher made ready. Raises MatcherError."""
        steps: list[str | int] = []
        at, text = 0, path.removeprefix("$").removeprefix(".")
        while at < len(text):
            found = _STEP.match(text, at)
            if found is None:
                raise MatcherError(f"body path {path!r} is not like 'user.tags[0]'")
            steps.append(found.group(1) if found.group(1) is not None else int(found.group(2)))
            at = found.end()
        return cls(path, tuple(steps), dumps(value, option=orjson.OPT_SORT_KEYS).decode(), value)

    def holds(self, request: RequestSnapshot, body: JsonBody | None) -> bool:
        """Whether the body has that value there."""
        return body is not None and same(self.value, body.at(self.steps))

    def why_not(self, request: RequestSnapshot, body: JsonBody | None) -> str:
        """In words."""
        if body is not None and body.fault:
            return f"the body is {body.fault}"
        return f"the body's {self.path or 'JSON'} is not {self.text}"


def field_matcher(place: str, name: str, condition: Json) -> FieldMatcher:
    """A matcher from its written form: a text (equals), true or false (present, absent), or a mapping of
    `equals`, `contains`, `regex`, `present`, `absent` that must all hold. Raises MatcherError."""
    if place == "header":
        name = name.lower()
    if isinstance(condition, bool):
        return FieldMatcher(place, name, is_absent=not condition)
    if isinstance(condition, str | int | float):
        return FieldMatcher(place, name, (Test.of("equals", str(condition)),))
    if not isinstance(condition, Mapping) or not condition:
        raise MatcherError(f"{place} {name!r}: a matcher is a text, true, false, or a mapping of equals, contains, regex, present, absent")
    presence = {op: bool(value) for op, value in condition.items() if op in ("present", "absent")}
    tests = tuple(Test.of(op, str(text)) for op, value in condition.items() if op not in presence for text in _list(value))
    is_absent = presence.get("absent", False) or presence.get("present") is False
    if is_absent and (tests or presence.get("present")):
        raise MatcherError(f"{place} {name!r}: what is absent cannot have a value as well")
    return FieldMatcher(place, name, tests, is_absent)


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list | tuple) else [value]
