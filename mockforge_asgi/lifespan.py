"""Plugins live as long as the app does: started before the wrapped app starts, stopped after it has stopped.

The ASGI lifespan of a wrapped app passes through, its state untouched. An app without lifespan support is served all the same; one whose
start-up fails is reported just as it reports itself. Servers that send no lifespan events start plugins with the first request.
"""

from __future__ import annotations

import logging
from asyncio import _get_running_loop
from typing import Protocol

from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("mockforge")


class Service(Protocol):
    """What lives as long as the app."""

    async def start(self) -> None:
        """Make it ready. Whatever it raises ends the start-up of the server."""
        ...

    async def stop(self) -> None:
        """End it; also after a start that failed half-way."""
        ...


async def lifespan(service: Service, app: ASGIApp | None, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the server's lifespan events for the service and the app it wraps."""
    if _get_running_loop() is None:
        logger.warning("plugins run on asyncio only, and this is another event loop: only requests that need none are served")
        if app is not None:
            return await app(scope, receive, send)
    startup = await receive()
    try:
        if _get_running_loop() is not None:
            await service.start()
    except Exception as error:  # told to the server: some take an exception here for "no lifespan support" and serve on
        if not isinstance(error, MockForgeError):
            logger.exception("plugins could not be started")
        await send(
            {"type": "lifespan.startup.failed", "message": f"mockforge: plugins could not be started: {error or type(error).__name__}"}
        )
        return
    course = _AppLifespan(service, startup, receive, send)
    if app is not None:
        await course.through(app, scope)
    await course.rest()


class _AppLifespan:
    """The app's way through its lifespan, as far as it got."""

    def __init__(self, service: Service, startup: Message, receive: Receive, send: Send) -> None:
        self.service, self.startup, self._receive, self._send = service, startup, receive, send
        self.is_started = self.has_received = self.is_foreign = self.is_stopping = self.is_over = False

    async def through(self, app: ASGIApp, scope: Scope) -> None:
        """Run the app. An error before it has asked for an event, or with a message of another protocol, says that it has no part in
        lifespans; any other is its own."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:  # foreign code
            if self.has_received and not self.is_foreign:
                if not self.is_over:
                    await self.service.stop()
                raise
            logger.warning("the wrapped app raised at the lifespan scope, and is served without a lifespan", exc_info=True)

    async def rest(self) -> None:
        """Do what the app left undone: an app may return early, or never take part."""
        if self.is_over:
            return
        if not self.is_started:
            await self.send({"type": "lifespan.startup.complete"})
        if not self.is_stopping:
            await self._receive()
        await self.send({"type": "lifespan.shutdown.complete"})

    async def receive(self) -> Message:
        """The app's `receive`: the start-up event first, then the server's."""
        if not self.has_received:
            self.has_received = True
            return self.startup
        message = await self._receive()
        self.is_stopping = message["type"] == "lifespan.shutdown"
        return message

    async def send(self, message: Message) -> None:
        """The app's `send`: before the server hears of an end, the service is stopped."""
        kind = message["type"]
        if kind not in _KINDS:
            self.is_foreign = True
            raise RuntimeError(f"'{kind}' is no lifespan message")
        if kind == "lifespan.startup.complete":
            self.is_started = True
        else:
            self.is_over = True
            message = await self._stop(message)
        await self._send(message)

    async def _stop(self, message: Message) -> Message:
        try:
            await self.service.stop()
        except Exception as error:  # the server must hear of the end in any case
            logger.exception("plugins could not be stopped")
            if self.is_started:
                return {"type": "lifespan.shutdown.failed", "message": f"mockforge: plugins could not be stopped: {error}"}
        return message


_KINDS = ("lifespan.startup.complete", "lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed")
