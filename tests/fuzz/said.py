"""What a refusal must be like, whoever refuses: words in bounds, with nothing in them that steers a terminal."""

from __future__ import annotations

import re

from mockforge_asgi.errors import ConfigError, PluginRejected
from mockforge_asgi.text import escape

MAX_CHARACTERS = 200_000
MAX_FAILURE = 65_000
"""Of a plugin's failure: its words and its traceback are cut, then what steers is made visible."""
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_harmless(text: str) -> bool:
    """Whether nothing in it steers a terminal."""
    return not _STEERING.search(text)


def in_bounds(error: ConfigError | PluginRejected, *, in_guests_words: bool = False) -> None:
    """Problems there are, each with its place, and their text can be printed; a guest's own words after `escape`, as commands do."""
    text = escape(str(error)) if in_guests_words else str(error)
    assert len(text) < MAX_CHARACTERS, len(text)
    assert not (bad := _STEERING.search(text)), ascii(text[max(0, bad.start() - 40) : bad.end() + 40])
    for problem in error.problems:
        assert problem.place and (in_guests_words or (problem.what and "\n" not in str(problem))), str(problem)
