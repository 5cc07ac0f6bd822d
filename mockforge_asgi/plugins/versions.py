"""Versions and ranges of them: `^1.2`, `~1.2.3`, `>=1.0,<2`, `1.2.*`, `*` (semver.org; ranges as npm writes them).

Only what dependencies between plugins need; a pre-release fits a range only when it is named exactly.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Triple: TypeAlias = tuple[int, int, int]

_TERM = re.compile(r"(?P<sign>\^|~|>=|<=|>|<|=|)\s*(?P<version>[0-9]{1,9}(?:\.[0-9]{1,9}){0,2})(?:\.\*)?\Z")


def fits(version: str, wanted: str) -> bool:
    """Whether the version is in the range; a range that cannot be read holds no version."""
    if wanted.strip() in ("*", "", version):
        return True
    if "-" in version:
        return False
    found = _triple(version.partition("+")[0])
    joined = re.sub(r"([<>=^~])\s+", r"\1", wanted)
    return any(all(_holds(found, term) for term in re.split(r"[,\s]+", part.strip())) for part in joined.split("||"))


def _triple(text: str) -> Triple:
    first, second, third, *_ = [*map(int, text.split(".")), 0, 0]
    return first, second, third


def _holds(version: Triple, term: str) -> bool:
    match = _TERM.match(term)
    if match is None:
        return term == "*"
    low, given, sign = _triple(match["version"]), match["version"].count(".") + 1, match["sign"]
    if sign == ">=":
        return version >= low
    if sign == "<":
        return version < low
    if sign == ">":
        return version[:given] > low[:given]
    if sign == "<=":
        return version[:given] <= low[:given]
    kept = _kept(sign, low, given)
    return version >= low and version[:kept] == low[:kept]


def _kept(sign: str, low: Triple, given: int) -> int:
    """How many leading numbers must stay the same."""
    if sign == "^":
        first = next((i for i, n in enumerate(low) if n), given - 1)
        return min(first, given - 1) + 1
    return min(given, 2) if sign == "~" else given
