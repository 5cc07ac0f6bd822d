"""Large JSON files, read as a stream, so that their size does not count (ijson)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import ijson

from mockforge_plugin.engines.tables.sheets import BadFile, Sheet

MAX_DEPTH: Final = 200
"""For each value the parser writes out its whole path: without a bound, deep ones would take all memory."""
_OPENING, _CLOSING = frozenset({"start_map", "start_array"}), frozenset({"end_map", "end_array"})
_MARK: Final = b"\xef\xbb\xbf"


def as_row(value: Any) -> Mapping[str, Any]:
    """An object as it is; anything else as the one column `value`."""
    return value if isinstance(value, dict) else {"value": value}


class JsonStream:
    """One file, which is looked through once before rows are read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tables(self, name: str) -> Sequence[Sheet]:
        """The list that the file is; of an object, each list and each object in it. Raises BadFile."""
        with self._opened() as file:
            is_list, members = _looked_through(file)
        if is_list:
            return [self._sheet(name, "item")]
        if not members:
            raise BadFile("it is an object without lists or objects in it; say where the rows are, such as `rows: $.items[*]`")
        return [self._sheet(key, prefix) for key, prefix in members.items()]

    def table(self, name: str, prefix: str) -> Sheet:
        """The values at a place that ijson calls so. Raises BadFile."""
        with self._opened() as file:
            _looked_through(file)
        return self._sheet(name, prefix)

    def _sheet(self, name: str, prefix: str) -> Sheet:
        return Sheet(name, lambda: self._rows(prefix))

    def _rows(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        with self._opened() as file:
            for value in ijson.items(file, prefix):
                yield as_row(value)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with self._path.open("rb") as file:
            if file.read(len(_MARK)) != _MARK:
                file.seek(0)
            try:
                yield file
            except (ijson.JSONError, ValueError) as error:
                why = " ".join(str(error).split())[:200]
                raise BadFile(f"it is no JSON that can be read, before or in byte {file.tell()}: {why}") from None


def _looked_through(file: IO[bytes]) -> tuple[bool, dict[str, str]]:
    """(whether it is a list, of an object ijson's name of the rows in each list and object right below the top). Raises BadFile."""
    depth, key, is_list, members = 0, "", False, dict[str, str]()
    for event, value in ijson.basic_parse(file):
        if event in _OPENING:
            if depth == 0:
                is_list = event == "start_array"
            elif depth == 1 and not is_list:
                members[key] = f"{key}.item" if event == "start_array" else key
            elif depth >= MAX_DEPTH:
                raise BadFile(f"it is nested more than {MAX_DEPTH} deep")
            depth += 1
        elif event in _CLOSING:
            depth -= 1
        elif depth == 1 and event == "map_key":
            key = value
        elif depth == 0:
            raise BadFile("it is neither a list nor an object: there are no rows in it")
    return is_list, members
