"""Time zones inside the sandbox: the tz database, read when the component is built."""

from __future__ import annotations

import io
from typing import Any

_data: dict[str, bytes] = {}


def put_in_place() -> None:
    """Read every zone of the `tzdata` package into memory and let `zoneinfo` find them there."""
    import zoneinfo
    from importlib import resources

    root = resources.files("tzdata")
    for key in root.joinpath("zones").read_text().split():
        _data[key] = root.joinpath("zoneinfo", *key.split("/")).read_bytes()
    zoneinfo.reset_tzpath(to=[])
    zoneinfo._common.load_tzdata = _load
    zoneinfo.available_timezones = lambda: set(_data)


def _load(key: str) -> Any:
    import zoneinfo

    if key not in _data:
        raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
    return io.BytesIO(_data[key])
