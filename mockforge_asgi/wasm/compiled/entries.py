"""Entries with checksums in a private directory: the storage beneath the compiled-code cache.

An entry is one file: the content, then the SHA-256 of its name and content. Machine code from a file that somebody else could
have written is never handed out: directory and file must belong to this user alone, and what a directory held while it was open
to others is thrown away. The checksum finds damage; who can write here as this user needs no cache to run code. Everything here
blocks; callers use a thread.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from mockforge_asgi.wasm.compiled.private_files import TEMPORARY, begun, is_private, make_folders, remove, sweep, write

_SUM_BYTES: Final = 32
_NAME_LENGTH: Final = 64
_PIECE: Final = 1 << 20
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_OURS: Final = frozenset({errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO})
"""How a file is refused that none of ours can be: a symbolic link, another user's, a socket."""


class EntriesUnusable(Exception):
    """The directory cannot be used; the message says why and what to do."""


class Entries:
    """Entries of one directory, opened once: later changes of the path lead nowhere."""

    def __init__(self, directory: Path) -> None:
        """Raises: EntriesUnusable."""
        self.directory, self.repaired = directory, ""
        try:
            make_folders(directory)
            self._dir = os.open(directory, _READ | os.O_DIRECTORY)
            try:
                self._make_private()
                self._locks = self._open_locks()
                sweep(self._dir)
            except BaseException:
                os.close(self._dir)
                raise
        except OSError as error:
            raise EntriesUnusable(f"{directory} cannot be used ({error.strerror}).") from error

    def close(self) -> None:
        """Close the directory; entries already handed out stay usable."""
        if self._dir >= 0:
            os.close(self._dir)
            if self._locks >= 0:
                os.close(self._locks)
            self._dir = self._locks = -1

    @contextmanager
    def reading(self, name: str) -> Iterator[int | None]:
        """A descriptor of the verified entry, None if there is none. One that does not verify is removed.

        Raises: OSError, if it cannot be read now.
        """
        try:
            fd = os.open(name, _READ, dir_fd=self._dir)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            self.remove(name)
            yield None
            return
        try:
            if not self._is_sound(fd, name):
                self.remove(name)
                yield None
            else:
                yield fd
        finally:
            os.close(fd)

    def write(self, name: str, content: IO[bytes]) -> None:
        """Store an entry, whole or not at all; of concurrent writers the last one stays. Raises: OSError."""
        with begun(self._dir) as (fd, temporary):
            checksum = hashlib.sha256(name.encode())
            content.seek(0)
            while piece := content.read(_PIECE):
                checksum.update(piece)
                write(fd, piece)
            write(fd, checksum.digest())
            os.fsync(fd)
            os.replace(temporary, name, src_dir_fd=self._dir, dst_dir_fd=self._dir)

    def remove(self, name: str) -> None:
        """Remove an entry, or whatever is in its place, if it can be removed."""
        remove(self._dir, name)

    def prune(self, limit_bytes: int) -> None:
        """Remove entries, least recently read first, until the rest is within the limit; and what dead writers left."""
        sweep(self._dir)
        found: list[tuple[float, int, str]] = []
        with os.scandir(self._dir) as listing:
            for entry in listing:
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # another process was quicker
                if entry.name != "locks" and not entry.name.startswith(TEMPORARY):
                    found.append((max(facts.st_atime, facts.st_mtime), facts.st_size, entry.name))
        total = sum(size for _, size, _ in found)
        for _, size, name in sorted(found):
            if total <= limit_bytes:
                return
            self.remove(name)
            total -= size

    def try_lock(self, name: str) -> bool:
        """Become the one process that makes this entry; False if another one is at it. Ends with `unlock`, or the process.

        Where there can be no lock (a read-only directory, a file system without them), everybody makes their own.
        """
        try:
            if self._locks >= 0:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(name[:12], 16))
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def unlock(self, name: str) -> None:
        """Let other processes make this entry."""
        if self._locks >= 0:
            with suppress(OSError):
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, int(name[:12], 16))

    def _open_locks(self) -> int:
        """The file that locks are taken on; -1 where there can be none. Raises: OSError, where descriptors have run out."""
        try:
            return os.open("locks", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=self._dir)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            return -1

    def _make_private(self) -> None:
        """Take the directory from everybody else, with what they may have written. Raises: EntriesUnusable, OSError."""
        path, facts = self.directory, os.fstat(self._dir)
        if facts.st_uid != os.geteuid():
            raise EntriesUnusable(
                f"{path} belongs to another user ({facts.st_uid}, this process is {os.geteuid()}). Remove it or set XDG_CACHE_HOME."
            )
        if facts.st_mode & 0o077:
            os.fchmod(self._dir, 0o700)
            if os.fstat(self._dir).st_mode & 0o077:
                raise EntriesUnusable(f"{path} stays open to other users: its file system knows no modes. Set XDG_CACHE_HOME.")
            for name in os.listdir(self._dir) if facts.st_mode & 0o022 else ():
                if len(name) == _NAME_LENGTH or name == "locks":
                    self.remove(name)  # nobody knows who wrote it
            self.repaired = f"{path} was open to other users (mode {facts.st_mode & 0o777:o}); it is private now."

    def _is_sound(self, fd: int, name: str) -> bool:
        facts = os.fstat(fd)
        if not is_private(facts) or facts.st_nlink != 1 or facts.st_size <= _SUM_BYTES:
            return False
        checksum, at, size = hashlib.sha256(name.encode()), 0, facts.st_size - _SUM_BYTES
        while piece := os.pread(fd, min(_PIECE, size - at), at):  # not mapped: one that became shorter would end the process
            checksum.update(piece)
            at += len(piece)
        return at == size and checksum.digest() == os.pread(fd, _SUM_BYTES, size)
