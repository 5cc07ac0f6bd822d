"""A sandboxed Python plugin that is over its time is told with its line in development mode, and nothing happens twice for that."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import LimitExceeded
from mockforge_asgi.events import CallFinished, EventStream
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.plugins.testkit.harness import Harness
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client
from mockforge_asgi.wasm import host
from mockforge_asgi.wasm.fiber import Budget
from tests.support.plugin_packages import minimal

SOURCE = """\
import random
import re
import time

from mockforge_plugin import function, kv, log
from mockforge_plugin.context import current

calls = []


@function
def pure():
    while True: pass  # pure


def helper(n):
    while n >= 0:  # helper
        n += 1


@function
def calls_helper():
    helper(3)  # outer


@function
def in_c():
    ok = 0
    for n in range(20_000):
        ok += n
    return bool(re.match(r"(a+)+$", "a" * 40 + "b"))  # in_c


@function
def in_one_line():
    return sum(n for n in range(10**12))  # in_one_line


@function
def catches_all():
    while True:  # catches_all
        try:
            raise ValueError
        except BaseException:
            continue


@function
async def sleeps():
    time.sleep(100)  # sleeps


@function
async def asks_for_ever():
    while True:
        await kv.get("n")  # asks_for_ever


@function
async def counts_then_loops():
    if await kv.incr("n") != 1:
        raise ValueError("the second run had an effect of its own")
    log.info("counted")
    while True: pass  # counts_then_loops


@function
async def denied_then_loops():
    try:
        await kv.set("k", "v" * 100_000)
    except Exception:
        while True: pass  # denied_then_loops


@function
async def count():
    return [await kv.incr("n"), random.random()]


@function
def third():
    calls.append(1)
    while len(calls) == 3: pass
    return len(calls)


@function
def lies():
    big = "\\x1b[31m" * 10_000
    try:
        current().call_now("trace", {"n": 10**18 * 10**18, "file": big, "line": -1, "source": [big], "traceback": big})
        current().call_now("trace", {"n": True, "file": 7, "line": True, "source": None, "traceback": {}})
    except Exception:
        pass
    time.sleep(100)
"""
LIMITS = "limits: {memory_mb: 64, cpu_ms: 40, timeout_ms: 20000}"


def runtime_of(root: Path, *, dev: bool = True, source: str = SOURCE, isolation: str = "reused", timeout_ms: int = 20000) -> PluginRuntime:
    root.mkdir(exist_ok=True)
    permissions = "permissions: {kv: {max_keys: 10, max_bytes: 1000}}\n"
    (root / "plugin.yaml").write_text(minimal("late", permissions + LIMITS.replace("20000", str(timeout_ms))))
    (root / "plugin.py").write_text(source)
    use = {"use": str(root), "isolation": isolation, "grants": {"kv": {"max_keys": 10, "max_bytes": 1000}}, "breaker": {"enabled": False}}
    return PluginRuntime({"version": 1, "dev": dev, "plugins": {"late": use}}, events=EventStream())


@asynccontextmanager
async def started(runtime: PluginRuntime) -> AsyncIterator[PluginRuntime]:
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


async def call(runtime: PluginRuntime, name: str) -> Json:
    return await runtime.plugin("late").call_function(None, name, [], {})


async def failure(runtime: PluginRuntime, name: str) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as caught:
        await call(runtime, name)
    return caught.value


def line_of(mark: str) -> int:
    return next(i for i, line in enumerate(SOURCE.splitlines(), 1) if line.endswith(f"# {mark}"))


@pytest.mark.parametrize(
    ("name", "isolation"),
    [
        ("pure", "reused"),
        ("pure", "per_request"),
        ("in_c", "reused"),
        ("in_one_line", "reused"),
        ("asks_for_ever", "reused"),
        ("counts_then_loops", "per_request"),
        ("denied_then_loops", "reused"),
    ],
)
async def test_a_call_over_cpu_ms_is_told_with_its_line(tmp_path: Path, name: str, isolation: str) -> None:
    async with started(runtime_of(tmp_path, isolation=isolation)) as runtime:
        error = await failure(runtime, name)
    assert error.limit == "cpu_ms"
    assert error.message.startswith("over its limit of cpu_ms=40; run again to see where, it was at plugin.py line ")
    assert (error.details["file"], error.details["line"]) == ("plugin.py", line_of(name))
    assert error.details["source"] == SOURCE.splitlines()[line_of(name) - 1].strip()
    assert f'  File "plugin.py", line {line_of(name)}, in {name}' in error.author_traceback


@pytest.mark.parametrize(("name", "lines"), [("helper", 2), ("catches_all", 5)])
async def test_a_loop_of_several_lines_is_told_with_one_of_them_and_with_who_called_it(tmp_path: Path, name: str, lines: int) -> None:
    async with started(runtime_of(tmp_path)) as runtime:
        error = await failure(runtime, "calls_helper" if name == "helper" else name)
    assert error.details["line"] in range(line_of(name), line_of(name) + lines)
    assert name != "helper" or f"line {line_of('outer')}, in calls_helper\n    helper(3)  # outer\n  File" in error.author_traceback


async def test_a_call_that_waits_too_long_is_told_with_what_it_waits_for_and_the_line(tmp_path: Path) -> None:
    async with started(runtime_of(tmp_path, timeout_ms=100)) as runtime:
        error = await failure(runtime, "sleeps")
    where = f"while it waited for the host call 'clock.sleep'; run again to see where, it was at plugin.py line {line_of('sleeps')}"
    assert error.message == f"over its limit of timeout_ms=100 {where}. Raise limits.timeout_ms or make the call cheaper."


async def test_the_second_run_has_no_effect(tmp_path: Path) -> None:
    lines: list[str] = []
    async with started(runtime_of(tmp_path)) as runtime:
        runtime.events.subscribe(lambda event: lines.append(str(event)))
        await failure(runtime, "counts_then_loops")
        assert (await call(runtime, "count"))[0] == 2
    assert sum("counted" in line for line in lines) == 1


async def test_outside_development_mode_no_call_is_run_again(tmp_path: Path) -> None:
    async with started(runtime_of(tmp_path, dev=False)) as runtime:
        error = await failure(runtime, "counts_then_loops")
        assert error.message == "over its limit of cpu_ms=40. Raise limits.cpu_ms or make the call cheaper."
        assert runtime.plugin("late").host.rerun is None  # type: ignore[attr-defined]  # of hosts of sandboxed plugins


async def test_a_call_that_a_fresh_instance_ends_well_is_told_without_a_line(tmp_path: Path) -> None:
    async with started(runtime_of(tmp_path)) as runtime:
        assert [await call(runtime, "third"), await call(runtime, "third")] == [1, 2]
        assert "line" not in (await failure(runtime, "third")).details


async def test_what_the_authors_code_makes_up_of_its_lines_is_bounded_and_harmless(tmp_path: Path) -> None:
    async with started(runtime_of(tmp_path, timeout_ms=100)) as runtime:
        error = await failure(runtime, "lies")
        assert len(str(error)) < 10_000 and "\x1b" not in str(error)
        assert (await call(runtime, "count"))[0] == 1


@pytest.mark.parametrize(
    ("source", "op"),
    [
        ("while True: pass\n", "plugin.load"),
        ("def init(config):\n    while True: pass\n", "plugin.init"),
        ("def init(config):\n    pass\n\ndef start():\n    while True: pass\n", "plugin.start"),
    ],
)
async def test_a_plugin_that_never_gets_ready_is_told_with_its_line(
    tmp_path: Path, source: str, op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "SETUP", Budget(cpu_s=0.1, timeout_s=30.0, output_bytes=1 << 20, is_fixed=True))
    runtime = runtime_of(tmp_path, source=source + "\nfrom mockforge_plugin import function\n\n@function\ndef one(): return 1\n")
    with pytest.raises(LimitExceeded, match="which is fixed for this step; run again to see where, it was at plugin.py line ") as caught:
        await runtime.start()
    assert (caught.value.op, caught.value.details["source"]) == (op, "while True: pass")


async def test_the_response_and_the_event_name_plugin_and_line(tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "late")
    (tmp_path / "late" / "plugin.py").write_text(SOURCE + "\ndef generate(request):\n    while True: pass\n")
    manifest = (tmp_path / "late" / "plugin.yaml").read_text().replace("[template]", "[response]")
    (tmp_path / "late" / "plugin.yaml").write_text(manifest)
    heard: list[CallFinished] = []
    runtime.events.subscribe(lambda event: heard.append(event) if isinstance(event, CallFinished) else None)
    words = f"plugin 'late' failed in response.generate: over its limit.* plugin.py line {len(SOURCE.splitlines()) + 3}"
    async with Client(MockForge(runtime=runtime)) as client:
        response = await client.get("/any")
    assert response.status == 504 and re.search(words, response.json()["message"])
    told = next(event for event in heard if event.op == "response.generate")
    assert re.search(words, told.error) and told.wall_s < 10 and told.outcome == "limit"


async def test_a_plugin_that_is_tried_out_names_its_line(tmp_path: Path) -> None:
    runtime_of(tmp_path)
    async with Harness(tmp_path) as trial:
        outcome = await trial.call("template.call", {"function": "pure", "args": [], "kwargs": {}})
    assert outcome.error is not None and f"plugin.py line {line_of('pure')}" in outcome.error["message"]
    assert outcome.traceback.endswith("while True: pass  # pure")
