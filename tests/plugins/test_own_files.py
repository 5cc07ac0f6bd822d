"""A plugin reads its own files and no others."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from mockforge_asgi.errors import DoorError
from mockforge_asgi.plugins.own_files import MAX_FILE_BYTES, OwnFiles


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside.txt").write_text("outside")
    folder = tmp_path / "plugin"
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("inside")
    (folder / "data" / "b.json").write_text("{}")
    (folder / "link.txt").symlink_to("../outside.txt")
    (folder / "own_link.txt").symlink_to("a.txt")
    (folder / "linked").symlink_to("..")
    os.mkfifo(folder / "pipe")
    (folder / "large").write_bytes(b"\0" * (MAX_FILE_BYTES + 1))
    return folder


@pytest.mark.parametrize(("path", "content"), [("a.txt", b"inside"), ("./a.txt", b"inside"), ("data/b.json", b"{}")])
def test_an_own_file_is_read(root: Path, path: str, content: bytes) -> None:
    assert base64.b64decode(OwnFiles(root, None).read({"path": path})["base64"]) == content


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside.txt", "invalid_input"), ("/etc/passwd", "invalid_input"), ("data/../a.txt", "invalid_input"), ("a.txt\0",
        "invalid_input"),
        ("", "invalid_input"), ("data//b.json", "invalid_input"), ("..\\outside.txt", "invalid_input"), ("x" * 2000, "invalid_input"),
        ("link.txt", "denied"), ("own_link.txt", "denied"), ("linked/outside.txt", "denied"), ("pipe", "denied"), ("data", "denied"),
        ("a.txt/b", "denied"), ("none.txt", "not_found"), ("data/none", "not_found"), ("large", "limit"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(root: Path, path: str, code: str) -> None:
    with pytest.raises(DoorError) as caught:
        OwnFiles(root, None).read({"path": path})
    assert caught.value.code == code


def test_only_granted_files_are_read(root: Path) -> None:
    files = OwnFiles(root, ("data/*", "./a.txt"))
    assert files.read({"path": "data/b.json"}) == {"base64": "e30="}
    assert files.read({"path": "a.txt"})
    with pytest.raises(DoorError, match="not among those granted"):
        files.read({"path": "large"})


def test_without_a_folder_there_are_no_files() -> None:
    with pytest.raises(DoorError, match="no folder"):
        OwnFiles(None, None).read({"path": "a.txt"})


def test_reading_leaves_no_descriptor_open(root: Path) -> None:
    files = OwnFiles(root, None)
    before = len(os.listdir("/proc/self/fd"))
    for path in ("a.txt", "data/b.json", "linked/outside.txt", "pipe", "data", "large", "none"):
        try:
            files.read({"path": path})
        except DoorError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before
