"""`Server` serves an app or a configuration on the loopback, by uvicorn in a thread of this process."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from mockforge_asgi.cli.dates import DatedApp
from mockforge_asgi.cli.serve import bind, load_uvicorn, uvicorn_config
from mockforge_asgi.config.objects import ServerConfig
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send

_START_S: Final = 60


class Server:
    """An ASGI app, or a `MockForge` of a configuration (a file, or a mapping), served at `url` from `start` to `stop`.

    `root_path` is the path under which a proxy in front would mount it. Needs the extra `serve`.
    """

    def __init__(self, target: ASGIApp | str | os.PathLike[str] | Mapping[str, Any], *, root_path: str = "") -> None:
        self.app: ASGIApp = target if callable(target) else _mocks(target)
        self._dated = DatedApp(self.app)
        self._root_path = root_path
        self._failure = ""
        self._server: Any = None
        self._sockets: list[socket.socket] = []
        self._thread: threading.Thread | None = None
        self.port = 0
        """The port, from `start` on."""

    @property
    def url(self) -> str:
        """Its origin, such as `http://127.0.0.1:50123`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Serve; returns once it answers. Raises RuntimeError where it cannot start, UnsupportedPlatform without uvicorn."""
        uvicorn = load_uvicorn()
        self._sockets = bind("127.0.0.1", 0)
        self.port = self._sockets[0].getsockname()[1]
        options = {"interface": "asgi3", "root_path": self._root_path}
        self._server = uvicorn.Server(uvicorn_config(uvicorn, self._observed, ServerConfig(stop_timeout_s=5), **options))
        self._thread = threading.Thread(target=self._run, name=f"mockforge server {self.port}", daemon=True)
        self._thread.start()
        until = time.monotonic() + _START_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.005)
        if not self._server.started:
            self.stop()
            raise RuntimeError(f"the server did not start: {self._failure or f'it took longer than {_START_S} seconds'}")
        return self

    def stop(self) -> None:
        """End it; requests that are under way have five seconds."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_START_S)
            self._thread = None
            for each in self._sockets:  # a server that did not start leaves them open
                each.close()

    def _run(self) -> None:
        with suppress(SystemExit):  # a start-up that failed
            self._server.run(sockets=self._sockets)

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app, whose failure to start is kept for `start` to tell."""

        async def told(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                self._failure = str(message.get("message", ""))
            await send(message)

        await self._dated(scope, receive, told if scope["type"] == "lifespan" else send)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.url}>"


def _mocks(config: str | os.PathLike[str] | Mapping[str, Any]) -> ASGIApp:
    from mockforge_asgi.middleware import MockForge

    return MockForge(config=config)
