"""The doors as native code sees them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mockforge_asgi.plugins.native.context import Home, PluginContext
from mockforge_plugin.failure import HostError, PluginError
from tests.support.native_hosts import Told, doors


async def test_doors_answer_from_the_loop_and_from_a_thread() -> None:
    context = PluginContext(Home.here(doors(Told())), None)
    assert await context.call("kv.incr", {"key": "n"}) == {"value": 1}
    assert await asyncio.to_thread(context.call_blocking, "kv.incr", {"key": "n"}) == {"value": 2}
    assert context.call_now("secret.get", {"name": "key"}) == {"value": "s3cret"}
    assert await asyncio.to_thread(context.call_now, "secret.get", {"name": "key"}) == {"value": "s3cret"}


async def test_another_loop_in_a_thread_reaches_the_doors_too() -> None:
    context = PluginContext(Home.here(doors(Told())), None)
    assert await asyncio.to_thread(lambda: asyncio.run(context.call("kv.incr", {"key": "n"}))) == {"value": 1}


async def test_waiting_is_refused_on_the_loops_own_thread() -> None:
    context = PluginContext(Home.here(doors(Told())), None)
    with pytest.raises(HostError, match="would block the event loop"):
        context.call_blocking("kv.get", {"key": "n"})


async def test_a_refusal_is_a_host_error_with_its_code() -> None:
    context = PluginContext(Home.here(doors(Told())), None)
    with pytest.raises(HostError) as caught:
        await context.call("secret.get", {"name": "none"})
    assert caught.value.code == "not_found"


async def test_what_is_not_json_never_reaches_a_door() -> None:
    context = PluginContext(Home.here(doors(Told())), None)
    with pytest.raises(PluginError, match="which is not JSON"):
        await context.call("kv.set", {"key": "k", "value": {1, 2}})


async def test_after_its_end_every_door_is_closed_and_waiting_threads_are_told() -> None:
    context = PluginContext(Home.here(doors(Told())), None)
    never = threading.Thread(target=lambda: told.append(_code(context)))
    told: list[str] = []
    context.end()
    never.start()
    await asyncio.to_thread(never.join)
    assert told == ["unavailable"]
    with pytest.raises(HostError, match="is over"):
        await context.call("kv.get", {"key": "k"})
    with pytest.raises(HostError, match="is over"):
        context.call_now("clock.now", {})


async def test_a_thread_that_waits_at_a_door_is_woken_by_the_end() -> None:
    context = PluginContext(Home.here(doors(Told())), None)
    waiting = asyncio.ensure_future(asyncio.to_thread(_code, context, "clock.sleep", ns=1 << 61))
    while not context.waits:
        await asyncio.sleep(0)
    context.end()
    assert await waiting == "unavailable"


def _code(context: PluginContext, door: str = "kv.get", **payload: object) -> str:
    try:
        context.call_blocking(door, payload or {"key": "k"})
    except HostError as error:
        return error.code
    return "answered"
