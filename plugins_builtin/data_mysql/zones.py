"""Time zones of a session: UTC, an offset such as +02:00, or a name that Python and the server both know."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):([0-9]{2})", re.ASCII)


def session_zone(name: str) -> tzinfo:
    """The zone of that name. Raises ValueError."""
    if name == "UTC":
        return UTC
    if found := _OFFSET.fullmatch(name):
        minutes = int(found[2]) * 60 + int(found[3])
        return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"'{name}' is no time zone; write UTC, an offset such as +02:00, or a name such as Europe/Berlin") from None
