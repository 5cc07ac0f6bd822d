"""Statements: SQL texts with `:name` where parameters stand, looked at once, and rendered for each query."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mockforge_plugin.engines.sql.lexer import tokens

READS: Final = frozenset({"select", "with", "values", "table", "show", "explain", "describe", "desc"})
"""What a query that does not write may begin with."""
_ROWS: Final = frozenset({"select", "with", "values", "table"})
_STATEFUL: Final = frozenset(
    """get_lock set_config setseed pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared dblink_connect
    dblink_connect_u pg_export_snapshot""".split()
)
"""Functions that leave something behind in the session: locks, settings, connections."""
_TAILS: Final = frozenset({"limit", "offset", "fetch", "for", "into", "lock", "procedure"})
"""Words behind which nothing may be appended to a statement."""
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where a parameter stands."""

    name: str


Piece = str | Parameter


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `verb` is its first word, in small letters; `has_tail`: it has a LIMIT or the like of its own; `words` are all that
    stand in no quotes and no comment."""

    pieces: tuple[Piece, ...]
    verb: str
    has_tail: bool
    words: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(piece.name for piece in self.pieces if isinstance(piece, Parameter))

    @property
    def gives_rows(self) -> bool:
        """Whether it may stand within another query."""
        return self.verb in _ROWS

    @property
    def leaves_state(self) -> bool:
        """Whether whoever had its connection next might see what it left there; an assignment (`:=`) sets a variable of MySQL's."""
        return not _STATEFUL.isdisjoint(self.words) or any(":=" in piece for piece in self.pieces if isinstance(piece, str))

    @property
    def is_read(self) -> bool:
        """Whether it begins as one that reads; whether it does is for the database to guard."""
        return self.verb in READS


def rendered(pieces: Iterable[Piece], bind: Callable[[str], str]) -> str:
    """The text, with what `bind` gives for each parameter's name."""
    return "".join([piece if type(piece) is str else bind(piece.name) for piece in pieces])  # type: ignore[union-attr]


@lru_cache(maxsize=1024)
def parsed(text: str, *, is_mysql: bool) -> Statement:
    """The statement of a text, without the semicolon at its end. Raises ValueError, with words behind "the query": none, or several."""
    pieces: list[Piece] = []
    words: list[str] = []
    depth, has_tail, has_ended = 0, False, False
    for token in tokens(text, is_mysql=is_mysql):
        is_text = token.kind not in ("space", "comment")
        if has_ended and is_text and token.text != ";":
            raise ValueError("has several statements: write one, or a list of them with `write: true`")
        if token.text == ";":
            has_ended = True
            continue
        if token.kind == "parameter":
            pieces.append(Parameter(token.text[1:]))
            continue
        if token.kind == "word":
            word = token.text.lower()
            has_tail = has_tail or (not depth and word in _TAILS)
            words.append(word)
        elif token.kind == "other":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
        pieces.append(token.text)
    if not words:
        raise ValueError("is empty")
    return Statement(_joined(pieces), words[0], has_tail, frozenset(words))


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The same with neighbouring texts as one."""
    made: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and made and isinstance(made[-1], str):
            made[-1] += piece
        else:
            made.append(piece)
    return tuple(made)
