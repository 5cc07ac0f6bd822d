"""What a sandboxed plugin cannot do: refused in Python, in words, where the system call would end the instance."""

from __future__ import annotations

import builtins
import io
import os
import sys
from typing import Any, NoReturn

_PURE = frozenset({"fspath", "putenv", "unsetenv", "strerror", "urandom", "waitstatus_to_exitcode", "major", "minor", "makedev"})
_PURE_PREFIXES = ("_path_", "WIF", "WEXIT", "WSTOP", "WTERM")


def _refuse(what: str, instead: str) -> Any:
    def refused(*args: object, **kwargs: object) -> NoReturn:
        raise PermissionError(f"{what} is not possible in the sandbox; {instead}")

    return refused


def _is_system_call(name: str, value: object) -> bool:
    return callable(value) and not isinstance(value, type) and not name.startswith(_PURE_PREFIXES) and name not in _PURE


def put_in_place() -> dict[str, object]:
    """Replace what would reach for files, processes or the terminal; gives the built-ins that authors see instead."""
    import _io
    import posix

    files = "read the plugin's own files with `resource(path)`, keep data with `kv`, both from mockforge_plugin"
    for name, value in list(vars(posix).items()):
        if _is_system_call(name, value):
            refused = _refuse(f"os.{name}", files)
            setattr(posix, name, refused)
            if getattr(os, name, None) is value:
                setattr(os, name, refused)
    os.getpid = posix.getpid = lambda: 1  # type: ignore[attr-defined, unused-ignore]  # there is one process
    os.cpu_count = lambda: 1
    opener = _refuse("open", files)
    builtins.open = io.open = _io.open = opener
    io.open_code = _io.open_code = opener
    for module in (io, _io):
        setattr(module, "FileIO", _refuse("FileIO", files))  # noqa: B010 - a type to checkers, so not assigned
    return {
        "open": opener,
        "input": _refuse("input", "there is no terminal"),
        "breakpoint": _refuse("breakpoint", "debug the plugin natively"),
    }


def lock_imports() -> None:
    """From here on only what is in memory can be imported; the file system's importers would end the instance."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") in ("BuiltinImporter", "FrozenImporter")]
