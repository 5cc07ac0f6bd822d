"""Fake data: `faker.name()`, `faker.email()`, ... of the Faker library, an optional extra imported here and nowhere else.

Loaded when a template first asks. Values come from the rendering's own generator where a seed was asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any, Final

from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.templates.bounds.environment import Exposed
from mockforge_asgi.templates.bounds.meter import meter
from mockforge_asgi.templates.functions import generator

REJECTED: Final = frozenset(
    """add_provider binary csv del_arguments dsv enum fixed_width format get_arguments get_formatter get_providers image json json_bytes
    optional parse provider providers psv pyobject pystr_format pystruct random seed seed_instance set_arguments set_formatter tar tsv
    unique xml zip""".split()
)
"""Faker's own machinery, and providers whose results can grow without bound or are no text, number or list."""

_VALUES: Final = frozenset(
    """date_end date_start datetime_end datetime_start end end_date end_datetime max max_value min min_value number object_id start
    start_date start_datetime step""".split()
)
"""Parameters that say which values are wanted; integers anywhere else say how many, or how long."""
_LARGEST: Final = 1000
_LARGEST_VALUE: Final = 10**12


class _Watched(random.Random):
    """The generator of the current rendering, which looks at its clock: every provider that repeats itself draws each time."""

    def random(self) -> float:
        """See Random."""
        meter().check_time()
        return generator().random()

    def getrandbits(self, k: int, /) -> int:
        """See Random."""
        meter().check_time()
        return generator().getrandbits(k)


class Faker(Exposed):
    """The providers as functions. `locale` such as `de_DE`; `plugins` gives the providers of a plugin by its alias, None without any."""

    __slots__ = ("_locale", "_plugins")
    label = "faker"

    def __init__(self, locale: str = "en_US", plugins: Callable[[str], Exposed | None] | None = None) -> None:
        self._locale, self._plugins = locale, plugins

    def expose(self, name: str) -> Callable[..., Any] | Exposed:
        """The provider of that name, or a plugin's. Raises KeyError; UnsupportedPlatform without the library."""
        of_plugin = None if self._plugins is None else self._plugins(name)
        return self.builtin(name) if of_plugin is None else of_plugin

    def builtin(self, name: str) -> Callable[..., Any]:
        """The library's own provider of that name. Raises KeyError; UnsupportedPlatform without the library."""
        if name.startswith("_") or name in REJECTED:
            raise KeyError(name)
        provider = getattr(_faker(self._locale), name, None)
        if not callable(provider):
            raise KeyError(name)

        def fake(*args: Any, **kwargs: Any) -> Any:
            for parameter, value in signature(provider).bind(*args, **kwargs).arguments.items():
                _check(f"faker.{name}: {parameter}", value, _LARGEST_VALUE if parameter in _VALUES else _LARGEST)
            return _plain(provider(*args, **kwargs))

        return fake


def _check(what: str, value: Any, most: int) -> None:
    """Raises ValueError for an argument that asks for too much."""
    if isinstance(value, int) and abs(value) > most:
        raise ValueError(f"{what} is at most {most}")
    if isinstance(value, str | list | tuple | dict):
        if len(value) > _LARGEST:
            raise ValueError(f"{what} is longer than {_LARGEST}")
        meter().check_values(value)
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _check(what, item, _LARGEST_VALUE)


def _plain(value: Any) -> Any:
    """JSON values as they are, dates and decimals as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@cache
def _faker(locale: str) -> Any:
    try:
        from faker import Factory
    except ImportError:
        raise UnsupportedPlatform("templates that use 'faker' need the Faker library: pip install 'mockforge-asgi[faker]'") from None
    made = Factory.create(locale)
    made.random = _Watched()
    return made
