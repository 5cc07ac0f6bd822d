"""Life: what a plugin runtime holds from its start to its stop, on one event loop: state, registry, sources, loader, sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mockforge_asgi.config import Config
from mockforge_asgi.contract import PluginHost
from mockforge_asgi.plugins.authorization import Authorization
from mockforge_asgi.plugins.hostcalls.clock_random import ClockAndRandom
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices, PluginHostCalls
from mockforge_asgi.plugins.loader import Loader
from mockforge_asgi.plugins.registry import Registry
from mockforge_asgi.reload.plugins import PluginEdits
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.sources import Sources
from mockforge_asgi.state import StateStore


@dataclass(slots=True, eq=False)
class Life:
    """What exists from start to stop, on one loop."""

    loop: asyncio.AbstractEventLoop
    state: StateStore
    registry: Registry
    sources: Sources
    loader: Loader
    sandbox: list[Any] = field(default_factory=list)
    """The sandbox, once a plugin has needed it."""
    edits: PluginEdits | None = None
    """In development mode."""
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    end: AsyncGenerator[None, None] | None = None
    """Closing it ends this life; a loop that is shut down closes it too."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def new_life(
    loop: asyncio.AbstractEventLoop,
    config: Config,
    registry: Registry,
    state: StateStore,
    *,
    redactor: Redactor,
    clock_random: ClockAndRandom,
    cache_dir: Path | None,
) -> Life:
    """A life with nothing loaded yet. Raises ConfigError for a secret that is not there."""
    secrets, events = Secrets.load(config.secrets, places=config.places), registry.events
    redactor.add(secrets)
    secrets.on_change = redactor.add
    sources = Sources(config.sources, registry, state=state, events=events)
    services = HostServices(state=state, events=events, secrets=secrets, sources=sources, egress=_egress, clock_random=clock_random)
    made: list[Any] = []

    def sandbox() -> Any:
        if not made:
            from mockforge_asgi.wasm.sandbox import Sandbox

            made.append(Sandbox(loop, events, pool_memory_mb=config.limits.pool_memory_mb, cache_dir=cache_dir))
        return made[0]

    def native(authorization: Authorization, host_calls: PluginHostCalls) -> PluginHost:
        from mockforge_asgi.plugins.native.host import native_host

        return native_host(authorization, host_calls, events)

    return Life(loop, state, registry, sources, Loader(services, sandbox, native), made)


def _egress(rules: Any) -> Any:
    from mockforge_asgi.security.egress.client import Egress

    return Egress(rules)
