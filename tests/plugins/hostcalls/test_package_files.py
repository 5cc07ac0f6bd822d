"""A plugin reads its own files and no others."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.plugins.hostcalls.package_files import MAX_FILE_BYTES, PackageFiles

FILES = {"a.txt": b"inside", "data/b.json": b"{}", "large": b"\0" * (MAX_FILE_BYTES + 1)}


@pytest.mark.parametrize(("path", "content"), [("a.txt", b"inside"), ("./a.txt", b"inside"), ("data/b.json", b"{}")])
def test_an_own_file_is_read(path: str, content: bytes) -> None:
    assert PackageFiles(FILES, None).read({"path": path}) == content


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside.txt", "invalid_input"), ("/etc/passwd", "invalid_input"), ("data/../a.txt", "invalid_input"), ("", "invalid_input"),
        ("data//b.json", "invalid_input"), ("..\\outside.txt", "invalid_input"), ("x" * 2000, "invalid_input"), ("a.txt\0", "not_found"),
        ("data", "not_found"), ("a.txt/b", "not_found"), ("none.txt", "not_found"), ("large", "limit"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(path: str, code: str) -> None:
    with pytest.raises(HostCallError) as caught:
        PackageFiles(FILES, None).read({"path": path})
    assert caught.value.code == code


def test_only_granted_files_are_read() -> None:
    files = PackageFiles(FILES, ("data/*", "./a.txt"))
    assert files.read({"path": "data/b.json"}) == b"{}"
    assert files.read({"path": "a.txt"})
    with pytest.raises(HostCallError, match="not among those granted"):
        files.read({"path": "large"})


def test_many_globs_are_one_expression_made_once() -> None:
    files = PackageFiles(FILES, [*(f"other/{n}/*" for n in range(99)), "data/[ab].json"])
    assert files.read({"path": "data/b.json"}) == b"{}"
    for path in ("other", "other/7", "a.txt", "data/bjson", "xdata/b.json", "data/b.json.x"):
        with pytest.raises(HostCallError, match="not among those granted"):
            files.read({"path": path})
    with pytest.raises(HostCallError, match="there is no file"):
        files.read({"path": "other/98/x"})


def test_without_a_glob_nothing_is_read() -> None:
    with pytest.raises(HostCallError, match="not among those granted"):
        PackageFiles(FILES, ()).read({"path": "a.txt"})
