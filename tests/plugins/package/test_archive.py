"""Hostile archives end in words; nothing is written, nothing read beyond the bounds."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.plugins.package import archive as subject
from mockforge_asgi.plugins.package.archive import files_of, read_archive
from mockforge_asgi.plugins.package.package import Unsafe


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in entries:
            opened.writestr(name, data)
        opened.comment = comment
    return made.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


def folder_by_attribute(name: str, attributes: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.create_system = attributes, 0
    return info


def test_files_are_read_and_one_folder_around_them_is_left_out() -> None:
    assert files_of(zipped(("plugin.yaml", b"a"), ("x/y", b"b"))) == {"plugin.yaml": b"a", "x/y": b"b"}
    assert files_of(zipped(("top/plugin.yaml", b"a"), ("top/x", b"b"))) == {"plugin.yaml": b"a", "x": b"b"}
    assert files_of(zipped((".git/x", b"a"), ("__pycache__/y", b"b"), ("z", b"c"))) == {"z": b"c"}


GOOD = zipped(("plugin.yaml", b"a" * 100))


def with_size(data: bytes, size: int) -> bytes:
    """The archive with another uncompressed size in its directory."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<L", size) + data[at + 4 :]


def nameless() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = ""
    return info


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not a zip archive"),
        (b"not a zip" * 10, "is not a zip archive"),
        (b"PK" + b"\0" * 50, "comment or trailing data"),
        (zipped(("../evil", b"x")), "leads out"),
        (zipped(("/etc/passwd", b"x")), "leads out"),
        (zipped(("a\\..\\..\\evil", b"x")), "some systems refuse"),
        (zipped(("c:evil", b"x")), "some systems refuse"),
        (zipped((link("a"), b"/etc/passwd")), "link or special file"),
        (zipped(("a", b"x"), ("A", b"y")), "only in case"),
        (zipped(("a", b"x"), comment=b"hello"), "comment or trailing data"),
        (GOOD + b"trailing", "comment or trailing data"),
        (b"PK leading" + GOOD, "out of place"),
        (zipped((nameless(), b"x")), "leads out"),
        (with_size(GOOD, 5), "differs from the archive's directory"),
        (with_size(GOOD, 500), "differs from the archive's directory"),
        (with_size(GOOD, 0x7FFFFFFF), "holds more than 128 MiB"),
        (GOOD[: len(GOOD) // 2], "comment or trailing data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "archive",  # bytes hold the time, which parallel workers see differently
)
def test_a_hostile_archive_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(Unsafe, match=words):
        files_of(data)


@pytest.mark.parametrize("attributes", [0x10, 0x08, 0o100644 << 16 | 0x10])
def test_a_file_that_some_readers_take_for_a_folder_is_refused(attributes: int) -> None:
    with pytest.raises(Unsafe, match="a folder by its attributes"):
        files_of(zipped(("plugin.yaml", b"id: x"), (folder_by_attribute("plugin.py", attributes), b"x")))
    assert files_of(zipped(("plugin.yaml", b"id: x"), (folder_by_attribute("more/", 0x10), b""))) == {"plugin.yaml": b"id: x"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(Unsafe, match="twice"):
        files_of(zipped(("a", b"x"), ("a", b"y")))


def test_an_encrypted_entry_is_refused() -> None:
    data = bytearray(GOOD)
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    with pytest.raises(Unsafe, match="is encrypted"):
        files_of(bytes(data))


def test_unusual_compression_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("a", b"x")
    with pytest.raises(Unsafe, match="unusual|newer reader"):
        files_of(made.getvalue())


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_TOTAL_BYTES", 1 << 20)
    with pytest.raises(Unsafe, match="holds more than 1 MiB"):
        files_of(zipped(("a", b"\0" * (2 << 20))))
    monkeypatch.setattr(subject, "MAX_FILE_BYTES", 1 << 10)
    with pytest.raises(Unsafe, match="is larger than 0 MiB"):
        files_of(zipped(("a", b"\0" * (1 << 11))))


def test_more_entries_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_FILES", 3)
    with pytest.raises(Unsafe, match="holds more than 3 files"):
        files_of(zipped(*((f"f{i}", b"") for i in range(4))))
    with pytest.raises(Unsafe, match="too large or out of place"):
        files_of(zipped(*((f"f{i}", b"") for i in range(7))))


def test_an_archive_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_ARCHIVE_BYTES", 100)
    file = tmp_path / "a.zip"
    file.write_bytes(GOOD)
    with pytest.raises(Unsafe, match="is larger than"):
        read_archive(file)


@given(st.binary(max_size=100) | st.integers(0, len(GOOD) * 8 - 1).map(lambda bit: flipped(bit)))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    try:
        files_of(data)
    except Unsafe:
        pass


def flipped(bit: int) -> bytes:
    data = bytearray(GOOD)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def record(
    name: bytes = b"plugin.py",
    content: bytes = b"good",
    *,
    flags: int = 0,
    method: int = 8,
    extra: bytes = b"",
    local_name: bytes | None = None,
    local_flags: int | None = None,
    local_extra: bytes = b"",
    local_sizes: tuple[int, int, int] | None = None,
    descriptor: bytes | None = None,
    tail: bytes = b"",
    size: int | None = None,
    comment: bytes = b"",
    offset: int | None = None,
) -> Callable[[int], tuple[bytes, bytes]]:
    """One entry, its parts as they are told: (its bytes, its line in the directory) when it begins at a place."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (deflater.compress(content) + deflater.flush() if method == 8 else content) + tail
    sizes = (zlib.crc32(content), len(packed), len(content) if size is None else size)
    inner = name if local_name is None else local_name
    head = struct.pack("<4s5H", b"PK\3\4", 20, flags if local_flags is None else local_flags, method, 0, 0)
    head += struct.pack("<3L2H", *(sizes if local_sizes is None else local_sizes), len(inner), len(local_extra))
    late = struct.pack("<4s3L", b"PK\7\x08", *sizes) if descriptor is None and flags & 8 else descriptor or b""

    def placed(at: int) -> tuple[bytes, bytes]:
        told = at if offset is None else offset
        line = struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, flags, method, 0, 0, *sizes, len(name), len(extra), len(comment), 0, 0, 0, told
        )
        return head + inner + local_extra + packed + late, line + name + extra + comment

    return placed


def archive(*records: Callable[[int], tuple[bytes, bytes]], gap: bytes = b"", before_end: bytes = b"", count: int | None = None) -> bytes:
    """The archive of those entries; `gap` stands before each."""
    body, lines = b"", b""
    for placed in records:
        body += gap
        one, line = placed(len(body))
        body, lines = body + one, lines + line
    lines += before_end
    number = len(records) if count is None else count
    return body + lines + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(lines), len(body), 0)


def extra_field(number: int, content: bytes = b"") -> bytes:
    return struct.pack("<2H", number, len(content)) + content


UNICODE_PATH = extra_field(0x7075, b"\1" + struct.pack("<L", zlib.crc32(b"plugin.py")) + b"evil.py")
TIMES = extra_field(0x5455, b"\1" + bytes(4)) + extra_field(0x7875, bytes(11)) + extra_field(0x000A, bytes(8))
GOOD_SIZES = (zlib.crc32(b"good"), 6, 4)
LOCATOR = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)


@pytest.mark.parametrize(
    "data",
    [
        archive(record()),
        archive(record(method=0)),
        archive(record(extra=TIMES, local_extra=TIMES)),
        archive(record(flags=8)),
        archive(record(flags=8, local_sizes=(0, 0, 0))),
        archive(record(flags=8, descriptor=struct.pack("<3L", *GOOD_SIZES))),
        archive(record(), record(b"folder/", b"", method=0), record(b"folder/x")),
        archive(record(), record("é.txt".encode(), flags=0x800)),
        archive(record(flags=2), record(b".hidden"), record(b"__MACOSX/._plugin.py", extra=TIMES)),
    ],
)
def test_what_every_reader_takes_alike_is_read(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert files_of(data)["plugin.py"] == opened.read("plugin.py") == b"good"


@pytest.mark.parametrize(
    "data",
    [
        archive(record(extra=UNICODE_PATH)),
        archive(record(local_extra=UNICODE_PATH)),
        archive(record(extra=TIMES + UNICODE_PATH)),
        archive(record(local_extra=TIMES + extra_field(0x5455))),
        archive(record(local_extra=extra_field(0x5455) * 16_000)),  # so many took as long as their square
        archive(record(b".hidden", extra=UNICODE_PATH), record()),
        archive(record(extra=extra_field(0x6375, b"comment"))),
        archive(record(extra=extra_field(0x0001, bytes(16)))),
        archive(record(extra=extra_field(0x9901, bytes(7)))),
        archive(record(extra=extra_field(0xCAFE))),
        archive(record(extra=b"UT\5\0\1")),
        archive(record(extra=b"UT")),
        archive(record(local_name=b"plugin.PY")),
        archive(record(local_name=b"evil.py")),
        archive(record(local_name=b"")),
        archive(record(local_flags=0x800)),
        archive(record(local_sizes=(0, 0, 0))),
        archive(record(local_sizes=(GOOD_SIZES[0], 6, 5))),
        archive(record(flags=8, local_sizes=(0, 6, 4))),
        archive(record(flags=8, descriptor=b"")),
        archive(record(flags=8, descriptor=struct.pack("<4s3L", b"PK\7\x08", 0, 6, 4))),
        archive(record(flags=8, method=0)),
        archive(record(), record(b"a"), gap=b"PK"),
        archive(record(), record(b"a", offset=0)),
        archive(record(b"a"), record(local_name=b"a", offset=0)),
        archive(record(), record(b"b", offset=5)),
        archive(record(content=archive(record(b"inner.py")), method=0), record(b"inner.py", offset=39)),
        archive(record(tail=b"more")),
        archive(record(size=3)),
        archive(record(size=5)),
        archive(record(content=b"goo", size=4, method=0)),
        archive(record(comment=LOCATOR)),
        archive(record(comment=b"a comment")),
        archive(record(), before_end=b"hidden"),
        archive(record(), before_end=record(b"evil.py")(0)[1]),
        archive(record(), record(b"a"), count=1),
        archive(record(), count=2),
        archive(record(), record()),
        archive(record(), record(b"plugin.py/", b"", method=0)),
        archive(record(), record(b"x/", b"content")),
        archive(record(), record(b"a\\b")),
        archive(record(), record(b"a\0.py")),
        archive(record(), record("é.py".encode("cp437"))),
        archive(record(), record("é.py".encode())),
        archive(record(), record(b"\xff.py", flags=0x800)),
        archive(record(flags=0x2000)),
        archive(record(flags=0x20)),
    ],
)
def test_what_readers_take_for_different_files_is_refused(data: bytes) -> None:
    with pytest.raises(Unsafe):
        files_of(data)


def test_bytes_before_between_and_after_entries_are_refused() -> None:
    one = record()(0)[0]
    for data in (archive(record(), gap=one), archive(lambda at: (one * 2, record(offset=at)(at)[1]))):
        with pytest.raises(Unsafe, match=r"overlaps|does not name"):
            files_of(data)
