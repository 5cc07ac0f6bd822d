"""A plugin's package: the files of a folder or of a zip archive, read safely, with one digest for all of them.

Nothing outside the folder is ever read; sizes and numbers are bounded before reading. The digest of a folder and of an
archive made from it are the same. What the files mean is `manifest.py`'s affair.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mockforge_asgi.config.builtin import is_builtin
from mockforge_asgi.errors import PluginRejected, Problem
from mockforge_asgi.plugins.package.manifest import FILE, Manifest, read_manifest
from mockforge_asgi.text import clip, quote

MAX_FILES: Final = 2000
MAX_FILE_BYTES: Final = 64 << 20
MAX_TOTAL_BYTES: Final = 128 << 20
MAX_DEPTH: Final = 12
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "target"})
_LEFTOVERS = ("~", ".pyc", ".swp", ".orig", "___jb_tmp___", "___jb_old___")
_BAD_NAME = re.compile(
    r'[\\:*?"<>|\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]'
)
"""Signs that some systems refuse, and those that Unicode counts as letters, marks or symbols and that show nothing."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?\Z", re.IGNORECASE)
_HEADER = b"mockforge package 1\n"


@dataclass(frozen=True, slots=True)
class Package:
    """The files of one plugin, by path, as its digest saw them. `folder` is where they are, None for an archive."""

    source: str
    """The folder or archive as the operator named it."""
    folder: Path | None
    manifest: Manifest
    files: Mapping[str, bytes] = field(repr=False)
    digest: str


class Unsafe(Exception):
    """A package that must not be read further."""

    def __init__(self, what: str, remedy: str = "", path: str = "") -> None:
        self.what, self.remedy, self.path = what, remedy, path
        super().__init__(what)


def read_package(path: Path, source: str | None = None) -> Package:
    """The package in a folder or archive; `source` is its name in messages. Raises PluginRejected."""
    from mockforge_asgi.plugins.package.archive import read_archive

    name = source or str(path)
    try:
        if path.is_dir():
            files, folder = dict(_read_folder(path, left_out="tests" if is_builtin(path) else "")), path
        elif path.is_file():
            files, folder = read_archive(path), None
        else:
            raise Unsafe("is neither a folder nor a file.", "Check the path.")
        if FILE not in files:
            raise Unsafe(f"has no {FILE}.", "A plugin is a folder, or a zip of one, with plugin.yaml at its top.")
    except Unsafe as error:
        place = f"{name}/{clip(error.path, 120)}" if error.path else name
        raise PluginRejected(path.name, "its package cannot be read:", [Problem(place, error.what, error.remedy)]) from None
    except OSError as error:
        raise PluginRejected(path.name, "its package cannot be read:", [Problem(name, f"{error.strerror or error}.")]) from error
    return Package(name, folder, read_manifest(files[FILE], f"{name}/{FILE}"), files, digest_of(files))


def digest_of(files: Mapping[str, bytes]) -> str:
    """`sha256-…` over the sorted list of paths, sizes and content digests: the same for the same files, however they came."""
    outer = hashlib.sha256(_HEADER)
    for path in sorted(files, key=lambda p: p.encode()):
        outer.update(f"{hashlib.sha256(files[path]).hexdigest()} {len(files[path])} {path}\n".encode())
    return f"sha256-{outer.hexdigest()}"


def is_left_out(name: str) -> bool:
    """Whether a file or folder of that name is never part of a package: hidden, caches, build output, editors' leftovers."""
    if name.startswith("."):
        return name not in (".", "..")
    return name in _LEFT_OUT or name.endswith(_LEFTOVERS) or (name.startswith("#") and name.endswith("#"))


def checked_path(path: str) -> str:
    """A path inside a package, if it is safe on every system. Raises Unsafe."""
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise Unsafe("leads out of the package.", "Paths are relative and have no '..'.", path)
    if len(path) > 512 or len(parts) > MAX_DEPTH + 1:
        raise Unsafe("is too long or too deep.", f"The most is {MAX_DEPTH} folders and 512 characters.", path)
    if bad := next((sign for sign in path if not sign.isprintable() or _BAD_NAME.match(sign)), ""):
        shown = quote(bad) if bad.isascii() else f"U+{ord(bad):04X}"
        raise Unsafe(f"has a name that some systems refuse or do not show as it is ({shown}).", "Rename it.", path)
    if any(part != part.rstrip(". ").lstrip() for part in parts):
        raise Unsafe("has a name that some systems change (a blank at an end, or a final dot).", "Rename it.", path)
    if any(_RESERVED.match(part) for part in parts):
        raise Unsafe("has a name that means a device on some systems.", "Rename it.", path)
    if unicodedata.normalize("NFC", path) != path:
        raise Unsafe("has a name that is not in Unicode's composed form (NFC).", "Rename it.", path)
    return path


def check_collisions(paths: Iterable[str]) -> None:
    """Raises Unsafe for two paths that some file systems take for one, and for a file that is a folder too."""
    seen: dict[str, str] = {}
    folders: set[str] = set()
    files = tuple(paths)
    for path in files:
        parts = path.split("/")
        above = ["/".join(parts[:end]) for end in range(1, len(parts))]
        folders.update(above)
        for each in (*above, path):
            other = seen.setdefault(unicodedata.normalize("NFKC", each.casefold()).casefold(), each)
            if other != each:
                raise Unsafe(f"differs from {quote(other)} only in case or form.", "Rename one of them.", each)
    if both := sorted(folders & set(files)):
        raise Unsafe("is a file and a folder at once.", "Rename one of them.", both[0])


def _read_folder(root: Path, left_out: str) -> Iterator[tuple[str, bytes]]:
    """Every file, by descriptors from the root down, so that no link can lead elsewhere while we read.

    `left_out`: what stands at the top under that name is not part of it, as in the wheel that it ships in.
    """
    total = count = 0
    handle = os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        paths = []
        for path, data in _walk(handle, "", 0, left_out):
            total, count = total + len(data), count + 1
            if total > MAX_TOTAL_BYTES:
                raise Unsafe(f"holds more than {MAX_TOTAL_BYTES >> 20} MiB.", "Keep build output and data out of the plugin's folder.")
            if count > MAX_FILES:
                raise Unsafe(f"holds more than {MAX_FILES} files.", "Keep build output and data out of the plugin's folder.")
            paths.append(path)
            yield path, data
        check_collisions(paths)
    finally:
        os.close(handle)


def _walk(handle: int, prefix: str, depth: int, left_out: str = "") -> Iterator[tuple[str, bytes]]:
    for name in sorted(os.listdir(handle)):
        if is_left_out(name) or name == left_out:
            continue
        path = checked_path(prefix + name)
        try:
            mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode):
                data = _read_file(name, handle, path, mode)
            elif depth >= MAX_DEPTH:
                raise Unsafe(f"is more than {MAX_DEPTH} folders deep.", "", path)
            else:
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
        except OSError as error:
            raise Unsafe(f"cannot be read: {error.strerror}.", "Check its permissions.", path) from error
        if not stat.S_ISDIR(mode):
            yield path, data
            continue
        try:
            yield from _walk(inner, f"{path}/", depth + 1)
        finally:
            os.close(inner)


def _read_file(name: str, handle: int, path: str, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        raise Unsafe("is a symbolic link.", "A package holds plain files: put the file itself there.", path)
    if not stat.S_ISREG(mode):
        raise Unsafe("is not a plain file.", "Remove it.", path)
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle), "rb") as opened:
        facts = os.fstat(opened.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise Unsafe("is not a plain file.", "Remove it.", path)
        if facts.st_size > MAX_FILE_BYTES:
            raise Unsafe(f"is larger than {MAX_FILE_BYTES >> 20} MiB.", "", path)
        data = opened.read(facts.st_size + 1)
    if len(data) != facts.st_size:
        raise Unsafe("changed while it was read.", "Try again.", path)
    return data
