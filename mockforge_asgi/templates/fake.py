"""Fake data: `faker.name()`, `faker.email()`, ... of the Faker library, an optional extra imported here and nowhere else.

Loaded when a template first asks. Values come from the rendering's own chance where a seed was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.templates.environment import Exposed
from mockforge_asgi.templates.functions import chance

REFUSED: Final = frozenset(
    """add_provider binary csv del_arguments dsv enum fixed_width format get_arguments get_formatter get_providers image json json_bytes
    optional parse provider providers psv pyobject pystruct random seed seed_instance set_arguments set_formatter tar tsv unique xml
    zip""".split()
)
"""Faker's own machinery, and providers whose results can grow without bound or are no text, number or list."""

_SIZES: Final = frozenset(
    "chars digits elements length max_chars max_elements max_nb_chars min_chars nb nb_elements nb_sentences nb_words".split()
)
_LARGEST: Final = 10_000


class Faker(Exposed):
    """The providers as functions. `locale` such as `de_DE`."""

    __slots__ = ("_locale",)
    label = "faker"

    def __init__(self, locale: str = "en_US") -> None:
        self._locale = locale

    def expose(self, name: str) -> Callable[..., Any]:
        """The provider of that name. Raises KeyError; UnsupportedPlatform without the library."""
        if name.startswith("_") or name in REFUSED:
            raise KeyError(name)
        generator = _generator(self._locale)
        provider = getattr(generator, name, None)
        if not callable(provider):
            raise KeyError(name)

        def fake(*args: Any, **kwargs: Any) -> Any:
            for value in (*args, *kwargs.values()):
                if isinstance(value, int) and abs(value) > 10**12 or isinstance(value, str | list) and len(value) > _LARGEST:
                    raise ValueError(f"faker.{name}: an argument is too large")
            for size, value in kwargs.items():
                if size in _SIZES and isinstance(value, int) and value > _LARGEST:
                    raise ValueError(f"faker.{name}: {size} is at most {_LARGEST}")
            # One generator serves all renderings on this loop, so it is told each time whose chance it draws from.
            generator.random = chance()
            return _plain(provider(*args, **kwargs))

        return fake


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
def _generator(locale: str) -> Any:
    try:
        from faker import Factory
    except ImportError:
        raise UnsupportedPlatform("templates that use 'faker' need the Faker library: pip install 'mockforge-asgi[faker]'") from None
    return Factory.create(locale)
