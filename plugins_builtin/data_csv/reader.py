"""A CSV file as rows (RFC 4180, and what spreadsheets make of it)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mockforge_plugin.engines.tables.sheets import BadFile, Sheet, checked_names

from .encoding import bad_byte, encoding_of, opened

DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLE_CHARS: Final = 1 << 16
_SAMPLE_ROWS: Final = 50
MAX_FIELD_CHARS: Final = 16 << 20


def read_csv(path: Path, config: Mapping[str, Any]) -> Sequence[Sheet]:
    """The one table of the file. Raises BadFile, OSError."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
    file = _CsvFile(path, encoding_of(path, config.get("encoding")), config)
    return [Sheet(config.get("table") or path.stem, file.rows, file.columns, is_text=True, where=file.line_of)]


class _CsvFile:
    def __init__(self, path: Path, encoding: str, config: Mapping[str, Any]) -> None:
        self._path, self._encoding = path, encoding
        with self._checked(), opened(path, encoding) as text:
            sample = text.read(_SAMPLE_CHARS)
        self._delimiter = config.get("delimiter") or sniffed(sample)
        said = config.get("header", True)
        self._has_header = said is True
        with self._read() as reader:
            first = next((row for row in reader if row), None)
        if first is None:
            raise BadFile("it is empty: it has not even a line with the names of columns")
        self.columns = checked_names(_named(first if said is True else said if said else [""] * len(first)))

    def rows(self) -> Iterator[Sequence[str]]:
        """The rows, from the first on."""
        width = len(self.columns)
        with self._read() as reader:
            if self._has_header:
                next((row for row in reader if row), None)
            for row in reader:
                if len(row) == width:
                    yield row
                elif row:
                    raise BadFile(f"it has {len(row)} fields, and there are {width} columns", line=reader.line_num)

    def line_of(self, row: int) -> int | None:
        """The line that a row ends in."""
        with self._read() as reader:
            lines = (reader.line_num for row in reader if row)
            return next(islice(lines, row + self._has_header, None), None)

    @contextmanager
    def _read(self) -> Iterator[Any]:
        """The `csv.reader`; lines without anything in them are none. Raises BadFile."""
        with self._checked(), opened(self._path, self._encoding) as text:
            reader = csv.reader(text, delimiter=self._delimiter, strict=True)
            try:
                yield reader
            except csv.Error as error:
                raise BadFile(_words(str(error)), line=reader.line_num) from None

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except UnicodeError:
            raise bad_byte(self._path, self._encoding) from None


def _named(header: Sequence[str]) -> list[str]:
    """The names of columns; one without a name has that of its place."""
    return [name.strip() or f"column_{number}" for number, name in enumerate(header, 1)]


_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("unexpected end of data", 'a field in quotation marks (") is never closed; it may begin many lines above'),
    ("expected after", 'text stands behind the quotation mark (") that closes a field; within a field it is written twice'),
    ("field larger than", f"a field has more than {MAX_FIELD_CHARS >> 20} Mi characters; a quotation mark may be missing"),
    ("line contains NUL", "it has a NUL character; the file is no text"),
)


def _words(error: str) -> str:
    return next((words for part, words in _WORDS if part in error), error)


def sniffed(sample: str) -> str:
    """The delimiter of a text's first lines: the one that gives most lines the same number of fields, at least two."""

    def score(delimiter: str) -> tuple[int, int]:
        widths: Counter[int] = Counter()
        rows: Callable[[], Iterator[list[str]]] = lambda: csv.reader(sample.splitlines(keepends=True), delimiter=delimiter)  # noqa: E731
        try:
            widths.update(len(row) for row in islice(rows(), _SAMPLE_ROWS) if row)
        except csv.Error:
            return 0, 0
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        return (0, 0) if width < 2 else (count, width)

    return max(DELIMITERS, key=score)
