"""Functions of a plugin in processes of their own: what they may do, what becomes of those that do not end, and of everybody else."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from textwrap import dedent
from typing import Any

import pytest

from mockforge_asgi.contract import HostCalls
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.plugins.native.code import FileCode
from mockforge_asgi.plugins.native.host import NativeHost, NativeOptions
from mockforge_asgi.plugins.native.processes import NICE, WithProcesses
from mockforge_asgi.plugins.native.runner import InProcess
from mockforge_asgi.plugins.native.threads import WorkerThreads
from tests.support.native_hosts import Told, call, doors

WORKER = """
    import os, time
    from mockforge_plugin import PluginError, function, kv, log
    from .beside import GREETING

    @function
    def greet(name, *, loud=False):
        return GREETING + (name.upper() if loud else name)

    @function
    def where():
        return [os.getpid(), os.nice(0)]

    @function
    def spin():
        log.info("spinning")
        while True:
            pass

    @function
    def eat():
        return len(bytearray(1 << 30))

    @function
    def refuse():
        raise PluginError("not this one", code="invalid_input", details={"why": "because"})

    @function
    def long():
        return "x" * 2_000_000
    """
PLUGIN = """
    from mockforge_plugin import HostError, Processes, function

    processes = Processes("worker.py", timeout_ms=600_000)

    @function
    async def greet(name):
        return await processes.call("greet", name, loud=True)

    @function
    def of_another():
        try:
            return Processes("other.py").call("greet").result()
        except HostError as error:
            return [error.code, error.message]
    """
FILES = {name: dedent(text).encode() for name, text in (("plugin.py", PLUGIN), ("worker.py", WORKER), ("beside.py", 'GREETING = "hello "'))}


def host_calls(told: Told) -> WithProcesses:
    return WithProcesses(doors(told), "native", FILES, None, output_bytes=1 << 20, memory_mb=256)


@pytest.fixture
async def made() -> AsyncIterator[WithProcesses]:
    calls = host_calls(Told())
    yield calls
    await calls.close()


def asked(function: str, *args: Any, **options: Any) -> dict[str, Any]:
    return {"module": "worker.py", "function": function, "args": list(args), "timeout_ms": 600_000, **options}


async def run(calls: HostCalls, function: str, *args: Any, **options: Any) -> Any:
    return await calls.call("process.call", asked(function, *args, **options), None)


async def failure(calls: HostCalls, function: str, **options: Any) -> HostCallError:
    with pytest.raises(HostCallError) as caught:
        await run(calls, function, **options)
    return caught.value


async def test_a_plugin_calls_a_function_of_a_module_of_its_own() -> None:
    told = Told()
    code = FileCode("native", FILES, "plugin.py")
    plugin = NativeHost(
        NativeOptions("native"), InProcess("native", code, WorkerThreads("native", 2), 1 << 20), host_calls(told), told.stream
    )
    await plugin.open()
    await plugin.start()
    assert await plugin.call("template.call", call("greet", "Ada")) == "hello ADA"
    assert await plugin.call("template.call", call("of_another")) == ["not_found", "the plugin has no file 'other.py'"]
    await plugin.close()


async def test_it_runs_in_another_process_that_stays_and_yields_to_the_server(made: WithProcesses) -> None:
    pid, nice = await run(made, "where")
    assert pid != os.getpid() and made.pids == {pid}
    assert nice == os.nice(0) + NICE
    assert await run(made, "where") == [pid, nice]


async def test_what_does_not_end_is_killed_and_only_that() -> None:
    told = Told()
    calls = host_calls(told)
    first, _ = await run(calls, "where")
    spinning = asyncio.ensure_future(failure(calls, "spin", timeout_ms=200))
    while not told.events:
        await asyncio.sleep(0.001)
    assert await run(calls, "greet", "Ada") == "hello Ada"
    error = await spinning
    assert (error.code, error.message) == ("timeout", "it did not end within 0.2 s; its process was killed")
    assert await run(calls, "greet", "Bob") == "hello Bob"
    assert first not in calls.pids
    await calls.close()


async def test_a_process_killed_from_outside_costs_its_caller_alone() -> None:
    told = Told()
    calls = host_calls(told)
    spinning = asyncio.ensure_future(failure(calls, "spin"))
    while not told.events:
        await asyncio.sleep(0.001)
    (pid,) = calls.pids
    others = [asyncio.ensure_future(run(calls, "greet", str(n))) for n in range(5)]
    os.kill(pid, signal.SIGKILL)
    error = await spinning
    assert (error.code, error.retryable) == ("unavailable", True)
    assert await asyncio.gather(*others) == [f"hello {n}" for n in range(5)]
    await calls.close()


async def test_memory_and_results_are_bounded(made: WithProcesses) -> None:
    assert (await failure(made, "eat")).code == "limit"
    assert (await failure(made, "long")).code == "limit"
    assert await run(made, "greet", "Ada") == "hello Ada"


async def test_an_error_of_the_function_comes_with_its_code_and_the_authors_line(made: WithProcesses) -> None:
    error = await failure(made, "refuse")
    assert (error.code, error.details["why"]) == ("invalid_input", "because")
    assert 'File "worker.py"' in error.message and "not this one" in error.message
    assert (await failure(made, "nothing_like_it")).code == "not_found"


async def test_calls_beyond_the_queue_are_refused_at_once() -> None:
    told = Told()
    calls = host_calls(told)
    await run(calls, "where", most=1, queue=1)  # what the first call of a module says counts
    spinning = asyncio.ensure_future(failure(calls, "spin"))
    while not told.events:
        await asyncio.sleep(0.001)
    late = await failure(calls, "where", timeout_ms=1)
    assert (late.code, late.message) == ("unavailable", "no process came free within 0.001 s")
    waiting = asyncio.ensure_future(failure(calls, "where"))
    await asyncio.sleep(0)
    error = await failure(calls, "where")
    assert (error.code, error.message, error.retryable) == ("unavailable", "too many calls wait for a process", True)
    await calls.close()
    assert {(await spinning).code, (await waiting).code} == {"unavailable"}


async def test_a_caller_that_leaves_costs_no_process() -> None:
    told = Told()
    calls = host_calls(told)
    pid, _ = await run(calls, "where")
    leaving = asyncio.ensure_future(run(calls, "greet", "Ada"))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (await run(calls, "where"))[0] in calls.pids and pid in calls.pids
    await calls.close()
    assert not calls.pids
    assert (await failure(calls, "where", module="beside.py")).code == "unavailable"


async def test_all_other_host_calls_are_as_ever(made: WithProcesses) -> None:
    assert made.call_now("secret.get", {"name": "key"}) == {"value": "s3cret"}
    assert await made.call("kv.incr", {"key": "n"}, None) == {"value": 1}
