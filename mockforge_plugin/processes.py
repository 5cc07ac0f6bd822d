"""Functions that run in processes of their own: for code that may hang, crash or eat memory on what it is given. Native plugins only."""

from __future__ import annotations

from mockforge_plugin.host_call import HostCall, ask
from mockforge_plugin.values import Json


class Processes:
    """The functions of one module of the plugin, marked `@function`, each call in a process that ends with it if it must.

    The processes start when they are needed, work one call at a time with lower priority than the server (nice 10), and stay for later
    calls. Arguments and results are JSON. The manifest's `limits.memory_mb` bounds each of them, on Linux.
    """

    def __init__(self, module: str, *, most: int = 2, queue: int = 64, timeout_ms: int = 5000) -> None:
        """`module` is the file within the plugin's folder, such as `worker.py`. At most `most` processes; `queue` calls may wait."""
        self._payload: dict[str, Json] = {"module": module, "most": most, "queue": queue, "timeout_ms": timeout_ms}

    def call(self, function: str, *args: Json, **kwargs: Json) -> HostCall[Json]:
        """What the function returns.

        Raises: HostError when awaited: `timeout` (its process was killed), `limit` (memory, or the size of the result), `unavailable`
        (its process ended, too many calls wait, or none can be started), or the code of the PluginError that the function raised.
        """
        return HostCall(ask("process.call", {**self._payload, "function": function, "args": list(args), "kwargs": kwargs}, _same))


def _same(answer: Json) -> Json:
    return answer
