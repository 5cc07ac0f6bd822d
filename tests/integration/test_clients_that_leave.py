"""A client that leaves ends the wait of the plugin's call that works for it, wherever that call waits; a short call never looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.errors import ClientDisconnected
from mockforge_asgi.events import CallFinished, EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.testing import Conversation
from mockforge_asgi.wasm.fiber import Budget
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from tests.support.component_guests import Bench, bench
from tests.support.native_hosts import Told, host

EMPTY = b"{}"


def exchange(talk: Conversation) -> Exchange:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    return Exchange(scope, talk.receive, talk.send)


@pytest.fixture
async def stand() -> AsyncIterator[Bench]:
    async with bench() as made:
        yield made


async def opened(stand: Bench, heard: list[str], *, per_request: bool = False) -> WasmHost:
    options = HostOptions("guest", "1.0.0", {}, Budget(60.0, 60.0), per_request, InstancesConfig(max=1))
    events = EventStream()
    made = WasmHost(options, stand.guest(), stand.doors, MemoryBudget(asyncio.get_running_loop()), events)
    await made.open()
    await made.start()
    events.subscribe(lambda event: heard.append(event.outcome) if isinstance(event, CallFinished) else None)
    return made


@pytest.mark.parametrize("per_request", [False, True])
@pytest.mark.parametrize("op", ["door.wait", "spin"])
async def test_one_that_waits_for_a_guest(stand: Bench, op: str, per_request: bool) -> None:
    heard: list[str] = []
    made, talk = await opened(stand, heard, per_request=per_request), Conversation()
    talk.leave()
    lease = made.lease()
    with pytest.raises(ClientDisconnected):
        await lease.call(op, EMPTY, request=exchange(talk))
    lease.release()
    assert heard == ["cancelled"] and await made.lease().call("count", EMPTY) == 1, "another instance serves the next call"
    await made.close()


async def test_one_that_waits_for_an_instance(stand: Bench) -> None:
    made, talk = await opened(stand, []), Conversation()
    running = asyncio.ensure_future(made.lease().call("door.wait", EMPTY))
    while not stand.doors.waiting:
        await asyncio.sleep(0)
    talk.leave()
    with pytest.raises(ClientDisconnected):
        await made.lease().call("echo", EMPTY, request=exchange(talk))
    stand.doors.open.set()
    assert await running == {"waited": {}}
    await made.close()


async def test_one_that_is_served_at_once_is_not_looked_at(stand: Bench) -> None:
    made, talk = await opened(stand, []), Conversation()
    talk.leave()
    before = talk.received
    assert await made.lease().call("echo", EMPTY, request=exchange(talk)) == {}
    assert talk.received == before
    await made.close()


NATIVE = """
import asyncio
import mockforge_plugin as mf

class Waits(mf.TemplatePlugin):
    @mf.function
    async def forever(self):
        await asyncio.Event().wait()

    @mf.function
    def in_a_thread(self):
        mf.sleep(60).result()
"""


@pytest.mark.parametrize("name", ["forever", "in_a_thread"])
async def test_one_that_waits_for_native_code(name: str) -> None:
    plugin, talk = host(NATIVE, told=(told := Told())), Conversation()
    await plugin.open()
    await plugin.start()
    talk.leave()
    with pytest.raises(ClientDisconnected):
        await plugin.call("template.call", dumps({"function": name, "args": [], "kwargs": {}}), request=exchange(talk))
    assert [event.outcome for event in told.of(CallFinished) if event.op == "template.call"] == ["cancelled"]
    await plugin.close()
