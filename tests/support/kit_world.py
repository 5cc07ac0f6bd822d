"""The world of a plugin object that a test calls directly: a clock that stands where it is put, HTTP answered as told."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from mockforge_plugin import HostError
from mockforge_plugin.context import entered

Answer = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass
class World:
    """What the kit's host calls reach. Its seconds are those of `time` and of the host alike."""

    patch: pytest.MonkeyPatch
    now_s: float = 1_800_000_000.0
    secrets: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    answer: Any = None
    """What HTTP requests are answered with: `reply(…)`, an exception, or an async function of the request."""

    def __post_init__(self) -> None:
        self.patch.setattr(time, "time", lambda: self.now_s)

    async def call(self, name: str, payload: dict[str, Any]) -> Any:
        """An HTTP request; nothing else is asked."""
        assert name == "http.request"
        self.asked.append(payload)
        answer = await self.answer(payload) if callable(self.answer) else self.answer
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call_blocking(self, name: str, payload: dict[str, Any]) -> Any:
        """Not from a plugin on the event loop."""
        raise AssertionError(name)

    def call_now(self, name: str, payload: dict[str, Any]) -> Any:
        """Clock, secrets, log."""
        if name == "log":
            self.logged.append(payload["message"])
            return None
        if name == "secret.get":
            return {"value": self.secrets[payload["name"]]}
        assert name == "clock.now"
        return {"unix_ns": int(self.now_s * 1e9)}


def reply(body: Any, status: int = 200, content_type: str = "application/json", **headers: str) -> dict[str, Any]:
    """An HTTP answer: bytes as they are, all else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = [["content-type", content_type], *([name.replace("_", "-"), value] for name, value in headers.items())]
    return {"status": status, "headers": pairs, "body": {"base64": b64encode(data).decode()}}


DOWN = HostError("connection refused", code="unavailable", retryable=True)
SLOW = HostError("no answer within 3 s", code="timeout", retryable=True)
HUGE = HostError("more than 4194304 bytes", code="limit")


@contextmanager
def inside(world: World) -> Iterator[None]:
    """For tests that are coroutines: fixtures have another context."""
    with entered(world):
        yield
