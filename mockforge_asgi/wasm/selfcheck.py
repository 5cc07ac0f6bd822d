"""Whether guests can run here at all: the interpreter, the wasmtime wheel, and a trial of both, told in words where they cannot.

Guests run on stacks of their own, which an interpreter may refuse, and through functions that only the generated bindings of one
wasmtime major have. What is known to fail is refused by name; for the rest, a small guest is run once in a process of its own, since
what goes wrong there ends the process. A trial that went well is remembered for that interpreter and that wheel.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.wasm.interpreter import command, environment, has_interpreter
from mockforge_asgi.wasm.private_files import make_folders

MAJOR: Final = 50
"""The wasmtime major whose bindings are used."""
TRIAL_S: Final = 60.0
NEEDED: Final = frozenset(
    """
    _wasm_byte_vec_new _wasm_functype_params _wasm_functype_results _wasm_trap_delete _wasmtime_call_future_delete
    _wasmtime_call_future_poll _wasmtime_component_export_index_delete _wasmtime_component_func_call_async
    _wasmtime_component_instance_get_export_index _wasmtime_component_instance_get_func _wasmtime_component_instance_type_export_count
    _wasmtime_component_linker_instance_add_func_async _wasmtime_component_linker_instance_add_instance
    _wasmtime_component_linker_instance_delete _wasmtime_component_linker_instantiate_async _wasmtime_component_linker_root
    _wasmtime_component_type_export_count _wasmtime_component_type_import_count _wasmtime_component_val_delete _wasmtime_component_val_new
    _wasmtime_context_epoch_deadline_async_yield_and_update _wasmtime_context_set_epoch_deadline _wasmtime_engine_increment_epoch
    _wasmtime_error_delete _wasmtime_error_new _wasmtime_func_call_async _wasmtime_instance_export_get
    _wasmtime_instance_pre_instantiate_async _wasmtime_linker_define_async_func _wasmtime_linker_define_instance _wasmtime_linker_delete
    _wasmtime_linker_instantiate_async _wasmtime_linker_new _wasmtime_memory_data _wasmtime_memory_data_size _wasmtime_memory_grow
    _wasmtime_store_context _wasmtime_store_delete _wasmtime_store_limiter _wasmtime_store_new _wasmtime_trap_new wasm_byte_t wasm_trap_t
    wasmtime_component_func_async_callback_t wasmtime_component_func_t wasmtime_component_instance_t wasmtime_component_linker_instance_t
    wasmtime_component_val_t wasmtime_error_t wasmtime_extern_t wasmtime_func_async_callback_t wasmtime_func_async_continuation_callback_t
    wasmtime_instance_t wasmtime_val_t
    wasmtime_config_async_stack_size_set wasmtime_config_signals_based_traps_set wasmtime_config_wasm_branch_hinting_set
    wasmtime_config_wasm_compact_imports_set
    wasmtime_config_wasm_component_model_accessors_set wasmtime_config_wasm_component_model_async_stackful_set
    wasmtime_config_wasm_component_model_canonical_names_set wasmtime_config_wasm_component_model_more_async_builtins_set
    """.split()
)
"""What this package takes from `wasmtime._bindings`."""

_REFUSES_FIBERS: Final = frozenset({(3, 14, 0), (3, 14, 1)})
_PAGE: Final = "docs/reference/platforms.md says what works."


def refuse_wheel(installed: str, names: frozenset[str]) -> None:
    """Raises UnsupportedPlatform for a wasmtime of that version whose bindings have those names, unless it is fit."""
    if installed.partition(".")[0] != str(MAJOR):
        raise UnsupportedPlatform(
            f"sandboxed plugins run on wasmtime {MAJOR}, and wasmtime {installed} is installed. "
            f"Install 'wasmtime>={MAJOR}.0.1,<{MAJOR + 1}'."
        )
    if missing := sorted(NEEDED - names):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UnsupportedPlatform(
            f"the installed wasmtime {installed} lacks {', '.join(missing[:3])}{more}, by which guests are run. "
            "Install the wheel that PyPI has."
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
        from wasmtime import _bindings
    except PackageNotFoundError:
        raise UnsupportedPlatform(f"wasmtime is not installed. Install 'wasmtime>={MAJOR}.0.1,<{MAJOR + 1}'.") from None
    except Exception as error:  # what a wheel without its library, or for another machine, raises
        raise UnsupportedPlatform(
            f"wasmtime cannot be loaded on {platform.system()} {platform.machine()}: {error}. It has wheels for Linux (glibc), macOS and "
            f"Windows, on x86-64 and ARM64. {_PAGE}"
        ) from error
    refuse_wheel(installed, frozenset(vars(_bindings)))


async def check_platform(folder: Path | None, *, module: str = "mockforge_asgi.wasm.trial") -> None:
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
