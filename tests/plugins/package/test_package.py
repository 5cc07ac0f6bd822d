"""Packages are read from folders safely, with one digest for the same files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package import package as subject
from mockforge_asgi.plugins.package.package import Unsafe, check_collisions, checked_path, digest_of, read_package
from tests.support.plugin_packages import FILES, archive, folder
from tests.support.unprivileged_user import nobody, open_folder


def refusal(path: Path) -> str:
    with pytest.raises(PluginRejected) as raised:
        read_package(path, "p")
    return "; ".join(map(str, raised.value.problems))


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    made = folder(tmp_path)
    package = read_package(made)
    assert {k: v.decode() for k, v in package.files.items()} == FILES
    assert package.folder == made and package.manifest.id == "hello-auth"
    assert package.files["data/words.txt"] == b"one\n"


def test_the_digest_is_of_the_files_however_they_came(tmp_path: Path) -> None:
    digest = read_package(folder(tmp_path)).digest
    assert digest == read_package(archive(tmp_path)).digest == read_package(archive(tmp_path, name="b.zip", top="hello_auth-1.0/")).digest
    assert digest == digest_of({k: v.encode() for k, v in reversed(FILES.items())})
    assert digest.startswith("sha256-") and len(digest) == 71


@pytest.mark.parametrize("change", [{"plugin.py": "x"}, {"data/words.txt": ""}, {"new": ""}])
def test_any_change_changes_the_digest(tmp_path: Path, change: dict[str, str]) -> None:
    assert read_package(folder(tmp_path)).digest != read_package(folder(tmp_path, {**FILES, **change}, name="b")).digest


def test_a_moved_border_between_files_changes_the_digest() -> None:
    assert digest_of({"a": b"x", "b": b"y"}) != digest_of({"a": b"xy", "b": b""})


def test_hidden_files_caches_and_build_output_are_left_out(tmp_path: Path) -> None:
    left_out = {
        ".env": "x",
        ".git/config": "x",
        "__pycache__/a.py": "x",
        "plugin.pyc": "x",
        "node_modules/a.js": "x",
        "target/a": "x",
        "a~": "x",
        "#plugin.py#": "x",
        "plugin.py___jb_tmp___": "x",
    }
    made = folder(tmp_path, {**FILES, **left_out})
    assert set(read_package(made).files) == set(FILES)


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (tmp_path / "secret").write_text("hunter2")
    (made / "link").symlink_to(tmp_path / "secret")
    assert refusal(made) == "p/link: is a symbolic link. A package holds plain files: put the file itself there."


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (made / "up").symlink_to(tmp_path)
    assert "is a symbolic link" in refusal(made)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    made = folder(tmp_path)
    os.mkfifo(made / "pipe")
    assert "is not a plain file" in refusal(made)


def test_too_many_and_too_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder(tmp_path)
    monkeypatch.setattr(subject, "MAX_FILES", 2)
    assert "holds more than 2 files" in refusal(made)
    monkeypatch.setattr(subject, "MAX_FILES", 100)
    monkeypatch.setattr(subject, "MAX_TOTAL_BYTES", 10)
    assert "holds more than 0 MiB" in refusal(made)
    monkeypatch.setattr(subject, "MAX_FILE_BYTES", 10)
    assert "is larger than 0 MiB" in refusal(made)


def test_folders_too_deep_are_refused(tmp_path: Path) -> None:
    assert "12 folders deep" in refusal(folder(tmp_path, {**FILES, "/".join("abcdefghijklmnop") + "/x": ""}))


def test_what_is_no_package_is_told_in_words(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == "p: is neither a folder nor a file. Check the path."
    (tmp_path / "empty").mkdir()
    assert "has no plugin.yaml" in refusal(tmp_path / "empty")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "../a",
        "a/../b",
        "a//b",
        "a/./b",
        "a\\b",
        "c:a",
        "nul",
        "a/COM1.txt",
        "a\x00",
        "a\n",
        "a?",
        "a.",
        "a ",
        "b/a .txt/x ",
        "e\u0301",
        "\u202egpj.exe",
        "/".join("a" * 20),
        " a",
        "b/\u3000a",
        "conin$",
        "com\u00b9.txt",
    ],
)
def test_a_path_that_leads_out_or_differs_between_systems_is_refused(path: str) -> None:
    with pytest.raises(Unsafe):
        checked_path(path)


@pytest.mark.parametrize(
    "sign",
    [
        *(
            "\u00ad",
            "\u034f",
            "\u061c",
            "\u115f",
            "\u1160",
            "\u17b4",
            "\u180e",
            "\u200b",
            "\u200c",
            "\u200d",
            "\u200e",
            "\u2028",
            "\u2060",
            "\u2063",
        ),
        *("\u206a", "\u2800", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ufff9", "\U0001d173", "\U000e0001", "\U000e0061", "\U000e0100"),
        *("\u202d", "\u2066", "\u2069", "\u00a0", "\u2003", "\u202f", "\u0085", "\ue000", "\udc80"),
    ],
)
def test_a_name_with_signs_that_show_nothing_is_refused_with_their_code(sign: str) -> None:
    with pytest.raises(Unsafe, match=f"U\\+{ord(sign):04X}"):
        checked_path(f"plugin{sign}.py")


@pytest.mark.parametrize(
    "path", ["a", "a/b.c", "A b", "console.py", "nuller/aux-1.txt", "\u00e9.txt", "a/b/c/d", "日本語.txt", "имя.py", "नाम.txt"]
)
def test_an_ordinary_path_is_accepted(path: str) -> None:
    assert checked_path(path) == path


def test_paths_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(Unsafe, match="only in case"):
        check_collisions(["a/B", "a/b"])
    with pytest.raises(Unsafe, match="only in case"):
        check_collisions(["A/x", "a/y"])
    for one, other in (("straße", "STRASSE"), ("ﬁle", "file"), ("ｐlugin.py", "plugin.py"), ("K", "\u212a"), ("ς", "σ"), ("\u1e9e", "ss")):
        with pytest.raises(Unsafe, match="case or form"):
            check_collisions([one, other])
    check_collisions(["a/x", "a/y", "b"])


def test_a_file_is_no_folder() -> None:
    with pytest.raises(Unsafe, match="a file and a folder"):
        check_collisions(["a", "a/b"])


def test_a_file_that_may_not_be_read_is_named() -> None:
    with open_folder() as place:
        made = folder(place)
        read_package(made, "p")
        (made / "plugin.py").chmod(0)
        with nobody(), pytest.raises(PluginRejected, match=r"p/plugin\.py: cannot be read: Permission denied"):
            read_package(made, "p")
