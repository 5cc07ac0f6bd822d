"""Plugin packages as zip archives: the files that Python's own reader finds, by safe paths and in bounds, or a refusal."""

from __future__ import annotations

import io
import zipfile
from random import Random

from mockforge_asgi.plugins.package.archive import files_of
from mockforge_asgi.plugins.package.package import MAX_FILES, MAX_TOTAL_BYTES, Unsafe, checked_path, digest_of, is_left_out
from mockforge_asgi.text import clip
from tests.fuzz.fuzzing import Target
from tests.fuzz.said import is_harmless

NAMES = (
    "plugin.yaml", "plugin.py", "top/plugin.yaml", "top/a/b.txt", "a", "a/b", "A", "../x", "/etc/passwd", "a\\b",
    "c:x", "nul.txt", "x.", " ", "",
    "é.txt", "e\u0301.txt", "a/../b", "./a", "a//b", ".git/config", "__pycache__/x.pyc", "a" * 600, "d/" * 20 + "x", "x\x00y",
    "\u202e.py", "dir/", "plugin\u200b.py", "plugin\u00ad.py", "ｐlugin.py", "\u3164",
)  # fmt: skip
FIELDS = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")


def made(random: Random) -> bytes:
    """An archive of a few of these names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name in random.sample(NAMES, random.randrange(5)):
            info = zipfile.ZipInfo(name)
            info.external_attr = random.choice((0o100644, 0o100755, 0, 0o120777, 0o040755, 0o010644)) << 16
            info.compress_type = archive.compression
            info.extra = random.choice((b"", b"", b"UT\5\0\1\0\0\0\0", b"up\6\0\1\0\0\0\0x", b"UT"))
            archive.writestr(info, random.choice((b"", b"x" * 2000, random.randbytes(60), b"id: a\n")))
        if random.random() < 0.1:
            archive.comment = b"comment"
    return out.getvalue()


SEEDS = (*(made(Random(n)) for n in range(12)), b"PK\x05\x06" + bytes(18), b"")


def check(data: bytes) -> None:
    """Read it; hold what was read against Python's reader."""
    try:
        files = files_of(data)
    except Unsafe as error:
        assert error.what and len(error.what) < 500 and is_harmless(error.what) and is_harmless(clip(error.path, 120)), error.what
        return
    assert len(files) <= MAX_FILES and sum(map(len, files.values())) <= MAX_TOTAL_BYTES and digest_of(files)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [info.orig_filename for info in archive.infolist()]
        names = [name for name in found if not any(map(is_left_out, name.split("/")))]
        tops = ("", *(f"{top}/" for top in {name.partition("/")[0] for name in names}))
        for path, content in files.items():
            assert checked_path(path) == path and not any(map(is_left_out, path.split("/")))
            assert content in [archive.read(top + path) for top in tops if top + path in names], path


def mutate(data: bytes, random: Random) -> bytes:
    """Another archive, or this one with a field of a record changed."""
    at = data.rfind(random.choice(FIELDS), 0, random.randrange(len(data) + 1) + 4)
    if at < 0 or random.random() < 0.2:
        return made(random)
    place = at + random.randrange(4, 60)
    value = random.choice((b"\x00", b"\x01", b"\xff", b"\x08", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", random.randbytes(2)))
    return data[:place] + value + data[place + len(value) :] if random.random() < 0.8 else data[:place] + value + data[place:]


TARGET = Target(check, 4_000, SEEDS, mutate, max_bytes=16_384)
