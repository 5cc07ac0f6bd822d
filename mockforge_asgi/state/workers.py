"""Whether another worker process of the same server, with the same configuration, keeps state in its own memory.

Workers cannot see one another, but they have the same parent process, and can lock the same byte of a file that belongs to this user.
"""

from __future__ import annotations

import errno
import os
from functools import cache
from hashlib import sha256

import platformdirs


def is_alone(what: str) -> bool:
    """Whether no other living process with the same parent process has asked for the same before; True where that cannot be known."""
    if (file := _file()) < 0:
        return True
    import fcntl

    try:
        place = int.from_bytes(sha256(f"{os.getppid()} {what}".encode()).digest()[:6], "big")
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


@cache
def _file() -> int:
    """The file that is locked, open until the process ends; -1 where there can be none."""
    if os.name != "posix":
        return -1
    try:
        folder = platformdirs.user_cache_path("mockforge", appauthor=False)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(folder / "workers", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        return -1
