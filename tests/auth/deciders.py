"""Auth plugins of the tests, in plain Python: what they decide is written where they are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mockforge_asgi.contract import Allow, Decision, Deny, Description, Principal
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import RequestView

Decide = Callable[[Exchange], Awaitable[Decision]]
KEYS = RequestView(headers=frozenset({"x-api-key", "accept"}))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the operator lets a decider use."""

    templates: frozenset[str] = frozenset({"login.html"})


class Decider:
    """A plugin that says what it was made to say, and remembers for whom."""

    def __init__(
        self,
        says: Decision | Exception | Decide,
        *,
        name: str = "decider",
        priority: float = 100,
        view: RequestView = KEYS,
        challenge: str | None = None,
    ) -> None:
        self.says, self.name, self.priority, self.view = says, name, priority, view
        self.description = Description("0.1", frozenset({"auth.authenticate"}), capabilities={"challenge": challenge} if challenge else {})
        self.facts = Facts()
        self.asked: list[str] = []

    async def authenticate(self, exchange: Exchange) -> Decision:
        self.asked.append(exchange.snapshot.path)
        if isinstance(self.says, Exception):
            raise self.says
        return await self.says(exchange) if callable(self.says) else self.says


def allow(name: str = "demo", **more: str) -> Allow:
    return Allow(Principal(name, ("reader",)), {"scope": "read write"}, tuple(more.items()))


async def by_key(exchange: Exchange) -> Decision:
    """Allows `k1`, denies any other key, leaves requests without one to others."""
    key = exchange.snapshot.header("x-api-key")
    if key is None:
        return None
    return allow() if key == "k1" else Deny(401, "unknown key", "ApiKey")


class Runtime:
    """Holds deciders by name."""

    def __init__(self, deciders: Mapping[str, Decider]) -> None:
        self.deciders = dict(deciders)
        self.is_ready = False
        self.mounts = 0

    async def start(self) -> None:
        await self.ensure()
        self.mounts += 1

    async def stop(self) -> None:
        self.mounts -= 1

    async def ensure(self) -> None:
        self.is_ready = True

    def plugin(self, name: str, /) -> Decider:
        return self.deciders[name]
