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
from typing import TYPE_CHECKING, Final, Literal

from mockforge_asgi.cli.dates import DatedApp
from mockforge_asgi.cli.garbage import FreezeAgain, freeze
from mockforge_asgi.cli.progress import Progress
from mockforge_asgi.config import Config, load_config
from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.events import EventStream, Level, PluginStopped
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.telemetry.log import LogWriter, ServerLog
from mockforge_asgi.types import ASGIApp

if TYPE_CHECKING:
    from mockforge_asgi.plugins.consistency import CheckReport
    from mockforge_asgi.reload.watcher import Watcher

VARIABLE: Final = "MOCKFORGE_SERVE"
LOGGERS: Final = ("uvicorn.error", "uvicorn.asgi", "mockforge")


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


def make_app(options: AppOptions, config: Config | None = None, checked: CheckReport | None = None) -> ASGIApp:
    """The app that those options describe, with plugins that may have been `checked`. In dev mode it follows edits of the configuration.

    Raises ConfigError.
    """
    config = config or options.load()
    redactor = Redactor()
    events = EventStream(redactor)
    hide(config, redactor)
    progress = _progress(options)
    writer = log_writer(options, redactor, progress)
    events.subscribe(writer if progress is None else progress.around(writer), hears=writer.hears)
    pass_on_server_log(writer)
    if config.dev and config.file is not None:
        from mockforge_asgi.reload.app import ReloadingApp
        from mockforge_asgi.reload.watcher import Watcher

        watcher = Watcher()
        events.subscribe(FreezeAgain(), PluginStopped)

        def build(changed: Config) -> ASGIApp:
            hide(changed, redactor)
            return _mocks(changed, events, watcher)

        return DatedApp(ReloadingApp(config, options.load, build, watcher=watcher, report=writer.write))
    return DatedApp(_mocks(config, events, checked=checked))


def _mocks(config: Config, events: EventStream, watcher: Watcher | None = None, checked: CheckReport | None = None) -> ASGIApp:
    from mockforge_asgi.middleware import MockForge
    from mockforge_asgi.runtime import PluginRuntime

    class Served(PluginRuntime):
        async def start(self) -> None:
            """Start; what is there by then stays."""
            await super().start()
            freeze()

    return MockForge(runtime=Served(config, events=events, watcher=watcher, checked=checked))


def hide(config: Config, redactor: Redactor) -> None:
    """Hide that configuration's secrets, as far as they can be read; the runtime tells of the others.

    Those of earlier ones stay hidden: what still runs under them must not tell them either.
    """
    found: dict[str, str] = {}
    for name in config.secrets:
        with suppress(MockForgeError):
            found.update(Secrets.load(config.secrets, places=config.places, needed=[name]).items())
    redactor.add(Secrets(found))


def _progress(options: AppOptions) -> Progress | None:
    """What shows long work on a terminal, where somebody looks at one."""
    wanted = options.log_format == "text" and options.log_level in ("debug", "info")
    return Progress(sys.stderr) if wanted and sys.stderr is not None and sys.stderr.isatty() else None


def log_writer(options: AppOptions, redact: Callable[[str], str], progress: Progress | None = None) -> LogWriter:
    """Log lines on standard error, if there is one, without secrets."""
    stream = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    colour = options.log_format == "text" and stream.isatty() and "NO_COLOR" not in os.environ
    return LogWriter(progress or stream, format=options.log_format, level=options.log_level, redact=redact, colour=colour)


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
