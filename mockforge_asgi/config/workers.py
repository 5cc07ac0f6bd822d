"""Whether a configuration may run in several worker processes: what needs state that all of them see."""

from __future__ import annotations

from collections.abc import Iterator

from mockforge_asgi.config.objects import Config
from mockforge_asgi.errors import ConfigError


def check_workers(config: Config, workers: int) -> None:
    """Raises ConfigError where more than one worker would each see a state of its own."""
    if workers < 2 or config.state.is_shared:
        return
    problems = [config.places.problem(config.plugins[name].place, f"'{name}' {why}.") for name, why in _sharers(config)]
    if problems:
        raise ConfigError(
            f"{workers} workers need a state store that all of them see; memory:// is seen by one only.\n"
            "Add `state: {url: sqlite:///mockforge-state.db}`, or serve with one worker. It matters to:",
            problems,
        )


def _sharers(config: Config) -> Iterator[tuple[str, str]]:
    for name, use in config.plugins.items():
        if use.enabled and "kv" in use.grants.rights:
            yield name, "keeps data in key-value storage"
