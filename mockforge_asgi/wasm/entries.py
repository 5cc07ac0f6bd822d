"""Authenticated entries in a private directory: the storage beneath the compiled-code cache.

An entry is one file: the content, then a 32-byte HMAC-SHA-256 over its name and content, made with a key that is kept
elsewhere. Machine code from a file that somebody else could have written is never handed out: directory and file must
belong to this user alone, and the MAC must hold. Everything here blocks; callers use a thread.
"""

from __future__ import annotations

import errno
import hmac
import mmap
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

_MAC_BYTES: Final = 32
_KEY_BYTES: Final = 32
_TEMPORARY: Final = ".new-"
_ABANDONED_S: Final = 3600.0
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_VERIFIED: Final[set[tuple[object, ...]]] = set()
"""Files whose MAC this process has seen to hold, by everything that changes when they do."""


class EntriesUnusable(Exception):
    """The directory or the key cannot be used; the message says why and what to do."""


class Entries:
    """Entries of one directory, opened once: later changes of the path lead nowhere."""

    def __init__(self, directory: Path, key_file: Path) -> None:
        """Raises: EntriesUnusable."""
        self.directory, self.repaired = directory, ""
        try:
            self._dir = self._open_directory()
        except OSError as error:
            raise EntriesUnusable(f"{directory} cannot be used ({error.strerror}).") from error
        try:
            self._key = _load_key(key_file)
            self._locks = self._open_locks()
        except OSError as error:
            os.close(self._dir)
            raise EntriesUnusable(f"{error.filename or key_file} cannot be used ({error.strerror}).") from error
        except EntriesUnusable:
            os.close(self._dir)
            raise

    def close(self) -> None:
        """Close the directory; entries already handed out stay usable."""
        if self._dir >= 0:
            os.close(self._dir)
            if self._locks >= 0:
                os.close(self._locks)
            self._dir = self._locks = -1

    @contextmanager
    def reading(self, name: str) -> Iterator[int | None]:
        """A descriptor of the verified entry, None if there is none. One that does not verify is removed."""
        try:
            fd = os.open(name, _READ | os.O_NONBLOCK, dir_fd=self._dir)
        except FileNotFoundError:
            yield None
            return
        except OSError:  # a symbolic link, or not ours to read
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
        temporary = _TEMPORARY + secrets.token_hex(8)
        fd = os.open(temporary, _CREATE, 0o600, dir_fd=self._dir)
        try:
            with os.fdopen(fd, "wb") as file:
                mac = hmac.new(self._key, name.encode() + b"\0", "sha256")
                content.seek(0)
                while piece := content.read(1 << 20):
                    mac.update(piece)
                    file.write(piece)
                file.write(mac.digest())
                file.flush()
                os.fsync(fd)
            os.replace(temporary, name, src_dir_fd=self._dir, dst_dir_fd=self._dir)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=self._dir)
            raise

    def remove(self, name: str) -> None:
        """Remove an entry, if it can be removed."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._dir)

    def prune(self, limit_bytes: int) -> None:
        """Remove entries, least recently read first, until the rest is within the limit; and what dead writers left."""
        found: list[tuple[float, int, str]] = []
        now = time.time()
        with os.scandir(self._dir) as listing:
            for entry in listing:
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # another process was quicker
                if entry.name.startswith(_TEMPORARY):
                    if now - facts.st_mtime > _ABANDONED_S:
                        self.remove(entry.name)
                elif entry.name != "locks":
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
        import fcntl

        try:
            if self._locks >= 0:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(name[:12], 16))
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def unlock(self, name: str) -> None:
        """Let other processes make this entry."""
        import fcntl

        if self._locks >= 0:
            with suppress(OSError):
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, int(name[:12], 16))

    def _open_locks(self) -> int:
        """The file that locks are taken on; -1 where nobody could write it."""
        try:
            return os.open("locks", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._dir)
        except OSError as error:
            if error.errno in (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT):
                return -1
            raise

    def _open_directory(self) -> int:
        path = self.directory
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        fd = os.open(path, _READ | os.O_DIRECTORY)
        facts = os.fstat(fd)
        if facts.st_uid != os.geteuid():
            os.close(fd)
            raise EntriesUnusable(
                f"{path} belongs to another user ({facts.st_uid}, this process is {os.geteuid()}). Remove it or set XDG_CACHE_HOME."
            )
        if facts.st_mode & 0o077:
            os.fchmod(fd, 0o700)
            self.repaired = f"{path} was open to other users (mode {facts.st_mode & 0o777:o}); it is private now."
        return fd

    def _is_sound(self, fd: int, name: str) -> bool:
        facts = os.fstat(fd)
        if not _is_private(facts) or facts.st_nlink != 1 or facts.st_size <= _MAC_BYTES:
            return False
        # A file that changed has another change time, which only the system sets: what verified once needs no second pass.
        seen = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, name, self._key)
        if seen in _VERIFIED:
            return True
        try:
            sound = self._has_our_mac(fd, name)
        except (OSError, ValueError):  # it became shorter, or cannot be read
            return False
        if sound:
            _VERIFIED.add(seen)
        return sound

    def _has_our_mac(self, fd: int, name: str) -> bool:
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            mac = hmac.new(self._key, name.encode() + b"\0", "sha256")
            with view[:-_MAC_BYTES] as content, view[-_MAC_BYTES:] as end:
                mac.update(content)
                return hmac.compare_digest(mac.digest(), end)


def _is_private(facts: os.stat_result) -> bool:
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077


def _load_key(path: Path) -> bytes:
    """The key, made when there is none. One that others could have read or written is replaced: all entries fall with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(3):
        try:
            fd = os.open(path, _READ | os.O_NONBLOCK)
        except FileNotFoundError:
            _make_key(path, keep_existing=True)
            continue
        with os.fdopen(fd, "rb") as file:
            facts = os.fstat(fd)
            if facts.st_uid != os.geteuid():
                raise EntriesUnusable(f"{path} belongs to another user ({facts.st_uid}). Remove it or set XDG_STATE_HOME.")
            key = file.read(_KEY_BYTES + 1)
        if _is_private(facts) and len(key) == _KEY_BYTES:
            return key
        _make_key(path, keep_existing=False)
    raise EntriesUnusable(f"{path} changes under our hands.")


def _make_key(path: Path, *, keep_existing: bool) -> None:
    temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
    fd = os.open(temporary, _CREATE, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        if keep_existing:
            with suppress(FileExistsError):
                os.link(temporary, path)
        else:
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
