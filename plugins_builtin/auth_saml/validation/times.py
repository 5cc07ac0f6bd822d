"""Times of SAML messages (core §1.3.3: UTC, no time zones) and the rules that they are held to."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from .checked import Refused

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(?:Z|\+00:00)?")


def seconds(text: str, what: str) -> float:
    """Unix time. Raises Refused."""
    found = _TIME.fullmatch(text.strip())
    try:
        if found is not None:
            return datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp() + float(found[2] or 0)
    except ValueError:
        pass
    raise Refused(f"its {what} is not a time: {text[:60]!r}")


def begins(element: Any, name: str, now_s: float, leeway_s: float) -> None:
    """An attribute that says when something begins, if it is there: no later than now, by a clock that may be ahead of ours."""
    value = element.get(name)
    if value is not None and seconds(value, name) > now_s + leeway_s:
        raise Refused(f"it is not valid yet ({name}): compare the clocks")


def ends(element: Any, name: str, now_s: float) -> float | None:
    """An attribute that says when something ends, if it is there: later than now."""
    value = element.get(name)
    if value is None:
        return None
    end_s = seconds(value, name)
    if end_s <= now_s:
        raise Refused(f"it is expired ({name}): compare the clocks")
    return end_s
