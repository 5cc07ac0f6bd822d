"""Files that belong to this user alone: their folders, files that are whole or not there, and what killed writers left of theirs.

A file is written beside its place under a name of its own, then renamed. Everything here blocks.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".mockforge-new-"
"""How the names of unfinished files begin."""
_ABANDONED_S: Final = 3600.0
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folders(path: Path) -> None:
    """Make the folder and those above it that are missing, for this user alone whatever the umask. Raises: OSError."""
    if not path.is_dir():
        make_folders(path.parent)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)


def sweep(folder: int) -> None:
    """Remove what writers that were killed have left in an open folder: unfinished files that nobody has written to for an hour."""
    for name in os.listdir(folder):
        with suppress(OSError):
            if name.startswith(TEMPORARY) and os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < time.time() - _ABANDONED_S:
                remove(folder, name)


@contextmanager
def begun(folder: int) -> Iterator[tuple[int, str]]:
    """(descriptor, name) of an unfinished file; gone in the end unless it was renamed. Raises: OSError."""
    name = TEMPORARY + secrets.token_hex(8)
    fd = os.open(name, _CREATE, 0o600, dir_fd=folder)
    try:
        yield fd, name
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
