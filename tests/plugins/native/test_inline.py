"""The developer's own objects are plugins without more ado."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from mockforge_asgi.errors import ConfigError, PluginCrashed
from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices
from mockforge_asgi.plugins.native.inline import load_own, own_name
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.state.memory import MemoryStore
from mockforge_plugin import Allow, AuthPlugin, Principal, Request, ResponsePlugin, TemplatePlugin, endpoint, function, kv


class MyAuth(AuthPlugin):
    """Lets everybody pass."""

    priority = 5

    async def authenticate(self, request: Request) -> Allow:
        """As ada."""
        return Allow(Principal("ada"))


class HTTPEchoOne(ResponsePlugin, TemplatePlugin):
    """Of two kinds."""

    def generate(self, request: Request) -> str:
        """The path."""
        return request.path

    @function
    def count(self) -> int:
        """How often it was called."""
        return kv.incr("n").result()


@pytest.fixture
async def rooms() -> AsyncIterator[HostServices]:
    yield HostServices(state=MemoryStore(), events=EventStream())


async def loaded(rooms: HostServices, *targets: object) -> list[Plugin]:
    return [plugin async for plugin in load_own(targets, rooms)]


async def test_an_object_or_a_class_is_a_plugin_of_its_kinds(rooms: HostServices) -> None:
    auth, echo = await loaded(rooms, MyAuth(), HTTPEchoOne)
    assert (auth.name, auth.kinds, auth.priority, auth.facts.runtime) == ("my-auth", frozenset({"auth"}), 5.0, "native")
    assert (echo.name, echo.kinds) == ("http-echo-one", frozenset({"response", "template"}))
    assert [await echo.call_function(None, "count", [], {}) for _ in range(2)] == [1, 2]
    for plugin in (auth, echo):
        await plugin.host.close()


async def test_two_of_one_name_are_refused_with_what_to_do(rooms: HostServices) -> None:
    async def load_both() -> None:
        async for plugin in load_own([MyAuth(), MyAuth()], rooms):
            made.append(plugin)

    made: list[Plugin] = []
    with pytest.raises(ConfigError, match="attribute `name`"):
        await load_both()
    for plugin in made:
        await plugin.host.close()


def test_a_name_of_its_own_wins() -> None:
    class Named(MyAuth):
        name = "gate"

    assert own_name(Named()) == "gate"


async def test_a_runtime_loads_them() -> None:
    runtime = PluginRuntime(plugins=[MyAuth(), HTTPEchoOne()])
    await runtime.start()
    assert {plugin.name for plugin in runtime.registry} == {"my-auth", "http-echo-one"}
    await runtime.stop()


async def test_its_breaker_is_as_it_says(rooms: HostServices) -> None:
    class Brittle(MyAuth):
        breaker: ClassVar = {"crashes": 2, "backoff_s": 5}

    class Never(MyAuth):
        breaker: ClassVar = {"enabled": False}

    brittle, never = await loaded(rooms, Brittle(), Never())
    for plugin in (brittle, never):
        for _ in range(2):
            plugin.breaker.ended("auth.authenticate", False, PluginCrashed(plugin.name, "auth.authenticate", "gave up"))
        await plugin.host.close()
    assert (brittle.breaker.is_quarantined, never.breaker.is_quarantined) == (True, False)


async def test_faults_of_its_attributes_are_told_at_once(rooms: HostServices) -> None:
    class Odd(MyAuth):
        priority = "first"  # type: ignore[assignment]  # the fault
        prefix = "/a/{b}"
        on_failure = "shrug"
        modifies: ClassVar = {"apps": True}
        breaker: ClassVar = {"crashes": 0}

        @endpoint("../x y")
        def odd(self, request: Request) -> str:
            """Cannot be mounted."""
            return ""

    with pytest.raises(ConfigError) as caught:
        await loaded(rooms, Odd())
    assert [p.place for p in caught.value.problems] == [
        f"plugins= odd{k}" for k in (".priority", ".prefix", ".on_failure", ".modifies", ".breaker", " endpoint")
    ]
