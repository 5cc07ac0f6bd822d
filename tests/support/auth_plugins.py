"""Auth plugins of the tests, in plain Python: what they decide is written where they are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from mockforge_asgi.contract import Allow, Decision, Deny, Description, Principal
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.plugins.plugin import Plugin, PluginMeta
from mockforge_asgi.security.permissions import EffectivePermissions
from tests.support.plain_host import PlainHost, PlainRuntime

Decide = Callable[[Exchange], Awaitable[Decision]]
KEYS = RequestView(headers=frozenset({"x-api-key", "accept"}))


class Decider(Plugin):
    """A plugin that says what it was made to say, and remembers for whom. It may have one template rendered, `login.html`."""

    def __init__(
        self,
        says: Decision | Exception | Decide,
        *,
        name: str = "decider",
        priority: float = 100,
        view: RequestView = KEYS,
        challenge: str | None = None,
    ) -> None:
        meta = PluginMeta(name, name, "1.0.0", "sha256-0", "native", frozenset({"auth"}), priority, templates=frozenset({"login.html"}))
        description = Description("0.1", frozenset({"auth.authenticate"}), capabilities={"challenge": challenge} if challenge else {})
        super().__init__(meta, description, PlainHost({}), EffectivePermissions(request_view=view), ResultReader(name, frozenset()))
        self.says = says
        self.asked: list[str] = []

    def called(self, name: str) -> Decider:
        """The same under another name."""
        self.facts, self.name = replace(self.facts, name=name), name
        return self

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


class Runtime(PlainRuntime):
    """Holds deciders by name."""

    def __init__(self, deciders: Mapping[str, Decider]) -> None:
        super().__init__({"version": 1}, *(decider.called(name) for name, decider in deciders.items()))

    @property
    def mounts(self) -> int:
        """How many have started it and not stopped it."""
        return self._mounts
