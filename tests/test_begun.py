"""Async methods of native plugins: what asyncio offers works in them, and one that never waits costs no clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockforge_asgi.begun import rest_of
from mockforge_asgi.errors import LimitExceeded
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.plugins.native.host import NativeHost
from tests.support.native_hosts import host, over_time

SOURCE = """
import asyncio
import anyio
import mockforge_plugin as mf

class Waits(mf.TemplatePlugin):
    @mf.function
    async def at_once(self):
        return "at once"

    @mf.function
    async def turns(self):
        for _ in range(3):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "turns"

    @mf.function
    async def event(self):
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
        return "event"

    @mf.function
    async def group(self):
        async def child(n):
            await asyncio.sleep(0)
            return n
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child(n)) for n in range(3)]
        return [task.result() for task in tasks]

    @mf.function
    async def failing_group(self):
        async def child():
            await asyncio.sleep(0)
            raise ValueError("a child's")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await asyncio.Event().wait()
        except ExceptionGroup as errors:
            return [str(error) for error in errors.exceptions]

    @mf.function
    async def its_own_timeout(self):
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return asyncio.current_task().cancelling()

    @mf.function
    async def its_own_scope(self):
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        await anyio.sleep(0)
        return scope.cancelled_caught

    @mf.function
    async def cancels_itself(self):
        asyncio.current_task().cancel()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()
            return "went on"

    @mf.function
    async def forever(self):
        async with asyncio.timeout(60):
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(60))
                with anyio.move_on_after(60):
                    mf.log.info("waits")
                    await asyncio.Event().wait()
"""


def calls(name: str) -> bytes:
    return dumps({"function": name, "args": [], "kwargs": {}})


@pytest.fixture
async def plugin() -> NativeHost:
    made = host(SOURCE, timeout_s=30.0)
    await made.open()
    await made.start()
    return made


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("at_once", "at once"),
        ("turns", "turns"),
        ("event", "event"),
        ("group", [0, 1, 2]),
        ("failing_group", ["a child's"]),
        ("its_own_timeout", 0),
        ("its_own_scope", True),
        ("cancels_itself", "went on"),
    ],
)
async def test_what_asyncio_offers_works_in_a_plugin(plugin: NativeHost, name: str, answer: Any) -> None:
    assert await plugin.call("template.call", calls(name)) == answer
    assert not plugin._running
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    await plugin.close()


async def test_the_hosts_own_limit_ends_it_all_the_same(plugin: NativeHost) -> None:
    running = asyncio.ensure_future(plugin.call("template.call", calls("forever")))
    while not plugin._running:
        await asyncio.sleep(0)
    assert isinstance(await over_time(plugin, running), LimitExceeded)
    await plugin.close()


async def test_a_cancellation_from_elsewhere_stays_one(plugin: NativeHost) -> None:
    running = asyncio.ensure_future(plugin.call("template.call", calls("forever")))
    while not plugin._running:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not plugin._running
    await plugin.close()


async def test_a_call_that_never_waits_has_no_clock(plugin: NativeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "wait", None)
    assert await plugin.call("template.call", calls("at_once")) == "at once"
    await plugin.close()


async def test_a_begun_coroutine_goes_on_where_it_was() -> None:
    seen: list[object] = []

    async def work() -> str:
        for _ in range(2):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError as error:
                seen.append(error)
        return "ended"

    async def driver() -> str:
        begun = work()
        return await rest_of(begun, begun.send(None))

    task = asyncio.ensure_future(driver())
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    assert await task == "ended" and len(seen) == 2
