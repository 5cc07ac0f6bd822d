"""A plugin's world for tests of the kit's login room: the product's own host calls over storage in memory, and a clock to be set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.cookies import SimpleCookie

from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.hostcalls.clock_random import REAL
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices, PluginHostCalls
from mockforge_asgi.plugins.native.context import Home, PluginContext
from mockforge_asgi.security.permissions import EffectivePermissions, KvRight
from mockforge_asgi.state.memory import MemoryStore
from mockforge_plugin import PluginInfo, Request
from mockforge_plugin.context import entered
from mockforge_plugin.login import PendingLogins, Sessions

KEY = "k" * 32
NOW_S = 1_790_000_000.0


class World:
    """What is shared by all workers: storage and the time."""

    def __init__(self, *, max_keys: int = 10_000) -> None:
        self.now_s = NOW_S
        self.state = MemoryStore(clock=lambda: self.now_s)
        self.max_keys = max_keys

    @contextmanager
    def worker(self, plugin: str = "login") -> Iterator[PluginHostCalls]:
        """Host calls are answered inside the block, for that plugin."""
        clock = replace(REAL, unix_ns=lambda: int(self.now_s * 1e9))
        services = HostServices(state=self.state, events=EventStream(), clock_random=clock)
        calls = PluginHostCalls(plugin, EffectivePermissions(kv=KvRight(self.max_keys, 1 << 24)), services)
        with entered(PluginContext(Home.here(calls), None)):
            yield calls


def sessions(*keys: str, plugin: str = "login", development: bool = False, **config: object) -> Sessions:
    """The sessions of a plugin with those keys."""
    names = {f"key_{number}": key for number, key in enumerate(keys)}
    whole = {**({"key": list(names)} if names else {}), **config}
    return Sessions.from_config(whole, names.__getitem__, PluginInfo(plugin, "1.0.0", development))


class Browser:
    """Keeps cookies as browsers do, as far as these tests need it."""

    def __init__(self, *, scheme: str = "https", host: str = "app.example") -> None:
        self.scheme, self.host = scheme, host
        self.cookies: dict[str, str] = {}

    def request(self, path: str = "/", *, method: str = "GET", **headers: str) -> Request:
        """A request of this browser."""
        line = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        shown = {**({"cookie": line} if line else {}), **headers}
        return Request(method, path, headers=shown, scheme=self.scheme, host=self.host)

    def take(self, headers: object) -> None:
        """Keep the cookies of an answer."""
        assert isinstance(headers, list)
        for name, value in headers:
            if name == "set-cookie":
                for key, morsel in SimpleCookie(value).items():
                    if morsel["max-age"] == "0":
                        self.cookies.pop(key, None)
                    else:
                        self.cookies[key] = morsel.value


def pending(*keys: str) -> PendingLogins:
    """The logins under way of a plugin with those keys."""
    return PendingLogins(sessions(*keys))
