"""How a process of this same Python is started: its command and its environment, which holds nothing else of the operator's."""

from __future__ import annotations

import os
import sys
from typing import Final

from mockforge_asgi.errors import UnsupportedPlatform

_FOUND_BY: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
"""By which an interpreter may find its own library and modules: it would not start without them."""


def has_interpreter() -> bool:
    """Whether there is one; not in a program that brings its own, of which another start would be that program again."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def command(module: str, *arguments: str) -> list[str]:
    """Runs a module that this process could import; it writes none compiled: what ends within bounds could leave half of one.

    Raises UnsupportedPlatform.
    """
    if not has_interpreter():
        raise UnsupportedPlatform(
            f"plugins cannot be compiled: this program ({sys.executable or 'embedded'}) is no Python interpreter and knows of none. "
            "Run it by one, or bring the compiled code along in the cache."
        )
    return [sys.executable, "-B", "-P", *(["-s"] if sys.flags.no_user_site else []), "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Nothing but where this interpreter and its modules are."""
    found = {} if sys.flags.ignore_environment else {name: os.environ[name] for name in _FOUND_BY if name in os.environ}
    return {**found, "PYTHONPATH": os.pathsep.join(p for p in sys.path if os.path.isabs(p)), "LC_ALL": "C.UTF-8"}
