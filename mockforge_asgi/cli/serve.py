"""Serves an app with uvicorn: the socket, workers, the banner, a stop that lets requests end. The only importer of uvicorn."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import click

from mockforge_asgi.cli.app import AppOptions, make_app
from mockforge_asgi.cli.banner import banner, base_url
from mockforge_asgi.cli.findings import look_at
from mockforge_asgi.config import Config
from mockforge_asgi.config.objects import ServerConfig
from mockforge_asgi.config.workers import check_workers
from mockforge_asgi.errors import ConfigError, UnsupportedPlatform
from mockforge_asgi.plugins.consistency import CheckReport

_NO_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a name's address that this machine does not have is refused with: IPv6's, where there is none."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of `mockforge serve`; None leaves what the configuration says."""

    file: str
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    reload: bool = False
    ssl_keyfile: Path | None = None
    ssl_certfile: Path | None = None
    log_format: Literal["text", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] | None = None

    def over(self, server: ServerConfig) -> ServerConfig:
        """The server's settings with these options in place of what they name."""
        names = ("host", "port", "workers", "ssl_keyfile", "ssl_certfile", "log_format", "log_level")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(server, **given)


def serve(options: ServeOptions) -> int:
    """Serve until told to stop; gives the exit code. Raises ConfigError and UnsupportedPlatform before anything is served."""
    uvicorn = load_uvicorn()
    config, report = look_at(options.file, dev=True if options.reload else None)
    settings = options.over(config.server)
    _check(config, settings)
    if report.refused:
        raise ConfigError("\n".join(str(error) for error in report.refused.values()))
    bound = bind(settings.host, settings.port)
    told = AppOptions(options.file, config.dev, settings.log_format, settings.log_level)
    text = _banner(config, report, settings, bound)
    if settings.workers > 1:
        return _serve_workers(uvicorn, told, settings, bound, text)
    return _serve_here(uvicorn, make_app(told, config, report), settings, bound, text)


def load_uvicorn() -> Any:
    """The module uvicorn. Raises UnsupportedPlatform where it is not installed."""
    try:
        import uvicorn
    except ImportError:
        raise UnsupportedPlatform(
            "`mockforge serve` needs uvicorn. Install it: pip install 'mockforge-asgi[serve]', or in a clone: pip install '.[serve]'."
        ) from None
    return uvicorn


def _check(config: Config, settings: ServerConfig) -> None:
    check_workers(config, settings.workers)
    if config.dev and settings.workers > 1:
        raise ConfigError(
            "development mode (--reload, or `dev: true` in the file) runs in one worker, so that an edit holds everywhere at once. "
            "Serve with one worker, or leave development mode."
        )
    if (settings.ssl_keyfile is None) != (settings.ssl_certfile is None):
        raise ConfigError("TLS needs both the key and the certificate: give --ssl-keyfile and --ssl-certfile.")
    for file in (settings.ssl_keyfile, settings.ssl_certfile):
        if file is not None and not file.is_file():
            raise ConfigError(f"there is no file '{file}'. Check --ssl-keyfile and --ssl-certfile.")
    if settings.ssl_keyfile is not None and settings.ssl_certfile is not None:
        _check_pair(settings.ssl_certfile, settings.ssl_keyfile)


def _check_pair(certificate: Path, key: Path) -> None:
    try:
        # Without a password of its own, OpenSSL would ask the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise ConfigError(
            f"TLS cannot use the certificate '{certificate}' with the key '{key}' ({error.reason or 'no PEM'}). "
            "Both must be PEM files, the key without a pass phrase and belonging to the certificate."
        ) from None
    except OSError as error:
        raise ConfigError(f"the certificate '{certificate}' and its key '{key}' cannot be read: {error.strerror}.") from None


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on one port: one for each address that the host's name has. Raises ConfigError in words if there is none."""
    bound: list[socket.socket] = []
    lacking: OSError | None = None
    for family, address in _addresses(host, port):
        chosen = bound[0].getsockname()[1] if bound else port
        try:
            bound.append(_listening(family, (address[0], chosen, *address[2:])))
        except OSError as error:
            lacking = error
            if error.errno not in _NO_ADDRESS:
                break
    if bound and (lacking is None or lacking.errno in _NO_ADDRESS):
        return bound
    for each in bound:
        each.close()
    raise ConfigError(_why_not(lacking or OSError(errno.EADDRNOTAVAIL, ""), host, port)) from None


def _addresses(host: str, port: int) -> dict[tuple[int, Any], None]:
    """`localhost` is both loopback addresses, whatever the resolver makes of it (RFC 6761 §6.3): clients try either first."""
    names = ("127.0.0.1", "::1") if host.lower() == "localhost" else (host,)
    try:
        found = [each for name in names for each in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)]
    except (socket.gaierror, UnicodeError):
        raise ConfigError(f"'{host}' is not an address of this machine. Use --host 127.0.0.1, or 0.0.0.0 for all.") from None
    return dict.fromkeys((family, address) for family, _, _, _, address in found)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(2048)
    except OSError:
        made.close()
        raise
    made.set_inheritable(True)
    return made


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else 8000
        return f"port {port} on {host} is in use by another program. Stop that, or choose another port: --port {other}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be used without special rights. Choose one above 1023: --port 8000"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"'{host}' is not an address of this machine. Use --host 127.0.0.1, or 0.0.0.0 for all."
    return f"cannot listen on {host} port {port}: {error.strerror}."


def _banner(config: Config, report: CheckReport, settings: ServerConfig, bound: list[socket.socket]) -> str:
    url = base_url(settings.host, bound[0].getsockname()[1], is_tls=settings.ssl_certfile is not None)
    return banner(config, report, url, host=settings.host, workers=settings.workers)


def uvicorn_config(uvicorn: Any, app: Any, settings: ServerConfig, **more: Any) -> Any:
    """How uvicorn is told to serve that app."""
    return uvicorn.Config(
        app,
        workers=settings.workers,
        loop="auto",
        http="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # ours has one: see DatedApp
        proxy_headers=False,  # `trusted_proxies` alone says whose word is believed
        timeout_graceful_shutdown=settings.stop_timeout_s,
        ssl_keyfile=settings.ssl_keyfile,
        ssl_certfile=settings.ssl_certfile,
        **more,
    )


def _say(text: str) -> None:
    """Print it; when nobody reads it any more (`| head`), that is not a reason to end."""
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _serve_here(uvicorn: Any, app: Any, settings: ServerConfig, bound: list[socket.socket], text: str) -> int:
    class Server(uvicorn.Server):  # type: ignore[misc] # uvicorn is optional, so its class is known only here
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Start. A stop that is asked for meanwhile does not wait for plugins that are being compiled."""
            starting = asyncio.current_task()
            assert starting is not None
            watching = asyncio.create_task(self._watch(starting))
            try:
                await super().startup(sockets)
            except asyncio.CancelledError:
                if not self.should_exit:
                    raise
                starting.uncancel()
                if self.lifespan.startup_event.is_set():
                    await self.lifespan.shutdown()
            finally:
                watching.cancel()
            if self.started and not self.should_exit:
                _say(text)

        async def _watch(self, starting: asyncio.Task[Any]) -> None:
            while not self.should_exit:
                await asyncio.sleep(0.1)
            starting.cancel()

    server = Server(uvicorn_config(uvicorn, app, settings))
    try:
        server.run(sockets=bound)
    except KeyboardInterrupt:  # raised again by uvicorn after an orderly stop
        return 0
    except SystemExit:  # start-up failed; the reason has been logged
        return 1
    return 0 if server.started else 1


def _serve_workers(uvicorn: Any, told: AppOptions, settings: ServerConfig, bound: list[socket.socket], text: str) -> int:
    from uvicorn.supervisors import Multiprocess

    class Supervisor(Multiprocess):
        is_said = False

        def keep_subprocess_alive(self) -> None:
            """Once the first worker answers, say so."""
            super().keep_subprocess_alive()
            if not self.is_said and not self.should_exit.is_set() and any(process.is_ready() for process in self.processes):
                self.is_said = True
                _say(text)

    told.publish()
    supervisor = Supervisor(uvicorn_config(uvicorn, "mockforge_asgi.cli.app:create", settings, factory=True), sockets=bound)
    supervisor.run()
    failed = [p for p in supervisor.processes if p.exitcode not in (0, None) and p.exitcode > 0]
    return 1 if failed else 0
