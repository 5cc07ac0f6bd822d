"""Secrets: read at the start from where the operator says they are, shown to nobody but the plugins that were granted them.

A value never appears in a repr, an error or a log line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from mockforge_asgi.config.objects import SecretSource
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.errors import ConfigError, Problem

MAX_BYTES: Final = 64 * 1024
AGAIN_S: Final = 1.0
"""How often a secret is read again at most."""


class Secrets:
    """The operator's secrets by name."""

    __slots__ = ("_environ", "_read_s", "_sources", "_values", "on_change")

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        self._sources: Mapping[str, SecretSource] = {}
        self._environ: Mapping[str, str] = {}
        self._read_s: dict[str, float] = {}
        self.on_change: Callable[[Secrets], None] | None = None
        """Is told of values that are new."""

    @classmethod
    def load(
        cls,
        sources: Mapping[str, SecretSource],
        *,
        environ: Mapping[str, str] | None = None,
        places: Locations | None = None,
        needed: Iterable[str] | None = None,
    ) -> Secrets:
        """Read every secret, or only those `needed`. Raises ConfigError that names each one that is not there."""
        environment = os.environ if environ is None else environ
        wanted = sources if needed is None else {name: sources[name] for name in needed if name in sources}
        values: dict[str, str] = {}
        problems: list[Problem] = []
        for name, source in wanted.items():
            value, what, remedy = _read(source, environment)
            if value is None:
                problems.append((places or Locations("configuration")).problem(("secrets", name), what, remedy))
            else:
                values[name] = value
        if problems:
            raise ConfigError("secrets cannot be read:", problems)
        made = cls(values)
        made._sources, made._environ = wanted, environment
        return made

    def read_again(self, name: str) -> str | None:
        """The value that stands there now, for whoever was refused with the one that it had.

        The old one where it cannot be read, or was read less than `AGAIN_S` ago.
        """
        source, now_s = self._sources.get(name), time.monotonic()
        if source is None or now_s - self._read_s.get(name, -AGAIN_S) < AGAIN_S:
            return self.get(name)
        self._read_s[name] = now_s
        value = _read(source, self._environ)[0]
        if value is not None and value != self._values.get(name):
            if self.on_change is not None:
                self.on_change(Secrets({name: value}))
            self._values[name] = value
        return self.get(name)

    def get(self, name: str) -> str | None:
        """The value, or None if there is no such secret."""
        return self._values.get(name)

    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(sorted(self._values))

    def items(self) -> Iterator[tuple[str, str]]:
        """Names and values: for redaction, and for nothing else."""
        yield from self._values.items()

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self.names())})"

    def __reduce__(self) -> str:
        raise TypeError("secrets are not pickled")


def unreadable(sources: Mapping[str, SecretSource], *, places: Locations) -> list[Problem]:
    """The secrets that could not be read if the server started in this environment."""
    try:
        Secrets.load(sources, places=places)
    except ConfigError as error:
        return list(error.problems)
    return []


def _read(source: SecretSource, environ: Mapping[str, str]) -> tuple[str | None, str, str]:
    """(value, what is wrong, remedy)."""
    if source.kind == "value":
        return source.value, "", ""
    if source.kind == "env":
        value = environ.get(source.env)
        if value is None:
            return None, f"the environment variable {source.env} is not set.", f"Set it: export {source.env}=…"
        return (value, "", "") if value else (None, f"the environment variable {source.env} is empty.", "Give it a value.")
    return _read_file(source.file or Path())


def _read_file(file: Path) -> tuple[str | None, str, str]:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            return None, f"the file {file} is longer than {MAX_BYTES // 1024} KiB.", "A secret is a short text."
        text = data.decode("utf-8")
    except OSError as error:
        return None, f"the file {file} cannot be read: {error.strerror}.", "Check the path and its permissions."
    except UnicodeDecodeError:
        return None, f"the file {file} is not UTF-8 text.", "Encode binary secrets, as base64 for example."
    text = text.removesuffix("\n").removesuffix("\r")
    return (text, "", "") if text else (None, f"the file {file} is empty.", "Give it a value.")
