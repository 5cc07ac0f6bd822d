"""A plugin that crashes, seen from outside: what callers get while it is in quarantine, how it comes back, and when pools are full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.contract import NOTHING, Json
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.events import CallFinished, Event, EventStream, Quarantined, Recovered
from mockforge_asgi.plugins.breaker import UNMADE, Breaker
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.testing import Client, Response
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from tests.support.component_guests import idle_scheduler
from tests.support.extism_guests import PluginHostCalls, wat

MANIFEST = """manifest_version: 1
id: shaky
version: 1.0.0
contract: "0.1"
kinds: [auth, response]
runtime: extism
entry: plugin.wasm
limits: {timeout_ms: 60000}
"""
ALLOW = '{"allow":{"principal":{"id":"demo"}}}'
ANSWER = '{"status":200,"headers":[],"body":{"text":"fine"}}'


def quoted(text: str) -> str:
    return text.replace('"', '\\"')


# Traps when the document is long, as it is for a long path: what a stranger's input can do to a plugin.
SHAKY = wat(
    f"""(data (i32.const 0) "{quoted(ALLOW)}") (data (i32.const 1000) "{quoted(ANSWER)}")
    (func $say (param $at i32) (param $n i32) (result i32) (local $block i64) (local $i i32)
      (if (i64.gt_u (call $input_length) (i64.const 2000)) (then (unreachable)))
      (local.set $block (call $alloc (i64.extend_i32_u (local.get $n))))
      (loop $next
        (call $store_u8 (i64.add (local.get $block) (i64.extend_i32_u (local.get $i)))
          (i32.load8_u (i32.add (local.get $at) (local.get $i))))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
      (call $output_set (local.get $block) (i64.extend_i32_u (local.get $n))) (i32.const 0))
    (func (export "auth_authenticate") (result i32) (call $say (i32.const 0) (i32.const {len(ALLOW)})))
    (func (export "response_generate") (result i32) (call $say (i32.const 1000) (i32.const {len(ANSWER)})))""",
    "input_length", "alloc", "store_u8", "output_set",
)  # fmt: skip
WELL = """from mockforge_plugin import ResponsePlugin

class Well(ResponsePlugin):
    def health(self):
        return "ok"

    def can_handle(self, request):
        return True

    def generate(self, request):
        while True:
            pass
"""
LONG = "/mocked/" + "x" * 3000
BREAKER = {"crashes": 3, "backoff_s": 5, "max_backoff_s": 60}


@dataclass
class Stand:
    """An app with the shaky plugin, and a clock that the test puts forward."""

    folder: Path
    forge: MockForge
    client: Client
    events: list[Event] = field(default_factory=list)
    ahead_s: float = 0.0

    @property
    def plugin(self) -> Plugin:
        return self.forge.runtime.plugin("shaky")

    def pass_time(self, seconds: float) -> None:
        self.ahead_s += seconds
        self.plugin.breaker._clock = lambda: time.monotonic() + self.ahead_s

    def calls(self) -> int:
        return sum(isinstance(event, CallFinished) for event in self.events)

    async def crash(self, times: int = 3) -> list[int]:
        return [(await self.client.get(LONG)).status for _ in range(times)]


@asynccontextmanager
async def serving(folder: Path, **plugin: Any) -> AsyncIterator[Stand]:
    (folder / "plugin.yaml").write_text(MANIFEST)
    (folder / "plugin.wasm").write_bytes(SHAKY)
    forge = MockForge(
        config={
            "version": 1,
            "dev": True,
            "plugins": {"shaky": {"use": str(folder), "breaker": BREAKER, **plugin}},
            "protect": [{"path": "/guarded/**", "auth": ["shaky"]}],
            "routes": [
                {"match": {"path": "/mocked/**"}, "response": {"plugin": "shaky"}},
                {"match": {"path": "/guarded/**"}, "response": {"text": "secret"}},
            ],
        }
    )
    stand = Stand(folder, forge, Client(forge))
    forge.runtime.events.subscribe(stand.events.append)
    async with stand.client:
        yield stand


def refused(answer: Response) -> int:
    """The seconds after which to come again."""
    assert answer.status == 503 and answer.json()["error"] == "Unavailable"
    return int(answer.header("retry-after") or "0")


async def test_calls_are_refused_at_once_until_a_trial_passes(tmp_path: Path) -> None:
    async with serving(tmp_path) as stand:
        assert await stand.crash() == [502, 502, 502]
        made, live = stand.calls(), stand.plugin.host._pool.live  # type: ignore[attr-defined]
        assert 3 <= refused(await stand.client.get("/mocked/a")) <= 5
        assert (stand.calls(), stand.plugin.host._pool.live) == (made, live), "nothing ran"  # type: ignore[attr-defined]
        told = [event for event in stand.events if isinstance(event, Quarantined)]
        assert len(told) == 1 and told[0].reason.startswith("it has crashed 3 times within 10 s and served nobody")
        stand.pass_time(5)
        answers = await asyncio.gather(*(stand.client.get("/mocked/a") for _ in range(10)))
        assert sorted({answer.status for answer in answers}) in ([200], [200, 503])
        assert answers[0].text == "fine"
        assert len([event for event in stand.events if isinstance(event, Recovered)]) == 1
        assert (await stand.client.get("/mocked/a")).text == "fine"


async def test_what_guards_a_path_fails_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, on_failure={"text": "come in"}) as stand:
        await stand.crash(8)
        assert stand.plugin.breaker.is_quarantined
        assert refused(await stand.client.get("/guarded/a")) >= 1
        stand.pass_time(5)
        assert (await stand.client.get("/guarded/a")).text == "secret"


@pytest.mark.parametrize(("on_failure", "answer"), [("skip", (404, None)), ({"status": 203, "text": "stand-in"}, (203, "stand-in"))])
async def test_answers_follow_on_failure(tmp_path: Path, on_failure: Any, answer: tuple[int, str | None]) -> None:
    async with serving(tmp_path, on_failure=on_failure) as stand:
        await stand.crash()
        assert stand.plugin.breaker.is_quarantined
        got = await stand.client.get("/mocked/a")
        assert got.status == answer[0] and answer[1] in (None, got.text)


async def test_a_stranger_does_not_switch_off_what_serves_the_others(tmp_path: Path) -> None:
    async with serving(tmp_path) as stand:
        assert (await stand.client.get("/guarded/a")).text == "secret"
        assert await stand.crash(100) == [502] * 100
        assert not stand.plugin.breaker.is_quarantined
        assert (await stand.client.get("/guarded/a")).text == "secret"


async def test_a_stranger_who_crashes_every_trial_keeps_it_from_the_others_for_moments_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as stand:
        await stand.crash()
        for _ in range(20):
            stand.pass_time(5)
            assert await stand.crash(1) == [502]
        answer = await stand.client.get("/guarded/a")
        while answer.status == 503:
            answer = await stand.client.get("/guarded/a")
        assert answer.text == "secret"
        assert [type(event) for event in stand.events if isinstance(event, Quarantined | Recovered)] == [Quarantined, Recovered]


async def test_a_plugin_that_is_well_by_its_own_account_and_serves_nobody_stays_in_quarantine(tmp_path: Path) -> None:
    async with serving(tmp_path) as stand:
        (stand.folder / "plugin.yaml").write_text(
            MANIFEST.replace("[auth, response]", "[response]")
            .replace("runtime: extism", "runtime: python")
            .replace("plugin.wasm", "plugin.py")
        )
        (stand.folder / "plugin.py").write_text(WELL)
        await stand.forge.runtime.refresh()
        for _ in range(3):
            assert await stand.plugin.health() == {"status": "ok", "detail": ""}
            assert (await stand.client.get("/mocked/a")).status == 504
        assert stand.plugin.breaker.is_quarantined
        stand.pass_time(5)
        assert await stand.plugin.health() == {"status": "ok", "detail": ""}
        assert stand.plugin.breaker.is_quarantined


async def test_a_new_generation_begins_anew(tmp_path: Path) -> None:
    async with serving(tmp_path) as stand:
        await stand.crash()
        refused(await stand.client.get("/mocked/a"))
        (stand.folder / "plugin.yaml").write_text(MANIFEST + "description: mended\n")
        assert (await stand.client.get("/mocked/a")).text == "fine"


async def test_clients_that_leave_are_no_crashes(tmp_path: Path) -> None:
    spin = wat('(func (export "response_generate") (result i32) (loop $l (br $l)) (i32.const 0))')
    async with serving(tmp_path, limits={"cpu_ms": 60_000}) as stand:
        (stand.folder / "plugin.yaml").write_text(MANIFEST.replace("[auth, response]", "[response]"))
        (stand.folder / "plugin.wasm").write_bytes(spin)
        await stand.forge.runtime.refresh()
        for _ in range(10):
            waiting = asyncio.ensure_future(stand.client.get("/mocked/a"))
            while not stand.forge.runtime._life.sandbox[0].scheduler._running:  # type: ignore[union-attr]
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert not stand.plugin.breaker.is_quarantined


async def test_a_full_pool_and_a_wait_in_vain_say_when_to_come_again(tmp_path: Path) -> None:
    async with serving(tmp_path, instances={"max": 1, "max_waiting": 1}, limits={"timeout_ms": 200}) as stand:
        pool = stand.plugin.host._pool  # type: ignore[attr-defined]
        held = await pool.acquire(asyncio.get_running_loop().time() + 30)
        waiting = asyncio.ensure_future(stand.client.get("/mocked/a"))
        while not pool.is_waited_for:
            await asyncio.sleep(0)
        assert refused(await stand.client.get("/mocked/b")) == 1
        assert refused(await waiting) == 1
        pool.release(held)
        assert (await stand.client.get("/mocked/a")).text == "fine"
        assert not stand.plugin.breaker.is_quarantined
        whys = [event.error for event in stand.events if isinstance(event, CallFinished) and event.outcome == "unavailable"]
        assert "already wait" in whys[0] and "came free in time" in whys[1]


class Unready:
    """A guest whose `init` fails when told so."""

    memory_bytes = closed = 0

    def __init__(self) -> None:
        self.is_failing, self.inits, self.broken = False, 0, False
        self.scheduler = idle_scheduler()

    async def instantiate(self, fiber: Fiber) -> Unready:
        self.broken = False
        return self

    async def describe(self, fiber: Fiber) -> Json:
        return {"contract": "0.1", "ops": ["plugin.init", "echo"]}

    async def begin(self, fiber: Fiber, payload: bytes) -> Json:
        await asyncio.sleep(0)
        if fiber.op == "plugin.init":
            self.inits += 1
            if self.is_failing:
                raise PluginFailed("unready", "plugin.init", "the database is gone")
        return None

    def close(self) -> None:
        pass


@pytest.mark.parametrize("is_used", [True, False])
async def test_an_init_that_fails_is_tried_three_times_not_once_for_each_call_that_waits(is_used: bool) -> None:
    guest, breaker = Unready(), Breaker("unready")
    options = HostOptions("unready", "1", {}, Budget(timeout_s=0.2), True)
    host = WasmHost(options, guest, PluginHostCalls(), MemoryBudget(asyncio.get_running_loop()), EventStream())
    host.watch, breaker.refuse_waiting = breaker, host.refuse_waiting
    await host.open()
    await host.start()
    first = host.lease()
    await first.call("echo", NOTHING)
    if not is_used:
        first.release()
        while host._pool._making:
            await asyncio.sleep(0)
        host._pool.evict()
    guest.is_failing, before = True, guest.inits
    ends = await asyncio.gather(*(host.lease().call("echo", NOTHING) for _ in range(200)), return_exceptions=True)
    assert guest.inits - before == UNMADE
    assert [type(end) for end in ends][UNMADE:] == [PluginUnavailable] * (200 - UNMADE)
    assert "the database is gone" in str(ends[-1])
    assert breaker.is_quarantined != is_used, "an instance that works serves on"
    first.release()
    await host.close()


async def test_the_operators_breaker_is_the_plugins(tmp_path: Path) -> None:
    async with serving(tmp_path, breaker={"enabled": False}) as stand:
        assert await stand.crash(40) == [502] * 40


async def test_plugins_that_together_want_more_than_there_is_make_room_for_each_other(tmp_path: Path) -> None:
    names = ("one", "two", "three", "four")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "plugin.yaml").write_text(MANIFEST.replace("[auth, response]", "[response]").replace("shaky", name))
        (tmp_path / name / "plugin.wasm").write_bytes(SHAKY)
    forge = MockForge(
        config={
            "version": 1,
            "dev": True,
            "limits": {"pool_memory_mb": 70},  # an instance counts for 32
            "plugins": {name: {"use": str(tmp_path / name), "instances": {"warm": 0}} for name in names},
            "routes": [{"match": {"path": f"/{name}/**"}, "response": {"plugin": name}} for name in names],
        }
    )
    async with Client(forge) as client:
        for _ in range(3):
            assert [(await client.get(f"/{name}/a")).status for name in names] == [200] * 4
        answers = await asyncio.gather(*(client.get(f"/{name}/a") for _ in range(8) for name in names))
        assert [answer.status for answer in answers] == [200] * 32
        memory = forge.runtime._life.sandbox[0].memory  # type: ignore[union-attr]
        assert 0 < memory.charged <= memory.cap_bytes
    assert memory.charged == 0
