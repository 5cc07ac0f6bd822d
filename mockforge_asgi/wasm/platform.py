"""Whether guests can run here at all: the interpreter and the wasmtime wheel, told in words where they cannot.

Guests run on stacks of their own, which an interpreter may refuse, and through functions that only the generated bindings of one
wasmtime major have. What is known to fail is refused by name.
"""

from __future__ import annotations

import importlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from mockforge_asgi.errors import UnsupportedPlatform

MAJOR: Final = 50
"""The wasmtime major whose bindings are used."""
_REFUSES_FIBERS: Final = frozenset({(3, 14, 0), (3, 14, 1)})
_PAGE: Final = "docs/reference/platforms.md says what works."


def refuse_wheel(installed: str) -> None:
    """Raises UnsupportedPlatform for a wasmtime of another major version."""
    if installed.partition(".")[0] != str(MAJOR):
        raise UnsupportedPlatform(
            f"sandboxed plugins run on wasmtime {MAJOR}, and wasmtime {installed} is installed. "
            f"Install 'wasmtime>={MAJOR}.0.1,<{MAJOR + 1}'."
        )


def check_interpreter(implementation: str = sys.implementation.name, release: tuple[int, ...] = tuple(sys.version_info[:3])) -> None:
    """The running interpreter. Raises UnsupportedPlatform for one on which fibers are known to fail."""
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
