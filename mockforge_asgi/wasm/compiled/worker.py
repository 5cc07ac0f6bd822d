"""The process that compiles: `python -m mockforge_asgi.wasm.compiled.worker KIND IN_FD OUT_FD MEMORY_MB CPU_S PARENT_PID`.

Bounds itself first, then reads WebAssembly from one inherited descriptor and writes machine code to the other. A refusal
by the compiler is exit code 3 with the reason on standard error; any other code or a signal means it died.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

REFUSED = 3
_PR_SET_PDEATHSIG = 1


def bound(memory_mb: int, cpu_s: int, parent: int) -> None:
    """Limit this process, and have it end with its parent (where the system can do that)."""
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, memory_mb << 20, memory_mb << 20),
    ):
        most = resource.getrlimit(kind)[1]  # only root may raise it
        resource.setrlimit(kind, (soft, hard) if most == resource.RLIM_INFINITY else (min(soft, most), min(hard, most)))
    os.nice(5)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Compile once."""
    kind, source, target, *numbers = arguments
    bound(*map(int, numbers))
    import wasmtime
    from wasmtime.component import Component

    from mockforge_asgi.wasm.engine import config
    from mockforge_asgi.wasm.inspect.binary import Malformed
    from mockforge_asgi.wasm.inspect.sections import without_custom_sections

    with open(int(source), "rb") as file:
        wasm = file.read()
    engine = wasmtime.Engine(config("component" if kind == "component" else "core"))
    try:
        wasm = without_custom_sections(wasm)
        code = (Component if kind == "component" else wasmtime.Module)(engine, wasm).serialize()
    except (wasmtime.WasmtimeError, Malformed) as error:
        sys.stderr.write(str(error))
        return REFUSED
    with open(int(target), "wb") as file:
        file.write(code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
