"""Time inside the sandbox: the host's clock behind `time` and `datetime`.

Before the component has a host (while it is built) the clock stands at the Unix epoch.
"""

from __future__ import annotations

import datetime as _datetime
import time as _time
from types import SimpleNamespace
from typing import Any

_real = _datetime.datetime
_clock: list[Any] = []


def start(now: Any, wait: Any) -> None:
    """From here on time is what `now()` says: `{"unix_ns", "monotonic_ns"}`; `wait(ns)` lets some pass."""
    _clock[:] = [now, wait]


def time_ns() -> int:
    """Nanoseconds since the Unix epoch."""
    return int(_clock[0]()["unix_ns"]) if _clock else 0


def time() -> float:
    """Seconds since the Unix epoch."""
    return time_ns() / 1e9


def monotonic_ns() -> int:
    """Nanoseconds of a clock that never goes back."""
    return int(_clock[0]()["monotonic_ns"]) if _clock else 0


def monotonic() -> float:
    """Seconds of a clock that never goes back."""
    return monotonic_ns() / 1e9


def sleep(seconds: float, /) -> None:
    """Wait at the host; the call's `timeout_ms` runs on."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds < 0:
        raise ValueError("sleep length must be non-negative")
    _clock[1](nanoseconds)


def clock_gettime_ns(clk_id: int, /) -> int:
    """Any clock of the system: the host's."""
    return time_ns() if clk_id == _time.CLOCK_REALTIME else monotonic_ns()


def clock_gettime(clk_id: int, /) -> float:
    """Any clock of the system: the host's."""
    return clock_gettime_ns(clk_id) / 1e9


def clock_getres(_clk_id: int, /) -> float:
    """The host's clocks count nanoseconds."""
    return 1e-9


def get_clock_info(name: str, /) -> SimpleNamespace:
    """What there is to know of a clock. Raises: ValueError for an unknown one."""
    if name not in _NAMED:
        raise ValueError("unknown clock")
    return SimpleNamespace(implementation="host", monotonic=name != "time", adjustable=name == "time", resolution=1e-9)


_NAMED = ("time", "monotonic", "perf_counter", "process_time", "thread_time")


def _at(real: Any) -> Any:
    """A `time` function whose moment defaults to the host's now."""

    def convert(seconds: float | None = None) -> Any:
        return real(time() if seconds is None else seconds)

    return convert


def _of(real: Any, before: int) -> Any:
    """A `time` function whose struct_time defaults to the host's now."""

    def convert(*args: Any) -> Any:
        return real(*args) if len(args) > before else real(*args, _time.gmtime())

    return convert


class datetime(_real):
    """`datetime.datetime` whose present is the host's."""

    __slots__ = ()

    @classmethod
    def now(cls, tz: _datetime.tzinfo | None = None) -> datetime:
        """The host's present."""
        nanoseconds = time_ns()
        moment = cls(1970, 1, 1, tzinfo=_datetime.UTC) + _datetime.timedelta(microseconds=nanoseconds // 1000)
        return moment.replace(tzinfo=None) if tz is None else moment.astimezone(tz)

    @classmethod
    def utcnow(cls) -> datetime:
        """The host's present, naive."""
        return cls.now()

    @classmethod
    def today(cls) -> datetime:
        """The host's present, naive."""
        return cls.now()

    def __repr__(self) -> str:
        return f"datetime.{super().__repr__()}"


def put_in_place() -> None:
    """Replace what would ask the system for the time. Local time is UTC."""
    for name in _NAMED[1:]:
        setattr(_time, name, monotonic)
        setattr(_time, f"{name}_ns", monotonic_ns)
    for function in (time, time_ns, sleep, clock_gettime, clock_gettime_ns, clock_getres, get_clock_info):
        setattr(_time, function.__name__, function)
    for name in ("gmtime", "localtime", "ctime"):
        setattr(_time, name, _at(getattr(_time, name)))
    _time.strftime = _of(_time.strftime, 1)
    _time.asctime = _of(_time.asctime, 0)
    datetime.__module__ = "datetime"
    datetime.__qualname__ = "datetime"
    datetime.min, datetime.max = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)
    _datetime.datetime = datetime  # type: ignore[misc]  # the point of this module
