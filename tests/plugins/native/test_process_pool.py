"""What becomes of worker processes when something ends that should not have."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.events import GuestLogged
from mockforge_asgi.plugins.native.process_pool import InWorkers
from tests.support.native_hosts import Told, call, host

ENDS = """
    import os
    from mockforge_plugin import *

    @function
    def pid():
        print("printed", flush=True)
        return os.getpid()

    @function
    def ends():
        os._exit(3)

    @function
    def counts():
        log.info("counting")
        return kv.incr("n").result()
    """

PARENT = """
import asyncio
from tests.support.native_hosts import call, host

async def main():
    plugin = host("def generate(request):\\n    while True: pass\\n", processes=True, timeout_s=600.0)
    await plugin.open()
    await plugin.start()
    print(*plugin.runner.pids, flush=True)
    from tests.support.native_hosts import GENERATE
    await plugin.call("response.generate", GENERATE)

asyncio.run(main())
"""


async def test_a_worker_that_ends_is_replaced() -> None:
    plugin = host(ENDS, processes=True, most=1)
    await plugin.open()
    await plugin.start()
    first = await plugin.call("template.call", call("pid"))
    assert first != os.getpid()
    with pytest.raises(PluginFailed, match="ended in the middle") as caught:
        await plugin.call("template.call", call("ends"))
    assert caught.value.retryable
    assert await plugin.call("template.call", call("pid")) != first
    await plugin.close()


async def test_a_cancelled_call_kills_its_worker_alone() -> None:
    source = "from mockforge_plugin import *\n@function\ndef f(n):\n    log.info('called')\n    while n: pass\n    return n"
    told = Told()
    plugin = host(source, processes=True, most=2, told=told)
    await plugin.open()
    await plugin.start()
    assert isinstance(plugin.runner, InWorkers)
    spinning = asyncio.ensure_future(plugin.call("template.call", call("f", 1)))
    while not told.of(GuestLogged):
        await asyncio.sleep(0)
    assert await plugin.call("template.call", call("f", 0)) == 0
    spinning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spinning
    assert await plugin.call("template.call", call("f", 0)) == 0
    assert len(plugin.runner.pids) == 1
    await plugin.close()


async def test_closing_leaves_no_process_and_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        plugin = host(ENDS, processes=True, told=Told())
        await plugin.open()
        await plugin.start()
        assert await plugin.call("template.call", call("counts")) == 1
        assert isinstance(plugin.runner, InWorkers)
        pids = plugin.runner.pids
        await plugin.close()
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@pytest.mark.timeout(30)
async def test_closing_in_the_turn_in_which_the_last_process_was_buried_does_not_hold_the_loop() -> None:
    plugin = host(ENDS, processes=True, told=Told())
    await plugin.open()
    runner, loop = plugin.runner, asyncio.get_running_loop()
    assert isinstance(runner, InWorkers)
    for worker in tuple(runner._all):
        runner._kill(worker)
    await asyncio.wait(runner._dying)

    async def nothing() -> None:
        """Done after its first step."""

    wait_closed = loop.create_task(nothing())
    runner._dying.add(wait_closed)
    wait_closed.add_done_callback(runner._dying.discard)
    await loop.create_task(runner.close())  # runs in the same turn of the loop, before what `wait_closed` calls when it is done
    assert not runner._dying


async def test_a_worker_that_ended_between_two_calls_fails_none() -> None:
    plugin = host(ENDS, processes=True, most=1)
    await plugin.open()
    await plugin.start()
    assert isinstance(plugin.runner, InWorkers)
    (worker,) = plugin.runner._all
    os.kill(worker.process.pid, signal.SIGKILL)
    await worker.process.wait()
    assert await plugin.call("template.call", call("pid")) != worker.process.pid
    await plugin.close()


def is_alive(pid: int) -> bool:
    """Whether it runs: one that nobody waits for stays as a zombie where no init takes it."""
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def test_a_worker_that_ended_by_itself_is_buried_at_once_with_what_it_started_and_its_number_is_never_killed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = """
        import os
        import signal
        from mockforge_plugin import *

        @function
        def starts():
            child = os.fork()
            if not child:
                os.closerange(0, 64)
                signal.pause()
            return child
        """
    plugin = host(source, processes=True, most=1)
    await plugin.open()
    await plugin.start()
    runner = plugin.runner
    assert isinstance(runner, InWorkers)
    child = await plugin.call("template.call", call("starts"))
    (pid,) = runner.pids
    os.kill(pid, signal.SIGKILL)
    while runner.pids or is_alive(child):
        await asyncio.sleep(0.001)
    killed: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _: killed.append(group))
    assert await plugin.call("template.call", call("starts")) != child
    (later,) = runner.pids
    await plugin.close()
    assert killed == [later]
    monkeypatch.undo()
    os.killpg(later, signal.SIGKILL)  # what it started


async def test_a_worker_that_starts_more_slowly_than_a_call_may_last_serves_a_later_call() -> None:
    spins = "from mockforge_plugin import *\n@function\ndef f(n):\n    while n: pass\n    return n"
    plugin = host(spins, processes=True, most=1)
    await plugin.open()
    await plugin.start()
    runner = plugin.runner
    assert isinstance(runner, InWorkers)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await plugin.call("template.call", call("f", 1))
    for _ in range(2):  # both leave before any interpreter can have started
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await plugin.call("template.call", call("f", 0))
    assert len(runner._starts) == 1
    await asyncio.gather(*runner._starts)
    assert len(runner.pids) == 1
    (pid,) = runner.pids
    assert await plugin.call("template.call", call("f", 0)) == 0
    assert runner.pids == {pid}
    await plugin.close()


async def test_workers_are_started_one_after_the_other_however_many_crash_at_once() -> None:
    plugin = host(ENDS, processes=True, most=4, timeout_s=60.0)
    await plugin.open()
    await plugin.start()
    runner = plugin.runner
    assert isinstance(runner, InWorkers)
    calls = [asyncio.ensure_future(plugin.call("template.call", call("ends"))) for _ in range(8)]
    most = 0
    while not all(each.done() for each in calls):
        most = max(most, sum(worker.description is None for worker in runner._all))
        await asyncio.sleep(0.001)
    assert most == 1
    for each in calls:
        with pytest.raises(PluginFailed, match="ended in the middle"):
            await each
    await plugin.close()


async def test_a_killed_worker_is_replaced_before_the_next_call() -> None:
    plugin = host("from mockforge_plugin import *\n@function\ndef f(n):\n    while n: pass\n    return n", processes=True, most=1)
    await plugin.open()
    await plugin.start()
    runner = plugin.runner
    assert isinstance(runner, InWorkers)
    before = runner.pids
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await plugin.call("template.call", call("f", 1))
    await asyncio.gather(*runner._starts)
    assert len(runner.pids) == 1 and runner.pids != before
    await plugin.close()


async def test_closing_ends_a_worker_that_is_being_started() -> None:
    plugin = host(ENDS, processes=True, most=1)
    await plugin.open()
    await plugin.start()
    runner = plugin.runner
    assert isinstance(runner, InWorkers)
    with pytest.raises(PluginFailed):
        await plugin.call("template.call", call("ends"))
    waiting = asyncio.ensure_future(plugin.call("template.call", call("pid")))
    await asyncio.sleep(0)
    await runner.close()
    with pytest.raises(PluginUnavailable, match="stopping"):
        await waiting
    assert not runner.pids and not runner._starts
    await plugin.close()


FRAGILE = """
    import os, pathlib
    from mockforge_plugin import *

    class Fragile(TemplatePlugin):
        def init(self):
            if os.path.exists("FLAG"):
                raise RuntimeError("no database")

        @function
        def breaks(self):
            pathlib.Path("FLAG").touch()
            os._exit(3)

        @function
        def works(self):
            return "works"
    """


async def test_a_worker_whose_init_fails_is_never_called(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    plugin = host(FRAGILE.replace("FLAG", str(flag)), processes=True, most=1)
    await plugin.open()
    await plugin.start()
    with pytest.raises(PluginFailed):
        await plugin.call("template.call", call("breaks"))
    for _ in range(3):
        with pytest.raises(PluginFailed, match="no database"):
            await plugin.call("template.call", call("works"))
    flag.unlink()
    assert await plugin.call("template.call", call("works")) == "works"
    await plugin.close()


async def test_every_worker_is_destroyed_and_the_one_that_started_stops() -> None:
    source = """
        import os
        from mockforge_plugin import *

        class Lives(TemplatePlugin):
            def start(self): log.info(f"start {os.getpid()}")
            def stop(self): log.info(f"stop {os.getpid()}")
            def destroy(self): log.info(f"destroy {os.getpid()}")

            @function
            def meet(self):
                if kv.incr("n").result() == 2:
                    kv.set("met", True).result()
                while kv.get("met").result() is None:
                    pass
        """
    told = Told()
    plugin = host(source, processes=True, most=2, told=told, timeout_s=60.0)
    await plugin.open()
    await plugin.start()
    await asyncio.gather(*(plugin.call("template.call", call("meet")) for _ in range(2)))
    assert isinstance(plugin.runner, InWorkers)
    pids = plugin.runner.pids
    assert len(pids) == 2
    await plugin.close()
    said = [tuple(line.message.split()) for line in told.of(GuestLogged)]
    assert {pid for what, pid in said if what == "destroy"} == set(map(str, pids))
    assert [pid for what, pid in said if what == "start"] == [pid for what, pid in said if what == "stop"]


async def test_a_failure_is_told_however_small_answers_must_be() -> None:
    source = "from mockforge_plugin import *\n@function\ndef f(n):\n    raise ValueError('x' * n)"
    plugin = host(source, processes=True, most=1, output_bytes=100)
    await plugin.open()
    await plugin.start()
    with pytest.raises(PluginFailed, match="ValueError: xxx") as caught:
        await plugin.call("template.call", call("f", 1000))
    assert not isinstance(caught.value, LimitExceeded)
    await plugin.close()


async def test_an_answer_over_the_limit_costs_no_worker() -> None:
    plugin = host("from mockforge_plugin import *\n@function\ndef f(n):\n    return 'x' * n", processes=True, most=1, output_bytes=100)
    await plugin.open()
    await plugin.start()
    assert isinstance(plugin.runner, InWorkers)
    before = plugin.runner.pids
    with pytest.raises(LimitExceeded, match="output_kb"):
        await plugin.call("template.call", call("f", 1000))
    assert await plugin.call("template.call", call("f", 1)) == "x"
    assert plugin.runner.pids == before
    await plugin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not bound it")
async def test_memory_is_bounded() -> None:
    source = "from mockforge_plugin import *\n@function\ndef f(mb):\n    return len(bytearray(mb << 20))"
    plugin = host(source, processes=True, most=1, memory_mb=128)
    await plugin.open()
    await plugin.start()
    with pytest.raises(LimitExceeded) as caught:
        await plugin.call("template.call", call("f", 256))
    assert (caught.value.limit, caught.value.budget) == ("memory_mb", 128)
    assert await plugin.call("template.call", call("f", 1)) == 1 << 20
    await plugin.close()


async def test_modules_of_the_current_folder_are_not_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken over')\n")
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[3]), *(entry for entry in sys.path if entry)])
    monkeypatch.chdir(tmp_path)
    plugin = host(ENDS, processes=True, most=1)
    await plugin.open()
    await plugin.close()


async def test_a_process_that_cannot_be_started_makes_the_plugin_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    plugin = host(ENDS, processes=True)
    with pytest.raises(PluginUnavailable, match="cannot be started: No such file"):
        await plugin.open()
    await plugin.close()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open")
def test_workers_end_with_their_host_even_when_they_spin() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = os.pidfd_open(int(parent.stdout.readline().split()[0]))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    ended, _, _ = select.select([worker], [], [], 20)
    os.close(worker)
    assert ended
