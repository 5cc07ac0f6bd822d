"""DatedApp: every answer has one Date header, its own or else the time of its sending (RFC 9110 §6.6.1)."""

from __future__ import annotations

import time
from email.utils import formatdate

from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send


class DatedApp:
    """Dates the answers of an app that are not dated yet. The server must not date them too: it would add a second one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._second, self._date = 0, (b"date", b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)

        async def dated(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                headers = message.get("headers") or ()
                if not any(name == b"date" for name, _ in headers):
                    message = {**message, "headers": [self._now(), *headers]}
            await send(message)

        await self.app(scope, receive, dated)

    def _now(self) -> tuple[bytes, bytes]:
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, (b"date", formatdate(second, usegmt=True).encode())
        return self._date
