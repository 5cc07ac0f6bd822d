"""What of a file, or of a folder's files, changes when they do: how edits are found where the system does not tell of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TypeAlias

Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Path, time, size and inode of each file; nothing for what is not there."""
LeavesOut: TypeAlias = Callable[[str], bool]
"""Whether a file or folder of that name does not count."""

MAX_DEPTH = 16


def file_stamp(path: str) -> Stamp:
    """A quick look at one file, or at a folder itself."""
    try:
        return (_stamped("", os.stat(path)),)
    except OSError:
        return ()


def tree_stamp(path: str, leaves_out: LeavesOut) -> Stamp:
    """A quick look at a file, or at all files below a folder."""
    if not os.path.isdir(path):
        return file_stamp(path)
    try:
        return tuple(sorted(_below(path, "", leaves_out, 0)))
    except OSError:
        return ()


def _below(folder: str, prefix: str, leaves_out: LeavesOut, depth: int) -> Iterator[tuple[str, int, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if leaves_out(entry.name):
                continue
            if depth < MAX_DEPTH and entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, f"{prefix}{entry.name}/", leaves_out, depth + 1)
            else:
                yield _stamped(prefix + entry.name, entry.stat(follow_symlinks=False))


def _stamped(name: str, facts: os.stat_result) -> tuple[str, int, int, int]:
    return name, facts.st_mtime_ns, facts.st_size, facts.st_ino
