"""Kinds of columns: how each type of the contract is kept in SQLite, and of which type a column is.

What a file's text says is never changed: a type is found only where writing the value gives the very same text again. So `00123`, `1e5`,
`TRUE` and numbers of more than 18 digits stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson

from mockforge_plugin.operations.cells import interval

PREFIX: Final = "mockforge_"
DECLARED: Final[Mapping[str, str]] = {
    "text": "text",
    "integer": "int",
    "float": "real",
    "boolean": "int",
    "decimal": "text collate mockforge_decimal",
    "date": "text",
    "time": "text",
    "datetime": "text",
    "interval": "text",
    "uuid": "text",
    "binary": "blob",
    "json": "text",
    "any": "blob",
}
"""The kinds, and what SQLite makes of each (https://www.sqlite.org/datatype3.html §3.1). `any`: integers and texts in one column."""

WORDS: Final = {kind: PREFIX + ("duration" if kind == "interval" else kind) for kind in DECLARED}
"""The first word of a column's declared type: SQLite would take the `int` of `interval` for a number."""
KINDS: Final = {word: kind for kind, word in WORDS.items()}

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,100})?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_BOOLEAN: Final = re.compile(r"true|false", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", re.ASCII)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
_DATETIME: Final = re.compile(rf"{_DATE.pattern}[T ]{_CLOCK}", re.ASCII)
_TIME: Final = re.compile(_CLOCK, re.ASCII)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})

_FOUND_IN_TEXT: Final = (("integer", _INTEGER), ("decimal", _DECIMAL), ("boolean", _BOOLEAN), ("date", _DATE), ("datetime", _DATETIME))
"""Kinds that text is found to be of, the first that fits."""


def declaration(kind: str) -> str:
    """The declared type of a column of that kind."""
    return f"{WORDS[kind]} {DECLARED[kind]}"


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def collate_decimals(left: str, right: str) -> int:
    """Compares texts as the numbers that they write, exactly; what is no number stands behind all numbers."""
    try:
        a, b = float(left), float(right)
        if a != b:
            return -1 if a < b else 1
        exact, other = Decimal(left), Decimal(right)
        return (exact > other) - (exact < other)
    except (ValueError, ArithmeticError):
        keys = (_NUMBER.fullmatch(left) is None, left), (_NUMBER.fullmatch(right) is None, right)
        return (keys[0] > keys[1]) - (keys[0] < keys[1])


class TextColumn:
    """Finds the kind of a column of texts. `nulls` are texts that stand for null where the kind is not text."""

    def __init__(self, nulls: frozenset[str], decimal_comma: bool = False) -> None:
        self._nulls, self._comma = nulls, decimal_comma
        self._left = list(_FOUND_IN_TEXT)
        self._is_blank = True

    def add(self, cells: Iterable[str]) -> None:
        """Look at some of its cells."""
        if not self._left:
            return
        found = set(cells) - self._nulls
        if not found:
            return
        self._is_blank = False
        numbers = _pointed(found) if self._comma else found
        self._left = [(kind, form) for kind, form in self._left if all(map(form.fullmatch, numbers if kind == "decimal" else found))]

    @property
    def kind(self) -> str:
        """What it is, as far as it is known."""
        return "text" if self._is_blank or not self._left else self._left[0][0]


def _pointed(found: Collection[str]) -> list[str]:
    """Numbers with a point where they had a comma; with a point, they are no numbers."""
    return [text.replace(",", ".") if "." not in text else "" for text in found]


_TYPED: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    Decimal: "decimal",
    str: "text",
    date: "date",
    datetime: "datetime",
    time: "time",
    timedelta: "interval",
    list: "json",
    dict: "json",
}


class TypedColumn:
    """Finds the kind of a column whose cells have types of Python."""

    def __init__(self) -> None:
        self._types: set[type] = set()
        self._is_long = False

    def add(self, cells: Sequence[Any]) -> None:
        """Look at some of its cells."""
        types = set(map(type, cells))
        self._types |= types
        if int in types and not self._is_long:
            self._is_long = any(type(cell) is int and not -(2**63) <= cell < 2**63 for cell in cells)

    @property
    def is_of_text(self) -> bool:
        """Whether all of its cells were texts so far."""
        return self._types == {str}

    @property
    def kind(self) -> str:
        """What it is."""
        types = self._types - {type(None)}
        if not types:
            return "text"
        if types <= {int, Decimal}:
            return "decimal" if self._is_long or Decimal in types else "integer"
        if len(types) == 1:
            return _TYPED.get(next(iter(types)), "text")
        return "any" if types <= {int, str} and not self._is_long else "json"


def keep_typed(kind: str) -> Callable[[Any], Any] | None:
    """Makes a cell with a type of Python what SQLite keeps for it; None: it is that already."""
    return _KEPT.get(kind)


def _text_or_null(write: Callable[[Any], str]) -> Callable[[Any], Any]:
    return lambda cell: None if cell is None else write(cell)


def json_text(cell: Any) -> str:
    """JSON that keeps the digits of decimals. Raises ValueError for what is too deep."""
    try:
        return orjson.dumps(cell, default=_exact).decode()
    except TypeError as error:
        raise ValueError(f"it cannot be kept as JSON ({error})") from None


def _exact(value: object) -> Any:
    if isinstance(value, Decimal | int):
        return orjson.Fragment(str(value))
    if isinstance(value, timedelta):
        return interval(value)
    raise TypeError(f"a {type(value).__name__}")


_KEPT: Final[dict[str, Callable[[Any], Any]]] = {
    "decimal": _text_or_null(str),
    "date": _text_or_null(date.isoformat),
    "datetime": _text_or_null(datetime.isoformat),
    "time": _text_or_null(time.isoformat),
    "interval": _text_or_null(interval),
    "json": _text_or_null(json_text),
}


def _boolean(text: str) -> int:
    word = text.strip().lower()
    if word not in _TRUE and word not in _FALSE:
        raise ValueError("is no boolean; write true or false (yes, no, 1, 0)")
    return int(word in _TRUE)


def _integer(text: str) -> int:
    number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text.strip(), re.ASCII) else None
    if number is None or not -(2**63) <= number < 2**63:
        raise ValueError("is no integer of 64 bits")
    return number


def _formed(form: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(f"is no {what}")
        return text

    return check


def _number(text: str) -> str:
    bare = text.strip()
    if not _NUMBER.fullmatch(bare):
        raise ValueError("is no number")
    sign, digits = ("-", bare[1:]) if bare[0] == "-" else ("", bare.lstrip("+"))
    whole, rest = re.fullmatch(r"0*([0-9]+)(.*)", digits, re.ASCII).groups()  # type: ignore[union-attr]  # it is a number
    return sign + whole + rest


def _json(text: str) -> str:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError("is no JSON") from None
    return text


_READ: Final[dict[str, Callable[[str], Any]]] = {
    "text": str,
    "integer": _integer,
    "float": lambda text: float(_number(text)),
    "boolean": _boolean,
    "decimal": _number,
    "date": _formed(_DATE, "date such as 2026-01-31"),
    "time": _formed(_TIME, "time such as 23:59:59"),
    "datetime": _formed(_DATETIME, "date with time such as 2026-01-31T23:59:59Z"),
    "uuid": _formed(_UUID, "UUID"),
    "json": _json,
}
READABLE: Final = frozenset(_READ)
"""The types that an operator may give a column."""


def read_as(kind: str, cell: Any, nulls: frozenset[str]) -> Any:
    """A cell as the operator says it is. Raises ValueError with the end of a sentence."""
    if cell is None or (type(cell) is str and kind != "text" and cell in nulls):
        return None
    if type(cell) in (list, dict):
        if kind != "json":
            raise ValueError("is a list or an object")
        return json_text(cell)
    if type(cell) is bool:
        cell = "true" if cell else "false"
    return _READ[kind](cell if type(cell) is str else cell.isoformat() if isinstance(cell, date | time) else str(cell))
