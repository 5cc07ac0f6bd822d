"""A plugin reads its own files and no others."""

from __future__ import annotations

import base64

import pytest

from mockforge_asgi.errors import DoorError
from mockforge_asgi.plugins.own_files import MAX_FILE_BYTES, OwnFiles

FILES = {"a.txt": b"inside", "data/b.json": b"{}", "large": b"\0" * (MAX_FILE_BYTES + 1)}


@pytest.mark.parametrize(("path", "content"), [("a.txt", b"inside"), ("./a.txt", b"inside"), ("data/b.json", b"{}")])
def test_an_own_file_is_read(path: str, content: bytes) -> None:
    assert base64.b64decode(OwnFiles(FILES, None).read({"path": path})["base64"]) == content


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside.txt", "invalid_input"), ("/etc/passwd", "invalid_input"), ("data/../a.txt", "invalid_input"), ("", "invalid_input"),
        ("data//b.json", "invalid_input"), ("..\\outside.txt", "invalid_input"), ("x" * 2000, "invalid_input"), ("a.txt\0", "not_found"),
        ("data", "not_found"), ("a.txt/b", "not_found"), ("none.txt", "not_found"), ("large", "limit"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(path: str, code: str) -> None:
    with pytest.raises(DoorError) as caught:
        OwnFiles(FILES, None).read({"path": path})
    assert caught.value.code == code


def test_only_granted_files_are_read() -> None:
    files = OwnFiles(FILES, ("data/*", "./a.txt"))
    assert files.read({"path": "data/b.json"}) == {"base64": "e30="}
    assert files.read({"path": "a.txt"})
    with pytest.raises(DoorError, match="not among those granted"):
        files.read({"path": "large"})
