"""What is worked out from the loaded plugins: kept while they are the same, and made anew when anything about them has changed."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_asgi.locks import ThisProcess
from mockforge_asgi.per_load import PerLoad
from mockforge_asgi.plugins.registry import LoadedPlugins
from tests.support.plain_host import PlainRuntime, plain_plugin


def names(loaded: LoadedPlugins) -> list[str]:
    return list(loaded.plugins)


async def test_it_is_made_once_for_each_state_of_the_plugins() -> None:
    runtime = PlainRuntime({"version": 1}, plain_plugin("a", "auth", {}))
    made: list[list[str]] = []

    def build(loaded: LoadedPlugins) -> list[str]:
        made.append(names(loaded))
        return made[-1]

    per_load = PerLoad(runtime, build)
    assert made == [[]] and per_load.ready() is None
    for _ in range(2):
        await per_load.current()
        assert per_load.ready() is not None
    runtime.registry.put(plain_plugin("b", "auth", {}))
    assert per_load.ready() is None
    await per_load.current()
    assert made == [[], ["a"], ["a", "b"]] and per_load.ready() is not None
    await runtime.stop()


async def test_after_a_stop_it_starts_the_runtime_again() -> None:
    runtime = PlainRuntime({"version": 1}, plain_plugin("a", "auth", {}))
    per_load = PerLoad(runtime, names)
    await per_load.current()
    await runtime.stop()
    assert per_load.ready() is None
    assert await per_load.current() == ["a"] and per_load.ready() is not None
    await runtime.stop()


def test_on_another_loop_it_is_made_anew() -> None:
    runtime = PlainRuntime({"version": 1}, plain_plugin("a", "auth", {}))
    per_load = PerLoad(runtime, names)

    async def ask() -> bool:
        was_current = per_load.ready() is not None
        assert await per_load.current() == ["a"] and per_load.ready() is not None
        return was_current

    assert [asyncio.run(ask()), asyncio.run(ask())] == [False, False]


@pytest.mark.parametrize(("plugins", "is_current"), [([plain_plugin("a", "auth", {})], False), ([], True)], ids=["some", "none"])
async def test_a_forked_process_and_another_loop_matter_only_where_there_are_plugins(
    plugins: list[object], is_current: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = PlainRuntime({"version": 1}, *plugins)  # type: ignore[arg-type]
    per_load = PerLoad(runtime, names)
    await per_load.current()
    with monkeypatch.context() as patch:
        patch.setattr(ThisProcess, "pid", 1)
        assert (per_load.ready() is not None) is is_current
    assert (await asyncio.to_thread(per_load.ready) is not None) is is_current
    await runtime.stop()


async def test_where_edits_are_followed_each_request_looks_for_them() -> None:
    runtime = PlainRuntime({"version": 1, "dev": True}, plain_plugin("a", "auth", {}))
    per_load = PerLoad(runtime, names, follows_edits=True)
    assert await per_load.current() == ["a"] and per_load.ready() is None
    await runtime.stop()


async def test_nothing_keeps_a_plugin_that_is_gone_until_the_next_request() -> None:
    runtime = PlainRuntime({"version": 1}, plain_plugin("a", "auth", {}))
    per_load = PerLoad(runtime, lambda loaded: loaded)
    assert names(await per_load.current()) == ["a"]
    runtime.registry.remove("a")
    assert names(per_load.now.value) == [] and per_load.now.loaded is None
    await runtime.stop()
