"""Reads a plugin package from a zip archive, as hostile as it may be: into memory, bounded, never to a path it names.

Only plain stored or deflated files; no links, no encryption, no ZIP64, no data before or after.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from mockforge_asgi.plugins.package import MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES, Unsafe, check_collisions, checked_path, is_left_out

MAX_ARCHIVE_BYTES: Final = 64 << 20
_MAX_DIRECTORY_BYTES: Final = 1 << 20
_END: Final = struct.Struct("<4s4H2LH")
_CHUNK: Final = 1 << 16


def read_archive(path: Path) -> dict[str, bytes]:
    """The files of an archive by path; one folder around them all is left out. Raises Unsafe."""
    with path.open("rb") as opened:
        data = opened.read(MAX_ARCHIVE_BYTES + 1)
    if len(data) > MAX_ARCHIVE_BYTES:
        raise Unsafe(f"is larger than {MAX_ARCHIVE_BYTES >> 20} MiB.")
    return files_of(data)


def files_of(data: bytes) -> dict[str, bytes]:
    """The files in an archive's bytes. Raises Unsafe."""
    _check_end(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _without_top(_read_all(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error) as error:
        raise Unsafe(f"is a damaged archive ({type(error).__name__}).", "Make it again.") from None


def _check_end(data: bytes) -> None:
    """The end record, before anything allocates by what it says (APPNOTE 4.3.16)."""
    if len(data) < _END.size or data[:2] != b"PK":
        raise Unsafe("is no zip archive.", "Give a folder, or a .zip of one.")
    signature, disk, first_disk, here, entries, size, offset, comment = _END.unpack_from(data, len(data) - _END.size)
    if signature != b"PK\x05\x06" or comment:
        raise Unsafe("is a zip archive with a comment or trailing data.", "Make it again without.")
    if disk or first_disk or here != entries or 0xFFFF in (entries, here) or 0xFFFFFFFF in (size, offset):
        raise Unsafe("is a split or ZIP64 archive.", "Make a plain one.")
    if entries > 2 * MAX_FILES or size > _MAX_DIRECTORY_BYTES or offset + size != len(data) - _END.size:
        raise Unsafe("has a directory that is too large or out of place.", "Make it again.")


def _read_all(archive: zipfile.ZipFile) -> dict[str, bytes]:
    found = (info for info in archive.infolist() if not info.filename.endswith("/"))  # `is_dir` fails for a name of no characters
    entries = [info for info in found if not any(map(is_left_out, PurePosixPath(info.filename).parts))]
    if len(entries) > MAX_FILES:
        raise Unsafe(f"holds more than {MAX_FILES} files.")
    if sum(info.file_size for info in entries) > MAX_TOTAL_BYTES:
        raise Unsafe(f"holds more than {MAX_TOTAL_BYTES >> 20} MiB.")
    files: dict[str, bytes] = {}
    for info in entries:
        path = checked_path(info.orig_filename)
        if path in files:
            raise Unsafe("is in the archive twice.", "Make it again.", path)
        files[path] = _read_one(archive, info, path)
    check_collisions(files)
    return files


def _read_one(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> bytes:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Unsafe("is a link or special file.", "A package holds plain files.", path)
    if info.flag_bits & 0x1:
        raise Unsafe("is encrypted.", "Make the archive without a password.", path)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unsafe("is compressed in an unusual way.", "Use deflate.", path)
    if info.file_size > MAX_FILE_BYTES:
        raise Unsafe(f"is larger than {MAX_FILE_BYTES >> 20} MiB.", "", path)
    content = bytearray()
    with archive.open(info) as opened:
        while chunk := opened.read(_CHUNK):
            content += chunk
            if len(content) > info.file_size:
                raise Unsafe("is larger than the archive says.", "Make it again.", path)
    if len(content) != info.file_size:
        raise Unsafe("is shorter than the archive says.", "Make it again.", path)
    return bytes(content)


def _without_top(files: dict[str, bytes]) -> dict[str, bytes]:
    tops = {path.partition("/")[0] for path in files}
    if "plugin.yaml" in files or len(tops) != 1 or not all("/" in path for path in files):
        return files
    return {path.partition("/")[2]: data for path, data in files.items()}
