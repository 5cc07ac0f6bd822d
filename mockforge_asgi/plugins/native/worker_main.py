"""The inside of a worker process: loads one plugin, answers one operation after the other, a line of JSON each.

Started by `plugins/native/worker_process.py` and by nothing else. Host calls go through the same pipe; what the plugin prints goes
to the standard error stream, never into the pipe.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO

from mockforge_plugin.bundle import Bundle
from mockforge_plugin.context import entered
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import HostError, error_envelope
from mockforge_plugin.operations.dispatch import PluginObject
from mockforge_plugin.operations.loading import load_plugin

_PR_SET_PDEATHSIG = 1


class Pipe:
    """Lines of JSON to and from the host; also the plugin's way to its host (the kit's `HostContext`)."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._reading, self._writing = reading, writing
        self._turn = threading.Lock()
        self._in_call = False

    def receive(self) -> Any:
        """The next message; ends the process when the host is gone."""
        line = self._reading.readline()
        if not line.endswith(b"\n"):
            os._exit(0)
        return json.loads(line)

    def receive_call(self) -> Any:
        """The next operation; host calls work until its answer is sent."""
        asked = self.receive()
        self._in_call = True
        return asked

    def send_answer(self, name: str, text: str) -> None:
        """A call's `result` or `error`; from now on host calls are refused."""
        with self._turn:
            self._in_call = False
            self.send(name, text)

    def send(self, name: str, text: str, *, more: str = "") -> None:
        """A message with one member, whose JSON text is given."""
        self._writing.write(f'{{"{name}":{text}{more}}}\n'.encode())
        self._writing.flush()

    def call_now(self, name: str, payload: dict[str, Any]) -> Any:
        """Call the host and wait for its answer. Raises HostError."""
        text = encode(payload, name)
        with self._turn:
            if not self._in_call:
                raise HostError("the call that this host call belongs to is over", code="unavailable")
            self.send("host_call", encode(name), more=f',"payload":{text}')
            answer = self.receive()
        if "refused" in answer:
            raise HostError.from_envelope({"error": answer["refused"]})
        return answer["answer"]

    call_blocking = call_now

    async def call(self, name: str, payload: dict[str, Any]) -> Any:
        """The same for async code: this process has nothing else to do meanwhile."""
        return self.call_now(name, payload)


def serve(pipe: Pipe) -> None:
    """Load what the first message says, then answer for ever."""
    first = pipe.receive()
    _bound_memory(first["memory_mb"])
    os.nice(first["nice"])
    bundle = Bundle(first["files"], prefix=first["prefix"])
    loop = asyncio.new_event_loop()
    try:
        plugin = load_plugin(bundle.run(first["entry"]))
        pipe.send("result", encode(plugin.describe(), "description"))
    except MemoryError:
        return pipe.send("limit", '"memory_mb"')
    except (Exception, SystemExit) as error:  # the author's code: whatever it raises
        pipe.send("error", _envelope(error, bundle.author_files))
        return
    while True:
        asked = pipe.receive_call()
        try:
            with entered(pipe):
                text = _answer(plugin, loop, asked)
        except MemoryError:
            return pipe.send_answer("limit", '"memory_mb"')  # whatever it left half done ends with this process
        except (Exception, SystemExit) as error:
            pipe.send_answer("error", _envelope(error, bundle.author_files))
        else:
            pipe.send_answer("result", text)


def _answer(plugin: PluginObject, loop: asyncio.AbstractEventLoop, asked: Mapping[str, Any]) -> str:
    answer = plugin.call(asked["op"], asked["document"])
    return answer if isinstance(answer, str) else loop.run_until_complete(answer)


def _envelope(error: BaseException, author_files: Mapping[str, str]) -> str:
    return encode(error_envelope(error, author_files)["error"])


def _bound_memory(most_mb: int) -> None:
    """What is beyond raises MemoryError, or ends this process where code of C does not look."""
    if most_mb and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (most_mb << 20, most_mb << 20))


def _die_with_parent() -> None:
    """Linux ends this process with its parent, even while the plugin's code never returns."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Take the pipe away from standard input and output, then serve."""
    _die_with_parent()
    reading, writing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    serve(Pipe(reading, writing))


if __name__ == "__main__":
    main()
