"""What a sandboxed plugin cannot do: refused in Python, in words, where the system call would end the instance."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

_PURE = frozenset({"fspath", "putenv", "unsetenv", "strerror", "waitstatus_to_exitcode", "major", "minor", "makedev"})
_PURE_PREFIXES = ("_path_", "WIF", "WEXIT", "WSTOP", "WTERM")
_FILES = "read the plugin's own files with `resource(path)`, keep data with `kv`, both from mockforge_plugin"
_SOCKETS = "for HTTP use `from mockforge_plugin import http`"
_FOR_DEBUGGERS = ("_baserepl", "_debugmallocstats", "_dump_tracelets")
_MAX_RECURSION = 4_000


def _refuse(what: str, instead: str) -> Any:
    def refused(*args: object, **kwargs: object) -> NoReturn:
        raise PermissionError(f"{what} is not possible in the sandbox; {instead}")

    return refused


def _is_system_call(name: str, value: object) -> bool:
    return callable(value) and not isinstance(value, type) and not name.startswith(_PURE_PREFIXES) and name not in _PURE


def put_in_place(urandom: Any) -> dict[str, object]:
    """Replace what would reach for files, processes or the terminal; gives the built-ins that authors see instead."""
    import posix
    import socket

    for name, value in list(vars(posix).items()):
        if _is_system_call(name, value):
            refused = _refuse(f"os.{name}", _FILES)
            setattr(posix, name, refused)
            if getattr(os, name, None) is value:
                setattr(os, name, refused)
    posix.urandom = urandom
    os.getpid = posix.getpid = lambda: 1  # type: ignore[attr-defined, unused-ignore]  # there is one process
    os.cpu_count = lambda: 1
    socket.getfqdn = lambda name="": name or "localhost"  # for email.utils.make_msgid
    _replace_in_sys()
    sys.addaudithook(_audit)
    return {"input": _refuse("input", "there is no terminal"), "breakpoint": _refuse("breakpoint", "debug the plugin natively")}


def _audit(event: str, _: object) -> None:
    """CPython asks before it opens anything, also in C: the line of a SyntaxError, say, which it wants to show."""
    if event == "open":
        raise PermissionError(f"open is not possible in the sandbox; {_FILES}")
    if event.startswith("socket."):
        raise PermissionError(f"{event} is not possible in the sandbox; {_SOCKETS}")


def _replace_in_sys() -> None:
    for name in _FOR_DEBUGGERS:
        if hasattr(sys, name):
            delattr(sys, name)
    real = sys.setrecursionlimit

    def setrecursionlimit(limit: int, /) -> None:
        """Set the maximum depth of the Python interpreter stack, to what the guest's stack can hold at most."""
        real(min(limit, _MAX_RECURSION))

    sys.setrecursionlimit = setrecursionlimit


def lock_imports() -> None:
    """From here on only what is in memory can be imported; the file system's importers would end the instance."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") in ("BuiltinImporter", "FrozenImporter")]
