"""What becomes of worker processes when something ends that should not have."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys

import pytest

from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.plugins.processes import InWorkers
from tests.plugins.native_parts import Told, call, host

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
from tests.plugins.native_parts import call, host

async def main():
    plugin = host("def generate(request):\\n    while True: pass\\n", processes=True, timeout_s=600.0)
    await plugin.open()
    await plugin.start()
    print(*plugin.runner.pids, flush=True)
    from tests.plugins.native_parts import GENERATE
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
    plugin = host("from mockforge_plugin import *\n@function\ndef f(n):\n    while n: pass\n    return n", processes=True, most=2)
    await plugin.open()
    await plugin.start()
    assert isinstance(plugin.runner, InWorkers)
    spinning = asyncio.ensure_future(plugin.call("template.call", call("f", 1)))
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
