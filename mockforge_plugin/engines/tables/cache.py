"""The private SQLite files: named by what they were made of, made once, whoever needs them first, and renamed into place when whole.

They stand in a folder of this user that nobody else may read. Files whose digest is known from an earlier look (same path, inode, size and
times) are not read again; as in git, that does not hold for one that was changed a moment ago.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

import platformdirs

_BLOCK: Final = 1 << 20
_RACY_S: Final = 0.1
"""A file that was changed so shortly before it was read may change again without its times showing it."""
_RACY_COARSE_S: Final = 2.0
"""The same where files have times of whole seconds."""
_OWN: Final = re.compile(r"[0-9a-f]{40}-[0-9a-f]{24}\.db(?:-journal|-wal|-shm)?|[0-9a-f]{40}\.seen|building-[a-z0-9_]{8}|[0-9a-f]\.lock")
"""The names of its files: the folder may be one that the operator keeps other things in."""
UNUSED_S: Final = 14 * 86_400.0
"""What nobody opened for so long is removed."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells whether a file is still the one that was read."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, file: str | Path | IO[bytes]) -> Stamp:
        """Of a path or an open file. Raises OSError."""
        about = os.fstat(file.fileno()) if hasattr(file, "fileno") else os.stat(file)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(0, "it is not a regular file", str(file))
        return cls(about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)

    @property
    def is_racy(self) -> bool:
        """Whether it may have been changed again since, at the same time."""
        return self.age_s < (_RACY_S if self.changed_ns % 1_000_000_000 else _RACY_COARSE_S)

    @property
    def age_s(self) -> float:
        """How long ago it was changed."""
        return time.time() - max(self.modified_ns, self.changed_ns) / 1e9


class TableCache:
    """One folder of them."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError for a folder that others could write into."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.lstat()  # a link in a temporary directory may be anybody's
        if not stat.S_ISDIR(about.st_mode):
            raise OSError(0, "the cache is no folder, but a link: name the folder itself, or remove it", str(folder))
        if about.st_uid != os.getuid() or about.st_mode & 0o077:
            raise OSError(0, "the folder belongs to somebody else, or others may read it: chmod 700, or remove it", str(folder))
        self.folder = folder

    def database(self, digest: str, options: bytes) -> Path:
        """Where the SQLite file of that content under those options is, or is to be."""
        return self.folder / f"{digest}-{blake2b(options, digest_size=12).hexdigest()}.db"

    def known_digest(self, path: Path, stamp: Stamp) -> str | None:
        """The digest of a file that was read before."""
        try:
            return self._seen(path, stamp).read_text("ascii")
        except OSError:
            return None

    def digest(self, file: IO[bytes], path: Path, stamp: Stamp) -> str:
        """The digest of an open file."""
        if (known := self.known_digest(path, stamp)) is not None:
            return known
        is_racy, hasher = stamp.is_racy, blake2b(digest_size=20)
        file.seek(0)
        while block := file.read(_BLOCK):
            hasher.update(block)
        file.seek(0)
        if not is_racy:
            with self.whole(self._seen(path, stamp)) as made:
                made.write_text(hasher.hexdigest(), "ascii")
        return hasher.hexdigest()

    def _seen(self, path: Path, stamp: Stamp) -> Path:
        return self.folder / f"{blake2b(repr((str(path), stamp)).encode(), digest_size=20).hexdigest()}.seen"

    @contextmanager
    def whole(self, target: Path) -> Iterator[Path]:
        """A path to write to, which becomes the target when all went well."""
        handle, name = tempfile.mkstemp(prefix="building-", dir=self.folder)
        os.close(handle)
        made = Path(name)
        try:
            yield made
            with made.open("rb") as written:
                os.fsync(written.fileno())
            made.rename(target)
        finally:
            made.unlink(missing_ok=True)

    @contextmanager
    def alone(self, target: Path) -> Iterator[None]:
        """Whoever else wants to build the target waits meanwhile."""
        lock = self.folder / f"{target.name[0]}.lock"
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def tidy(self) -> None:
        """Remove what nobody has used for long, of its own files."""
        oldest = time.time() - UNUSED_S
        for path in filter(_is_own, self.folder.iterdir()):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _is_own(path: Path) -> bool:
    return _OWN.fullmatch(path.name) is not None


def default_folder() -> Path:
    """`mockforge/tables` in the user's cache directory; where that cannot be written, in the temporary one."""
    folder = platformdirs.user_cache_path("mockforge", appauthor=False) / "tables"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.gettempdir()) / f"mockforge-tables-{os.getuid()}"
