"""Hostile archives end in words; nothing is written, nothing read beyond the bounds."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.plugins import archive as subject
from mockforge_asgi.plugins.archive import files_of, read_archive
from mockforge_asgi.plugins.package import Unsafe


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
        (b"", "is no zip archive"),
        (b"not a zip" * 10, "is no zip archive"),
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
        (with_size(GOOD, 5), "damaged|larger than the archive says"),
        (with_size(GOOD, 500), "damaged|shorter than the archive says"),
        (with_size(GOOD, 0x7FFFFFFF), "holds more than 128 MiB"),
        (GOOD[: len(GOOD) // 2], "comment or trailing data"),
    ],
)
def test_a_hostile_archive_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(Unsafe, match=words):
        files_of(data)


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
    with pytest.raises(Unsafe, match="unusual"):
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
