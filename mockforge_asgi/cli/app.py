"""The ASGI app that `mockforge serve` serves: a configuration, its runtime, and log lines of what happens.

Worker processes make their own with `create`, told by one environment variable.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final, Literal

from mockforge_asgi.config import Config, load_config
from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.events import EventStream
from mockforge_asgi.logs import Level, LogWriter, ServerLog
from mockforge_asgi.security.redaction import Redactor, redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.types import ASGIApp

VARIABLE: Final = "MOCKFORGE_SERVE"
LOGGERS: Final = ("uvicorn.error", "uvicorn.asgi", "mockforge_asgi")


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What a served app is told: its configuration's file, dev mode, and how it logs."""

    file: str
    dev: bool = False
    log_format: Literal["text", "json"] = "text"
    log_level: Level = "info"

    def publish(self) -> None:
        """Put it where worker processes find it."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def published(cls) -> AppOptions:
        """What was published. Raises KeyError outside a worker of `mockforge serve`."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def load(self) -> Config:
        """The configuration. Raises ConfigError."""
        return load_config(self.file, dev=True if self.dev else None)


def create() -> ASGIApp:
    """The app of a worker process."""
    return make_app(AppOptions.published())


def make_app(options: AppOptions, config: Config | None = None) -> ASGIApp:
    """The app that those options describe. In dev mode it follows edits of the configuration. Raises ConfigError."""
    config = config or options.load()
    events = EventStream()
    hidden = Hidden()
    hidden.add(config)
    writer = log_writer(options, hidden)
    events.subscribe(writer)
    pass_on_server_log(writer)
    if config.dev and config.file is not None:
        from mockforge_asgi.cli.reload import ReloadingApp

        def build(changed: Config) -> ASGIApp:
            hidden.add(changed)
            return _mocks(changed, events)

        return ReloadingApp(config, options.load, build, report=writer.write)
    return _mocks(config, events)


def _mocks(config: Config, events: EventStream) -> ASGIApp:
    from mockforge_asgi.middleware import MockForge
    from mockforge_asgi.runtime import PluginRuntime

    return MockForge(runtime=PluginRuntime(config, events=events))


class Hidden:
    """Hides the secrets of every configuration served so far: what still runs under an earlier one must not tell them either."""

    def __init__(self) -> None:
        self._by: dict[tuple[tuple[str, str], ...], Redactor] = {}

    def add(self, config: Config) -> None:
        """Hide that configuration's secrets from now on, as far as they can be read; the runtime tells of the others."""
        found: dict[str, str] = {}
        for name in config.secrets:
            with suppress(MockForgeError):
                found.update(Secrets.load(config.secrets, places=config.places, needed=[name]).items())
        self._by.setdefault(tuple(found.items()), redactor(Secrets(found)))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for redact in reversed(self._by.values()):
            text = redact(text)
        return text


def log_writer(options: AppOptions, redact: Callable[[str], str]) -> LogWriter:
    """Log lines on standard error, if there is one, without secrets."""
    stream = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    colour = options.log_format == "text" and stream.isatty() and "NO_COLOR" not in os.environ
    return LogWriter(stream, format=options.log_format, level=options.log_level, redact=redact, colour=colour)


def pass_on_server_log(writer: LogWriter) -> None:
    """What the server and libraries log, from warnings up, as lines of ours."""
    handler = ServerLog(writer)
    handler.addFilter(_is_news)
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """Requests that are cancelled when the stop has taken too long are counted in a line of the server's; their tracebacks tell nothing."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)
