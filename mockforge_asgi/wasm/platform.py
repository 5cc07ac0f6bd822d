"""Whether guests can run here at all: the interpreter, the wasmtime wheel, and a trial of both, told in words where they cannot.

Guests run on stacks of their own, which an interpreter may refuse, and through functions that only the generated bindings of one
wasmtime major have. What is known to fail is refused by name; for the rest, a small guest is run once in a process of its own, since
what goes wrong there ends the process. A trial that went well is remembered for that interpreter and that wheel.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
import platform
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.wasm.compiled.interpreter import command, environment, has_interpreter
from mockforge_asgi.wasm.compiled.private_files import make_folders

MAJOR: Final = 50
"""The wasmtime major whose bindings are used."""
TRIAL_S: Final = 60.0
_REFUSES_FIBERS: Final = frozenset({(3, 14, 0), (3, 14, 1)})
_PAGE: Final = "docs/reference/platforms.md says what works."


def refuse_wheel(installed: str) -> None:
    """Raises UnsupportedPlatform for a wasmtime of another major version."""
    if installed.partition(".")[0] != str(MAJOR):
        raise UnsupportedPlatform(
            f"sandboxed plugins run on wasmtime {MAJOR}, and wasmtime {installed} is installed. "
            f"Install 'wasmtime>={MAJOR}.0.1,<{MAJOR + 1}'."
        )


def refuse_interpreter(implementation: str, release: tuple[int, ...]) -> None:
    """Raises UnsupportedPlatform for an interpreter on which fibers are known to fail."""
    named = f"{implementation} {'.'.join(map(str, release[:3]))}"
    if implementation != "cpython":
        raise UnsupportedPlatform(f"sandboxed plugins run on CPython only, and this is {named}. Native plugins run here. {_PAGE}")
    if release[:3] in _REFUSES_FIBERS:
        raise UnsupportedPlatform(
            f"sandboxed plugins do not run on {named}: it refuses calls from the stacks that guests run on. "
            f"Use 3.14.2 or newer, or 3.13. {_PAGE}"
        )


def check_wheel() -> None:
    """The installed wasmtime. Raises UnsupportedPlatform."""
    try:
        installed = version("wasmtime")
        importlib.import_module("wasmtime")
    except (PackageNotFoundError, ModuleNotFoundError):
        raise UnsupportedPlatform(
            f"sandboxed plugins run on wasmtime, which is not installed: pip install 'wasmtime>={MAJOR}.0.1,<{MAJOR + 1}'. "
            "Mocks, templates and native plugins run without it."
        ) from None
    except Exception as error:  # what a wheel without its library, or for another machine, raises
        raise UnsupportedPlatform(
            f"wasmtime cannot be loaded on {platform.system()} {platform.machine()}: {error}. It has wheels for Linux (glibc), macOS and "
            f"Windows, on x86-64 and ARM64. {_PAGE}"
        ) from error
    refuse_wheel(installed)


async def check_platform(folder: Path | None, *, module: str = "mockforge_asgi.wasm.smoke_test") -> None:
    """The running interpreter, and a trial unless one that went well is remembered in that folder. Raises UnsupportedPlatform."""
    refuse_interpreter(sys.implementation.name, tuple(sys.version_info[:3]))
    if await asyncio.to_thread(_is_remembered, folder):
        return
    await _try(module)
    await asyncio.to_thread(_remember, folder)


def _is_remembered(folder: Path | None) -> bool:
    return folder is not None and (folder / _marker()).is_file()


def _remember(folder: Path | None) -> None:
    if folder is None:
        return
    try:
        make_folders(folder)
        os.close(os.open(folder / _marker(), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError:
        pass  # tried again at the next start


def _marker() -> str:
    return f"mockforge-platform-{_facts_digest()}"


def _facts_digest() -> str:
    library = _engine_file()
    facts = (sys.executable, sys.version, platform.platform(), version("wasmtime"), library, str(os.stat(library).st_mtime_ns))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:24]


def _engine_file() -> str:
    import wasmtime

    return wasmtime.__file__ or sys.executable


async def _try(module: str) -> None:
    if not has_interpreter():
        return
    process = await asyncio.create_subprocess_exec(
        *command(module),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(TRIAL_S):
            words = (await process.communicate())[1].decode(errors="replace").strip()
    except TimeoutError:
        raise UnsupportedPlatform(_failed(f"did not end within {TRIAL_S:g} s", "")) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code := process.returncode or 0:
        how = f"ended by signal {signal.Signals(-code).name}" if code < 0 else f"failed with status {code}"
        raise UnsupportedPlatform(_failed(how, words.rpartition("\n")[2][:300]))


def _failed(how: str, words: str) -> str:
    said = f" ({words})" if words else ""
    return (
        f"sandboxed plugins do not run here: a guest that was tried in a process of its own {how}{said}. This is Python "
        f"{platform.python_version()} with wasmtime {version('wasmtime')} on {platform.system()} {platform.machine()}. {_PAGE}"
    )
