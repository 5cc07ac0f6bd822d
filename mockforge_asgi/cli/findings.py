"""A configuration with its plugins looked at, and everything that is wrong with both told in one go, as far as it can be looked at."""

from __future__ import annotations

from collections.abc import Callable

from mockforge_asgi.config import Config, load_config
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.plugins.consistency import CheckReport, check_plugins


def look_at(
    file: str, *, dev: bool | None = None, look: Callable[[Config, CheckReport], CheckReport] = lambda _, found: found
) -> tuple[Config, CheckReport]:
    """The configuration and what came of looking at its plugins; `look` looks further.

    Raises ConfigError for faults of form, routes and templates, beside those of plugins. Refused plugins alone are not raised.
    """
    errors: list[ConfigError] = []
    try:
        config = load_config(file, dev=dev)
    except ConfigError as error:
        if error.rest is None:
            raise
        errors, config = [error], error.rest
    report = look(config, check_plugins(config))
    if errors or report.refused:
        errors += _unusable(config)
    if errors:
        raise ConfigError("\n".join(map(str, [*errors, *report.refused.values()])))
    return config, report


def _unusable(config: Config) -> list[ConfigError]:
    """What is wrong with routes and templates."""
    from mockforge_asgi.middleware import MockForge

    try:
        MockForge(config=config)
    except ConfigError as error:
        return [error]
    return []
