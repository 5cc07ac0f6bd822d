"""Reads a plugin package from a zip archive, as hostile as it may be: into memory, bounded, never to a path it names.

Only what every reader takes for the same files: plain stored or deflated ones with ASCII or UTF-8 names, their own headers saying what
the archive's directory says, one after the other without a gap. No links, no encryption, no ZIP64, no comments, no extra fields but those
for times and owners. Zip is specified by PKWARE's APPNOTE.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mockforge_asgi.plugins.package.package import (
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    Unsafe,
    check_collisions,
    checked_path,
    is_left_out,
)

MAX_ARCHIVE_BYTES: Final = 64 << 20
_MAX_DIRECTORY_BYTES: Final = 1 << 20
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_ENCRYPTED, _DESCRIBED, _UTF8, _DEFLATE_LEVEL = 0x1, 0x8, 0x800, 0x6
_STORED, _DEFLATED = 0, 8
_NO_FILE: Final = 0x18
"""The attributes of folders and of volume labels in MS-DOS, which some readers go by."""
_VERSION: Final = 20
"""What version of the format folders and deflate need (APPNOTE 4.4.3)."""
_HARMLESS_FIELDS: Final = frozenset({0x000A, 0x5455, 0x5855, 0x7855, 0x7875})
"""Extra fields that hold times and owners. Others may change what a file is called or how it is read, as 0x7075 does."""
_AGAIN: Final = "Make the archive again."


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or folder as the archive's directory tells it."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int

    @property
    def name(self) -> str:
        """Its name. Raises Unsafe for one that is read in many ways."""
        try:
            return self.raw_name.decode("utf-8" if self.flags & _UTF8 else "ascii")
        except UnicodeDecodeError:
            shown = self.raw_name.decode("latin-1")
            raise Unsafe("has a name that is not marked as UTF-8 or is none.", f"{_AGAIN} Name files in ASCII.", shown) from None


def read_archive(path: Path) -> dict[str, bytes]:
    """The files of an archive by path; one folder around them all is left out. Raises Unsafe."""
    with path.open("rb") as opened:
        data = opened.read(MAX_ARCHIVE_BYTES + 1)
    if len(data) > MAX_ARCHIVE_BYTES:
        raise Unsafe(f"is larger than {MAX_ARCHIVE_BYTES >> 20} MiB.")
    return files_of(data)


def files_of(data: bytes) -> dict[str, bytes]:
    """The files in an archive's bytes. Raises Unsafe."""
    count, offset = _read_end(data)
    try:
        return _without_top(_read_all(data, list(_directory(data, offset, count)), offset))
    except (zlib.error, struct.error) as error:
        raise Unsafe(f"is a damaged archive ({error}).", _AGAIN) from None


def _read_end(data: bytes) -> tuple[int, int]:
    """The end record, before anything allocates by what it says (APPNOTE 4.3.16): the number of entries, and where their directory is."""
    if len(data) < _END.size or data[:2] != b"PK":
        raise Unsafe("is not a zip archive.", "Give a folder, or a .zip of one.")
    signature, disk, first_disk, here, entries, size, offset, comment = _END.unpack_from(data, len(data) - _END.size)
    if signature != b"PK\x05\x06" or comment:
        raise Unsafe("is a zip archive with a comment or trailing data.", "Make it again without.")
    if disk or first_disk or here != entries or 0xFFFF in (entries, here) or 0xFFFFFFFF in (size, offset):
        raise Unsafe("is a split or ZIP64 archive.", "Make a plain one.")
    if entries > 2 * MAX_FILES or size > _MAX_DIRECTORY_BYTES or offset + size != len(data) - _END.size:
        raise Unsafe("has a directory that is too large or out of place.", _AGAIN)
    return entries, offset


def _directory(data: bytes, at: int, count: int) -> Iterator[_Entry]:
    for _ in range(count):
        head = _CENTRAL.unpack_from(data, at)
        signature, _, needed, flags, method, _, _, crc, packed, size, name_size, extra_size, comment_size, disk, _, attributes, offset = (
            head
        )
        at += _CENTRAL.size
        raw_name, extra = data[at : at + name_size], data[at + name_size : at + name_size + extra_size]
        if signature != b"PK\x01\x02" or disk or comment_size:
            raise Unsafe("has a directory with comments, or with something else in it.", f"{_AGAIN} Leave comments out.")
        if needed > _VERSION:
            raise Unsafe("needs a newer reader than one of plain archives.", "Make a plain one with deflate.")
        entry = _Entry(raw_name, flags, method, crc, packed, size, attributes >> 16, offset)
        _check_extra(extra, entry.name)
        if attributes & _NO_FILE and not entry.name.endswith("/"):
            raise Unsafe("is a file by its name and a folder by its attributes.", _AGAIN, entry.name)
        yield entry
        at += name_size + extra_size
    if at != len(data) - _END.size:
        raise Unsafe("has more in its directory than it says.", _AGAIN)


def _read_all(data: bytes, entries: list[_Entry], directory: int) -> dict[str, bytes]:
    wanted = [entry for entry in entries if not any(map(is_left_out, entry.name.split("/")))]
    if sum(not entry.name.endswith("/") for entry in wanted) > MAX_FILES:
        raise Unsafe(f"holds more than {MAX_FILES} files.")
    if sum(entry.size for entry in wanted) > MAX_TOTAL_BYTES:
        raise Unsafe(f"holds more than {MAX_TOTAL_BYTES >> 20} MiB.")
    _check_names(wanted)
    starts = _starts(data, entries, directory)
    return {entry.name: _read_one(data, entry, starts[entry.offset]) for entry in wanted if not entry.name.endswith("/")}


def _check_names(entries: list[_Entry]) -> None:
    names: set[str] = set()
    for entry in entries:
        checked_path(entry.name.removesuffix("/"))
        if entry.name in names:
            raise Unsafe("is in the archive twice.", _AGAIN, entry.name)
        if entry.name.endswith("/") and entry.size:
            raise Unsafe("is a folder with content.", _AGAIN, entry.name)
        names.add(entry.name)
    check_collisions(names)


def _starts(data: bytes, entries: list[_Entry], directory: int) -> dict[int, int]:
    """Where the content of each entry begins, by where its own header does: entries follow one another, and nothing is beside them."""
    starts, expected = {}, 0
    for entry in sorted(entries, key=lambda each: each.offset):
        if entry.offset != expected:
            raise Unsafe("overlaps another file, or something unnamed is before it.", _AGAIN, entry.name)
        starts[entry.offset], expected = _span(data, entry)
    if expected != directory:
        raise Unsafe("holds something that its directory does not name.", _AGAIN)
    return starts


def _span(data: bytes, entry: _Entry) -> tuple[int, int]:
    """(where the content begins, where the next entry does)."""
    signature, needed, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack_from(data, entry.offset)
    at = entry.offset + _LOCAL.size
    start = at + name_size + extra_size
    said, is_late = (crc, packed, size), flags & _DESCRIBED
    true = (entry.crc, entry.packed, entry.size)
    is_same = (data[at : at + name_size], flags, method) == (entry.raw_name, entry.flags, entry.method)
    if signature != b"PK\x03\x04" or needed > _VERSION or not is_same or not (said == true or (is_late and not any(said))):
        raise Unsafe("has a header of its own that differs from the archive's directory.", _AGAIN, entry.name)
    _check_extra(data[at + name_size : start], entry.name)
    end = start + entry.packed
    if is_late:  # the data descriptor, its signature optional (APPNOTE 4.3.9)
        end += 16 if data.startswith(b"PK\x07\x08", end) else 12
        if data[end - 12 : end] != struct.pack("<3L", *true) or (method == _STORED and entry.size):
            raise Unsafe("has a length that readers find in different ways.", _AGAIN, entry.name)
    return start, end


def _check_extra(extra: bytes, name: str) -> None:
    """Raises Unsafe. Each field may come once, so that there are few, however long all of them are."""
    seen: set[int] = set()
    while extra:
        field, size = struct.unpack_from("<2H", extra)
        if field not in _HARMLESS_FIELDS or field in seen or 4 + size > len(extra):
            raise Unsafe(f"has an extra field (0x{field:04x}) that not all readers read alike.", f"{_AGAIN} With zip: `zip -X`.", name)
        seen.add(field)
        extra = extra[4 + size :]


def _read_one(data: bytes, entry: _Entry, start: int) -> bytes:
    path = entry.name
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG):
        raise Unsafe("is a link or special file.", "A package holds plain files.", path)
    if entry.flags & _ENCRYPTED:
        raise Unsafe("is encrypted.", "Make the archive without a password.", path)
    if entry.method not in (_STORED, _DEFLATED) or entry.flags & ~(_DESCRIBED | _UTF8 | _DEFLATE_LEVEL):
        raise Unsafe("is compressed in an unusual way.", "Use deflate.", path)
    if entry.size > MAX_FILE_BYTES:
        raise Unsafe(f"is larger than {MAX_FILE_BYTES >> 20} MiB.", "", path)
    content, is_whole = data[start : start + entry.packed], True
    if entry.method == _DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        content = inflater.decompress(content, entry.size + 1)
        is_whole = inflater.eof and not inflater.unused_data
    if not is_whole or len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise Unsafe("is damaged, or not as long as the archive says.", _AGAIN, path)
    return content


def _without_top(files: dict[str, bytes]) -> dict[str, bytes]:
    tops = {path.partition("/")[0] for path in files}
    if "plugin.yaml" in files or len(tops) != 1 or not all("/" in path for path in files):
        return files
    return {path.partition("/")[2]: data for path, data in files.items()}
