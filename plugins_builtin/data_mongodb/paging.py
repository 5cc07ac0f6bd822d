"""Pages: after the last row's own values where rows have an order (keyset), else after so many rows.

MongoDB compares values of one kind only, and sorts kinds one after the other (BSON comparison order); null and what is missing sort alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bson import Decimal128, Int64, ObjectId, json_util

from mockforge_plugin import PluginError

_OPTIONS: Final = json_util.JSONOptions(tz_aware=True, uuid_representation=4, json_mode=json_util.JSONMode.CANONICAL)
_BRACKETS: Final[tuple[tuple[str, ...], ...]] = (
    ("minKey",), ("null",), ("int", "long", "double", "decimal"), ("string",), ("object",), ("array",), ("binData",), ("objectId",),
    ("bool",), ("date",), ("timestamp",), ("regex",), ("maxKey",),
)  # fmt: skip
_PLACES: Final[dict[type, int]] = {
    type(None): 1, int: 2, Int64: 2, float: 2, Decimal128: 2, str: 3, UUID: 6, bytes: 6, ObjectId: 7, bool: 8, datetime: 9,
}  # fmt: skip


MAX_CHARS: Final = 1500


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: behind a row with these values, and then after so many rows."""

    after: tuple[Any, ...] | None = None
    skip: int = 0

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        """Raises PluginError for what is none of ours."""
        if text is None:
            return cls()
        try:
            values, skip = json_util.loads(text, json_options=_OPTIONS)
            return cls(None if values is None else tuple(values), int(skip))
        except (ValueError, TypeError):
            raise PluginError("the cursor is none of this source", code="invalid_input") from None

    def following(self, last: Mapping[str, Any], order: Sequence[tuple[str, int]], given: int) -> str:
        """The cursor behind that row, which ended a page of so many rows."""
        values = [_at(last, name) for name, _ in order]
        if order and all(_is_comparable(value) for value in values):
            text = json_util.dumps([values, 0], json_options=_OPTIONS, separators=(",", ":"))
            if len(text) <= MAX_CHARS:
                return text
        before = None if self.after is None else list(self.after)
        return json_util.dumps([before, self.skip + given], json_options=_OPTIONS, separators=(",", ":"))


def after(values: Sequence[Any], order: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """The condition of rows behind those values in that order."""
    choices = []
    for place, (name, direction) in enumerate(order):
        same = [{field: {"$eq": value}} for (field, _), value in zip(order[:place], values, strict=False)]
        choices += [{"$and": [*same, beyond]} for beyond in _beyond(name, direction, values[place])]
    return {"$or": choices} if choices else {"$nor": [{}]}


def _beyond(name: str, direction: int, value: Any) -> list[dict[str, Any]]:
    """What comes behind a value: larger ones of its kind, and all kinds that are larger; or the other way."""
    bracket = _PLACES[type(value)]
    found: list[dict[str, Any]] = [] if value is None else [{name: {"$gt" if direction == 1 else "$lt": value}}]
    rest = _BRACKETS[bracket + 1 :] if direction == 1 else _BRACKETS[:bracket]
    types = [kind for kinds in rest for kind in kinds if kind != "null"]
    if direction == -1 and bracket > 1:
        found.append({name: {"$eq": None}})  # what is missing, too
    return [*found, {name: {"$type": types}}]


def _is_comparable(value: Any) -> bool:
    return type(value) in _PLACES and value == value and not (isinstance(value, Decimal128) and value.to_decimal().is_nan())


def _at(document: Mapping[str, Any], name: str) -> Any:
    """A field's value; a list within the way has no one value, and is given as it is."""
    found: Any = document
    for part in name.split("."):
        if isinstance(found, list):
            return found
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
