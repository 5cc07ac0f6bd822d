"""Files that belong to this user alone: their folders, files that are whole or not there, and what killed writers left of theirs.

A file is written beside its place under a name of its own and locked until it is renamed, so that an unfinished one that nobody holds
a lock on is known to be abandoned, whatever the clock says. Everything here blocks.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".mockforge-new-"
"""How the names of unfinished files begin."""
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folders(path: Path) -> None:
    """Make the folder and those above it that are missing, for this user alone whatever the umask. Raises: OSError."""
    if not path.is_dir():
        make_folders(path.parent)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)


def sweep(folder: int) -> None:
    """Remove what writers that were killed have left in an open folder: the unfinished files that nobody holds a lock on."""
    import fcntl

    for name in os.listdir(folder):
        if not name.startswith(TEMPORARY):
            continue
        try:
            fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder, name)
        except OSError:
            pass  # being written, or where there are no locks
        finally:
            os.close(fd)


@contextmanager
def begun(folder: int) -> Iterator[tuple[int, str]]:
    """(descriptor, name) of an unfinished file, locked while it is one; gone in the end unless it was renamed. Raises: OSError."""
    import fcntl

    while True:
        name = TEMPORARY + secrets.token_hex(8)
        fd = os.open(name, _CREATE, 0o600, dir_fd=folder)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink == 0:
                continue  # swept away before it was locked
            yield fd, name
            return
        finally:
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
            os.close(fd)


def write(fd: int, data: bytes) -> None:
    """Write all of it. Raises: OSError."""
    while data:
        data = data[os.write(fd, data) :]


def remove(folder: int, name: str) -> None:
    """Remove a file of an open folder, or a folder in its place, if it can be removed."""
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(name, ignore_errors=True, dir_fd=folder)
    except OSError:
        pass


def is_private(facts: os.stat_result) -> bool:
    """Whether it is a file that nobody else can have written."""
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077
