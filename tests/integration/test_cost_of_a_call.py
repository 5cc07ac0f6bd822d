"""What one call costs that ends in its first time slice: counted in Python calls, which noise does not touch."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from types import FrameType

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.contract import PluginHost
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.events import EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.native.plugin import native_plugin
from mockforge_asgi.plugins.plugin import Plugin, PluginMeta
from mockforge_asgi.security.permissions import EffectivePermissions
from mockforge_asgi.testing import Conversation
from mockforge_asgi.wasm.fiber import Budget
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from mockforge_plugin import Allow, AuthPlugin, Principal, Request
from tests.support.component_guests import bench
from tests.support.extism_guests import extism_bench, wat
from tests.support.native_hosts import host as native_host

MOST = 13
NATIVE = """
import mockforge_plugin as mf

class Names(mf.TemplatePlugin):
    @mf.function
    async def name(self):
        return "Ada"
"""
ANSWERS = """(data (i32.const 0) "{}")
  (func (export "echo") (result i32) (local $at i64)
    (local.set $at (call $alloc (i64.const 2)))
    (call $store_u8 (local.get $at) (i32.const 55))
    (call $output_set (local.get $at) (i64.const 1)) (i32.const 0))"""


async def plugin(host: PluginHost) -> Plugin:
    """A loaded plugin, which has served."""
    description = await host.open()
    await host.start()
    meta = PluginMeta("guest", "guest", "1.0.0", "sha256-0", "extism", frozenset({"template"}))
    return Plugin(meta, description, host, EffectivePermissions(), ResultReader("guest", frozenset()))


async def counted(call: Awaitable[object]) -> int:
    """How many Python functions are entered, or entered again, for it."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        await call
    finally:
        sys.setprofile(None)
    return len([name for name in calls if name != "counted"])


@pytest.mark.parametrize("kind", ["component", "extism"])
async def test_a_sandboxed_call_is_a_few_functions(kind: str) -> None:
    async with bench() as stand, extism_bench() as other:
        guest = stand.guest() if kind == "component" else other.guest(wat(ANSWERS, "alloc", "store_u8", "output_set"))
        doors = stand.doors if kind == "component" else other.doors
        options = HostOptions("guest", "1", {}, Budget(2.0, 30.0))
        made = await plugin(WasmHost(options, guest, doors, MemoryBudget(asyncio.get_running_loop()), EventStream()))
        for _ in range(3):
            assert await made._call(None, "echo", b"7") == 7
        # Of several, for one whose time slice a busy machine interrupts goes on in a slower way.
        assert min([await counted(made._call(None, "echo", b"7")) for _ in range(10)]) <= MOST
        await made.host.close()


async def test_what_the_host_adds_to_a_native_call_that_does_not_wait_is_a_few_functions() -> None:
    silent = native_host(NATIVE)
    silent.events = EventStream()
    made = await plugin(silent)
    document = dumps({"function": "name", "args": [], "kwargs": {}})
    for _ in range(3):
        assert await made._call(None, "template.call", document) == "Ada"
    seen: list[str] = []
    sys.setprofile(lambda frame, event, _: seen.append(frame.f_code.co_filename) if event == "call" else None)
    try:
        await made._call(None, "template.call", document)
    finally:
        sys.setprofile(None)
    assert len([name for name in seen if "mockforge_asgi" in name]) <= MOST
    await made.host.close()


class Guard(AuthPlugin):
    """Lets pass whoever has the key."""

    async def authenticate(self, request: Request) -> Allow | None:
        return Allow(Principal("ada")) if request.header("x-api-key") == "k1" else None


CONFIG = {
    "version": 1,
    "protect": [{"path": "/static", "auth": ["guard"]}],
    "routes": [{"match": {"path": path}, "response": {"json": {"a": 1}}} for path in ("/static", "/open")],
}


async def test_what_a_native_guard_adds_to_a_request_is_a_few_functions() -> None:
    app = MockForge(config=CONFIG, plugins=[Guard()])

    async def ask(path: str) -> None:
        talk = Conversation()
        headers = [(b"host", b"test"), (b"x-api-key", b"k1")]
        await app({"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}, talk.receive, talk.send)
        assert talk.sent[0]["status"] == 200

    for path in ("/static", "/open") * 3:
        await ask(path)
    assert await counted(ask("/static")) - await counted(ask("/open")) <= 21  # four of them are the author's
    await app.runtime.stop()


async def test_a_native_call_with_values_is_fewer_still() -> None:
    silent = native_host(NATIVE)
    silent.events = EventStream()
    description = await silent.open()
    await silent.start()
    meta = PluginMeta("guest", "guest", "1.0.0", "sha256-0", "native", frozenset({"template"}))
    made = native_plugin(meta, description, silent, EffectivePermissions(), ResultReader("guest", frozenset()), Breaker("guest"))
    for _ in range(3):
        assert await made.call_function(None, "name", [], {}) == "Ada"
    assert await counted(made.call_function(None, "name", [], {})) <= 7
    await silent.close()
