"""Linux's inotify (inotify(7)): which names in which folders changed, queued by the kernel at the moment of the change.

The four calls and the record of an event, no more; what is watched, and for whom, is `watcher.py`'s affair.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

if sys.platform != "win32":
    import termios

MODIFY: Final = 0x2
ATTRIB: Final = 0x4
CLOSE_WRITE: Final = 0x8
MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE: Final = 0x200
OVERFLOW: Final = 0x4000
IGNORED: Final = 0x8000
_MASK_ADD: Final = 0x2000_0000
NAMES: Final = MOVED_FROM | MOVED_TO | CREATE | DELETE
"""What changes which names a folder has."""
CONTENT: Final = NAMES | MODIFY | ATTRIB | CLOSE_WRITE
"""That, and what is in its files. A write into a shared memory map is told when the file is closed."""

_EVENT: Final = struct.Struct("iIII")
_BUFFER_BYTES: Final = 1 << 16
_COMPLETE: Final = frozenset({
    0xEF53,  # ext2, ext3, ext4
    0x5846_5342,  # xfs
    0x9123_683E,  # btrfs
    0x0102_1994,  # tmpfs
    0x794C_7630,  # overlay: changes that are made through it, which are all that a container makes
    0x2FC1_2FC1,  # zfs
    0xF2F5_2010,  # f2fs
    0xCA45_1A4E,  # bcachefs
    0x8584_58F6,  # ramfs
    0x3153_464A,  # jfs
    0x7371_7368,  # squashfs
    0xE0F5_E1E2,  # erofs
})  # fmt: skip
"""File systems (statfs(2), `f_type`) whose every change goes through this kernel. Of those that others write to, such as NFS, SMB, 9p and
FUSE, and of unknown ones, nothing may be told."""


class Inotify:
    """One queue of events. Raises OSError where there is none to be had."""

    __slots__ = ("_address", "_ask", "_fd", "_libc", "_ready", "pid")

    def __init__(self) -> None:
        self._fd, self._ready = -1, ctypes.c_int(0)
        self._address = ctypes.addressof(self._ready)
        self._libc, self._ask = _libc(), _quick_ioctl()
        self.pid = os.getpid()
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def add(self, path: str, mask: int) -> int:
        """Watch a folder or file also for these events; gives the number that its events carry. Raises OSError."""
        return self._checked(self._libc.inotify_add_watch(self._fd, os.fsencode(path), mask | _MASK_ADD))

    def remove(self, number: int) -> None:
        """Watch it no longer."""
        self._libc.inotify_rm_watch(self._fd, number)

    def read(self) -> bytes:
        """Records of events up to now, as many as go in one read; nothing when there are none. Not for two threads at once."""
        self._ask(self._fd, termios.FIONREAD, self._address)
        return os.read(self._fd, _BUFFER_BYTES) if self._ready.value else b""

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def events(records: bytes) -> Iterator[tuple[int, int, str]]:
    """(number of the watch, mask, name in the folder or nothing) of each record."""
    at = 0
    while at < len(records):
        number, mask, _, length = _EVENT.unpack_from(records, at)
        at += _EVENT.size + length
        yield number, mask, os.fsdecode(records[at - length : at].rstrip(b"\0"))


def tells_everything(path: str) -> bool:
    """Whether every change of that file system is told by inotify. Raises OSError."""
    buffer = ctypes.create_string_buffer(512)
    Inotify._checked(_libc().statfs(os.fsencode(path), buffer))
    return ctypes.c_ulong.from_buffer(buffer).value & 0xFFFF_FFFF in _COMPLETE


@cache
def _libc() -> Any:
    if sys.platform != "linux":
        raise OSError("inotify is Linux's")
    libc: Any = ctypes.CDLL(None, use_errno=True)
    libc.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
    libc.inotify_rm_watch.argtypes = [ctypes.c_int, ctypes.c_int]
    libc.statfs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    return libc


@cache
def _quick_ioctl() -> Any:
    """ioctl(2) with the interpreter's lock held: where another thread waits for it, giving it up at each request would cost more."""
    ask = ctypes.PyDLL(None).ioctl
    ask.argtypes, ask.restype = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p], ctypes.c_int
    return ask
