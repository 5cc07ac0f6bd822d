"""What of a data file is probably not read as it was meant, and what would mend it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from mockforge_asgi.cli.sources.asking import Page
from mockforge_asgi.exact_json import Json
from mockforge_asgi.text import quote

SAMPLE_ROWS: Final = 1000
"""How many rows of a table are looked at."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d+)?", re.ASCII)
_COMMA: Final = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:,\d+)?", re.ASCII)
_GROUPED: Final = re.compile(r"-?[1-9]\d{0,2}(?:[.,' \u00a0\u202f]\d{3})+(?:[.,]\d+)?", re.ASCII)
_DATE: Final = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{4}", re.ASCII)
_BOOLEANS: Final = frozenset({"true", "false", "yes", "no"})
_MOST: Final = 0.8
"""The part of a column's values that must be numbers for the others to be told."""


def hints(kind: str, options: Mapping[str, Json], page: Page) -> Iterator[str]:
    """A line for each thing that is worth a look; none where all is well.

    `kind` is the source's, such as `csv`; `page` has first rows of one table.
    """
    empty = sum(all(value in (None, "") for value in row.values()) for row in page.rows)
    if kind in ("csv", "excel") and empty:
        yield f"{empty} of {len(page.rows)} rows have nothing in them: delete them in the sheet"
    for name in page.columns if kind in ("csv", "xml", "excel") else ():
        values = [value for row in page.rows if (value := row.get(name)) not in (None, "")]
        said = options.get("types")
        if values and not (isinstance(said, Mapping) and name in said):
            yield from (f"{name}: {words}" for words in _of_column(kind, options, name, values))


def _of_column(kind: str, options: Mapping[str, Json], name: str, values: Sequence[Json]) -> Iterator[str]:
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        if texts and all(isinstance(value, str | int) for value in values):
            yield f"numbers and texts in one column; {_as(name, 'text')} makes all of them text"
        return
    if all(map(_DATE.fullmatch, texts)):
        yield f"dates such as {quote(texts[0])} stay text, for day and month could be meant either way; write {_iso(texts[0])} for dates"
    elif any(map(_BOOLEANS.__contains__, map(str.lower, texts))) and all(text.lower() in _BOOLEANS for text in texts):
        yield from () if all(text in ("true", "false") for text in texts) else (f"{_as(name, 'boolean')} makes it boolean",)
    else:
        yield from _of_numbers(kind, options, texts)


def _of_numbers(kind: str, options: Mapping[str, Json], texts: Sequence[str]) -> Iterator[str]:
    has_comma = options.get("decimal") == ","
    fits: Callable[[str], object] = _COMMA.fullmatch if has_comma else _NUMBER.fullmatch
    others = [text for text in texts if not fits(text)]
    if not others:
        return
    grouped = [text for text in others if _GROUPED.fullmatch(text) and not _NUMBER.fullmatch(text) and not _COMMA.fullmatch(text)]
    if grouped and all(_GROUPED.fullmatch(text) or _COMMA.fullmatch(text) or _NUMBER.fullmatch(text) for text in texts):
        yield f"numbers such as {quote(grouped[0])} stay text: export it without separators of thousands"
    elif kind == "csv" and not has_comma and all(map(_COMMA.fullmatch, texts)):
        yield "numbers with decimal commas: --option decimal=, reads them as decimals"
    elif len(others) / len(texts) <= 1 - _MOST:
        told = ", ".join(map(quote, list(dict.fromkeys(others))[:3]))
        yield f"{len(texts) - len(others)} of {len(texts)} values are numbers, and the others make it text: {told}"


def _as(name: str, kind: str) -> str:
    return f"--option 'types={{{name}: {kind}}}'"


def _iso(text: str) -> str:
    day, month, year = re.split(r"[./-]", text)
    return f"{year}-{month:0>2}-{day:0>2}" if int(month) <= 12 else f"{year}-{day:0>2}-{month:0>2}"
