"""The tokens of an SQL text, as far as parameters and statements are found by them: what is quoted or a comment is one token.

PostgreSQL: documentation §4.1. MySQL and MariaDB: reference manual, Language Structure; texts are read as without NO_BACKSLASH_ESCAPES and
ANSI_QUOTES, modes that the source turns off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["word", "quoted", "comment", "parameter", "space", "other"]

_WORD: Final = r"(?P<word>[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*)"
_COMMON: Final = r"(?P<cast>::|:=)|(?P<parameter>:[A-Za-z_][A-Za-z0-9_]*)|(?P<space>\s+)|(?P<number>[0-9][0-9A-Za-z_.]*)|(?P<other>.)"
_POSTGRESQL: Final = re.compile(
    r"(?P<quoted>[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|[uU]&\"(?:[^\"]|\"\")*(?:\"|\Z)|'(?:[^']|'')*(?:'|\Z)|\"(?:[^\"]|\"\")*(?:\"|\Z)"
    r"|\$(?P<tag>(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?)\$.*?(?:\$(?P=tag)\$|\Z))"
    rf"|(?P<comment>--[^\r\n]*)|(?P<block>/\*)|{_WORD}|{_COMMON}",
    re.DOTALL,
)
_MYSQL: Final = re.compile(
    r"(?P<quoted>'(?:[^'\\]|\\.|'')*(?:'|\Z)|\"(?:[^\"\\]|\\.|\"\")*(?:\"|\Z)|`(?:[^`]|``)*(?:`|\Z))"
    rf"|(?P<comment>--(?=[\s\x00-\x1f]|\Z)[^\n]*|\#[^\n]*|/\*(?![!M]).*?(?:\*/|\Z))|(?P<block>/\*)|{_WORD}|{_COMMON}",
    re.DOTALL,
)
_NESTED: Final = re.compile(r"/\*|\*/")
_KINDS: Final[dict[str, Kind]] = {"word": "word", "quoted": "quoted", "comment": "comment", "parameter": "parameter", "space": "space"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text; all of them together are the text."""

    kind: Kind
    text: str


def tokens(text: str, *, is_mysql: bool) -> Iterator[Token]:
    """The tokens in order. A name after `:` is a parameter unless the colon stands right behind a name, number or bracket: `a[lo:hi]`.

    Raises ValueError for a comment of MySQL that is run (`/*! … */`), since what it means depends on the server.
    """
    at, before = 0, ""
    while at < len(text):
        found = (_MYSQL if is_mysql else _POSTGRESQL).match(text, at)
        assert found is not None and found.lastgroup is not None, "the last alternative takes any character"
        kind, end = found.lastgroup, found.end()
        if kind == "block":
            if is_mysql:
                raise ValueError("it has a comment that MySQL runs, /*! … */ or /*M! … */: write it without")
            kind, end = "comment", _end_of_comment(text, end)
        piece = text[at:end]
        if kind == "parameter" and (before.isalnum() or before in ("_", "]", ")", '"', ":")):
            piece, end, kind = ":", at + 1, "other"
        yield Token(_KINDS.get("quoted" if kind == "tag" else kind, "other"), piece)
        at, before = end, piece[-1]


def _end_of_comment(text: str, at: int) -> int:
    """Where a comment of PostgreSQL ends, in which others may stand."""
    depth = 1
    while depth:
        found = _NESTED.search(text, at)
        if found is None:
            return len(text)
        depth, at = depth + (1 if found[0] == "/*" else -1), found.end()
    return at
