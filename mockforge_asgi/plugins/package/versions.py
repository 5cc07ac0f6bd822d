"""Versions of plugins and ranges of them: semver.org; ranges as npm writes them.

`^1.2`, `~1.2.3`, `1.2.x`, `1.2 - 1.4`, `>=1 <2`, `^1 || ^3`; `>=1, <2` too. A pre-release is in a range only where the range
names one of the same three numbers; `*` is any version at all.
"""

from __future__ import annotations

import re
from functools import lru_cache

from semantic_version import NpmSpec, Version

_BLANKS = re.compile(r"(?<=[<>=^~])\s+|\s*,\s*")


def is_version(text: str) -> bool:
    """Whether the text is a version."""
    try:
        Version(text)
    except ValueError:
        return False
    return True


def is_range(text: str) -> bool:
    """Whether the text is a range of versions."""
    try:
        _range(text)
    except ValueError:
        return False
    return True


def fits(version: str, wanted: str) -> bool:
    """Whether the version is in the range. Raises ValueError for what is not a version or not a range."""
    return wanted.strip() == "*" or Version(version) in _range(wanted)


@lru_cache(maxsize=256)
def _range(text: str) -> NpmSpec:
    try:
        return NpmSpec(_BLANKS.sub(lambda found: " " if "," in found[0] else "", text.strip()))
    except AttributeError as error:  # the library's own, for `00 - 1` and the like
        raise ValueError(f"{text!r} is not a range") from error
