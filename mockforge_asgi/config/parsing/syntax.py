"""What a YAML parser says of a text that is not YAML, in words with a remedy."""

from __future__ import annotations

import re

import yaml

from mockforge_asgi.errors import Problem
from mockforge_asgi.text import clip

_SYNTAX = (
    (
        "mapping values are not allowed",
        "a ':' starts a value where none may stand.",
        "Quote text that contains ': ', or check the indentation.",
    ),
    ("expected ':'", "a key without ':' stands here.", "Write `key: value`, or quote the text."),
    ("expected ',' or", "a bracket is not closed, or a text with brackets in it not quoted.", 'Close it, or quote: "/hello/{name}".'),
    ("end of stream", "a quote or bracket is not closed.", "Close it."),
    ("unexpected end", "a quote or bracket is not closed.", "Close it."),
)


def syntax_problem(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    """What the parser says of the text, and what to do about it."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    rows = text.splitlines()
    char = rows[line][column : column + 1] if line < len(rows) else ""
    said = str(error.problem or error.context or "")
    if "expected ':'" in said:  # noticed where the next line begins
        line = next((n for n in range(min(line, len(rows)) - 1, -1, -1) if rows[n].strip()), line)
    place = f"{name}:{line + 1}"
    if "cannot start any token" in said and char == "\t":
        return Problem(place, "a tab is used for indentation.", "Use spaces.")
    if "cannot start any token" in said:
        return Problem(place, f"'{clip(char)}' cannot start a value.", "Put the text in quotes.")
    if any(sign in said for sign in ("expected <block end>", "did not find expected key", "expected '-' indicator")):
        return Problem(place, *_indentation(rows[line] if line < len(rows) else "", is_list="'-'" in said))
    for sign, what, remedy in _SYNTAX:
        if sign in said:
            return Problem(place, what, remedy)
    return Problem(place, f"is not YAML: {clip(said, 200)}.")


def _indentation(row: str, *, is_list: bool) -> tuple[str, str]:
    if row.lstrip().startswith("-"):
        return "the indentation does not fit the list above.", "Line its '-' up under each other."
    if is_list:
        return "a line without '-' stands among the entries of a list.", "Begin it with '- ', or indent it as a part of the entry above."
    return "the indentation does not fit the lines above.", "Line the keys of one mapping up under each other."


def character_problem(error: Exception, text: str, name: str) -> Problem:
    """The first character that YAML does not accept."""
    bad = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if bad is None:
        return Problem(name, f"is not YAML: {clip(str(error), 200)}.")
    line = text.count("\n", 0, bad.start()) + 1
    return Problem(f"{name}:{line}", f"the control character U+{ord(bad.group()):04X} is not accepted.", "Remove it.")
