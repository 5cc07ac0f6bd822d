"""The private directory beneath the compiled-code cache."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockforge_asgi.wasm.compiled.entries import Entries, EntriesUnusable
from mockforge_asgi.wasm.compiled.private_files import TEMPORARY
from tests.support.unprivileged_user import nobody, open_folder

ROOT = Path(__file__).resolve().parents[3]
NAME, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def entries(tmp_path: Path) -> Entries:
    return Entries(tmp_path / "compiled")


def read(entries: Entries, name: str = NAME) -> bytes | None:
    """The entry's content without its checksum, if it verifies."""
    with entries.reading(name) as fd:
        return None if fd is None else os.pread(fd, 1 << 20, 0)[:-32]


def test_what_was_written_is_read(entries: Entries) -> None:
    assert read(entries) is None
    entries.write(NAME, io.BytesIO(b"code"))
    assert read(entries) == b"code"
    entries.write(NAME, io.BytesIO(b"newer"))
    assert read(entries) == b"newer"


def test_directory_and_entry_are_private(entries: Entries) -> None:
    entries.write(NAME, io.BytesIO(b"code"))
    modes = [p.stat().st_mode & 0o777 for p in (entries.directory, entries.directory / NAME)]
    assert modes == [0o700, 0o600]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def widen(path: Path) -> None:
    path.chmod(0o666)


def link_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def link_twice(path: Path) -> None:
    os.link(path, path.with_name("twin"))


def swap(path: Path) -> None:
    (path.parent / OTHER).replace(path)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def make_folder(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


def make_socket(path: Path) -> None:
    path.unlink()
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


def give_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize("harm", [flip, cut, empty, widen, link_away, link_twice, swap, make_fifo, make_folder, make_socket, give_away])
def test_an_entry_that_somebody_touched_is_not_handed_out_and_is_made_anew(entries: Entries, harm: object) -> None:
    entries.write(NAME, io.BytesIO(b"code"))
    entries.write(OTHER, io.BytesIO(b"other code"))
    assert (read(entries), read(entries, OTHER)) == (b"code", b"other code")
    assert callable(harm)
    harm(entries.directory / NAME)
    assert read(entries) is None
    assert not (entries.directory / NAME).is_symlink()
    entries.write(NAME, io.BytesIO(b"code"))
    assert read(entries) == b"code"


def test_an_entry_replaced_while_open_changes_nothing_for_its_reader(entries: Entries) -> None:
    entries.write(NAME, io.BytesIO(b"code"))
    with entries.reading(NAME) as fd:
        assert fd is not None
        entries.write(NAME, io.BytesIO(b"evil"))
        entries.remove(NAME)
        assert os.pread(fd, 4, 0) == b"code"


def test_a_directory_open_to_others_is_closed_and_said(tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir(mode=0o755)
    (tmp_path / "compiled").chmod(0o777)
    entries = Entries(tmp_path / "compiled")
    assert "mode 777" in entries.repaired
    assert (tmp_path / "compiled").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_closed_to_others_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that takes every mode and keeps none."""
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled").chmod(0o777)
    monkeypatch.setattr(os, "fchmod", lambda fd, mode: None)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(EntriesUnusable, match="stays open to other users"):
        Entries(tmp_path / "compiled")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_refused_in_words(tmp_path: Path) -> None:
    Entries(tmp_path / "compiled").close()
    os.chown(tmp_path / "compiled", 12345, 12345)
    with pytest.raises(EntriesUnusable, match="belongs to another user"):
        Entries(tmp_path / "compiled")


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "compiled").symlink_to(tmp_path / "real")
    with pytest.raises(EntriesUnusable, match="cannot be used"):
        Entries(tmp_path / "compiled")


def test_a_directory_moved_away_stays_the_one_in_use(entries: Entries) -> None:
    entries.directory.rename(entries.directory.with_name("moved"))
    entries.directory.mkdir(mode=0o777)
    entries.write(NAME, io.BytesIO(b"code"))
    assert list(entries.directory.iterdir()) == []
    assert read(entries) == b"code"


@pytest.mark.parametrize(("mode", "kept"), [(0o777, False), (0o770, False), (0o722, False), (0o755, True), (0o711, True)])
def test_what_others_may_have_written_is_thrown_away_and_nothing_else(tmp_path: Path, mode: int, kept: bool) -> None:
    """Right in every other way: of this user, private, with its checksum; as when a file of ours was moved here by somebody else."""
    first = Entries(tmp_path / "compiled")
    first.write(NAME, io.BytesIO(b"code"))
    (tmp_path / "compiled" / "notes.txt").touch()
    (tmp_path / "compiled").chmod(mode)
    again = Entries(tmp_path / "compiled")
    assert again.repaired and (tmp_path / "compiled" / "notes.txt").exists()
    assert read(again) == (b"code" if kept else None)


@contextlib.contextmanager
def at_most(kind: int, most: int) -> Iterator[None]:
    """This process may have no more of that for a while, as on a full disk or at the end of its descriptors."""
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


@pytest.mark.parametrize("most", [0, 1000, 3000, 3031])
def test_a_write_that_finds_no_room_leaves_nothing_and_what_was_there_stays(entries: Entries, most: int) -> None:
    entries.write(NAME, io.BytesIO(b"code"))
    before = len(os.listdir("/proc/self/fd"))
    with at_most(resource.RLIMIT_FSIZE, most), pytest.raises(OSError, match="File too large"):
        entries.write(NAME, io.BytesIO(b"x" * 3000))
    assert {p.name for p in entries.directory.iterdir()} == {"locks", NAME}
    assert read(entries) == b"code" and len(os.listdir("/proc/self/fd")) == before
    entries.write(NAME, io.BytesIO(b"x" * 3000))
    assert read(entries) == b"x" * 3000


def test_where_descriptors_have_run_out_nothing_is_removed(entries: Entries) -> None:
    entries.write(NAME, io.BytesIO(b"code"))
    with at_most(resource.RLIMIT_NOFILE, 3):
        with pytest.raises(OSError, match="Too many open files"):
            read(entries)
        with pytest.raises(EntriesUnusable, match="Too many open files"):
            Entries(entries.directory)
    assert read(entries) == b"code"


def test_the_least_recently_read_entries_go_first(entries: Entries) -> None:
    for age, name in enumerate((NAME, OTHER, "c" * 64)):
        entries.write(name, io.BytesIO(b"x" * 1000))
        os.utime(entries.directory / name, (time.time() - 10 * age, time.time() - 1000))
    entries.prune(2200)
    assert sorted(p.name[0] for p in entries.directory.iterdir()) == ["a", "b", "l"]


def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not(entries: Entries) -> None:
    for age_s, name in ((4000, "left"), (0, "written")):
        (entries.directory / (TEMPORARY + name)).touch()
        os.utime(entries.directory / (TEMPORARY + name), times=(time.time() - age_s,) * 2)
    entries.prune(1 << 30)
    assert {p.name for p in entries.directory.iterdir()} == {"locks", TEMPORARY + "written"}
    os.utime(entries.directory / (TEMPORARY + "written"), times=(0, 0))
    Entries(entries.directory).close()
    assert {p.name for p in entries.directory.iterdir()} == {"locks"}


def test_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        Entries(tmp_path / "cache" / "mockforge" / "compiled").close()
    finally:
        os.umask(before)
    assert [p.stat().st_mode & 0o077 for p in tmp_path.rglob("*")] == [0] * 4


def test_a_directory_that_only_its_owner_may_read_is_read() -> None:
    with open_folder() as folder:
        folder.chmod(0o777)
        with nobody():
            Entries(folder / "compiled").write(NAME, io.BytesIO(b"code"))
            (folder / "compiled" / "locks").unlink()
            (folder / "compiled").chmod(0o500)
            entries = Entries(folder / "compiled")
            assert read(entries) == b"code" and entries.try_lock(NAME)
            with pytest.raises(PermissionError):
                entries.write(OTHER, io.BytesIO(b"code"))
            (folder / "compiled").chmod(0o700)


def test_no_damage_anywhere_gets_through(entries: Entries) -> None:
    path, content = entries.directory / NAME, bytes(range(256)) * 8
    entries.write(NAME, io.BytesIO(content))
    whole = path.read_bytes()
    assert read(entries) == content
    damaged = [whole[:n] for n in range(0, len(whole), 61)] + [whole + b"\0", whole[1:], whole + whole, whole[:-32] + bytes(32)]
    for at in (*range(0, len(whole), 53), *range(len(whole) - 32, len(whole))):
        damaged += [whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :] for bit in (1, 0x80)]
    for harmed in damaged:
        path.write_bytes(harmed)
        path.chmod(0o600)
        assert read(entries) is None
        assert not path.exists()


def test_files_that_come_and_go_meanwhile_stop_no_pruning(entries: Entries) -> None:
    is_over = threading.Event()

    def others() -> None:
        """As other processes do that store entries."""
        while not is_over.is_set():
            for name in (f"{TEMPORARY}1", f"{TEMPORARY}2", OTHER):
                (entries.directory / name).touch()
            for name in (f"{TEMPORARY}1", f"{TEMPORARY}2", OTHER):
                (entries.directory / name).unlink(missing_ok=True)

    writing = threading.Thread(target=others)
    writing.start()
    try:
        for _ in range(2000):
            entries.prune(1 << 30)
    finally:
        is_over.set()
        writing.join()


def test_where_there_are_no_locks_nobody_waits_for_one(entries: Entries) -> None:
    assert entries.try_lock(NAME)
    os.close(entries._locks)  # as on a file system that has none: every attempt is an error
    assert entries.try_lock(OTHER)
    entries.unlock(OTHER)
    entries._locks = -1
    entries.close()
    assert entries.try_lock(NAME)


def locks_in_another_process(entries: Entries, *names: str) -> list[bool]:
    """Which of the names another process can lock now."""
    code = (
        "import sys; from pathlib import Path; from mockforge_asgi.wasm.compiled.entries import Entries;"
        "e = Entries(Path(sys.argv[1])); print(*(int(e.try_lock(n)) for n in sys.argv[2:]))"
    )
    arguments = [sys.executable, "-c", code, str(entries.directory), *names]
    return [word == "1" for word in subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()]


@pytest.mark.parametrize("harm", [widen, make_folder, link_away, give_away])
def test_locks_that_others_could_hold_are_not_waited_for(entries: Entries, harm: object) -> None:
    """As somebody planted them while the directory was open to all."""
    entries.close()
    assert callable(harm)
    harm(entries.directory / "locks")
    entries.directory.chmod(0o777)
    again = Entries(entries.directory)
    assert (entries.directory / "locks").stat(follow_symlinks=False).st_mode & 0o777 == 0o600
    assert again.try_lock(NAME) and locks_in_another_process(again, NAME, OTHER) == [False, True]


def test_only_one_process_makes_an_entry(entries: Entries) -> None:
    assert entries.try_lock(NAME)
    assert locks_in_another_process(entries, NAME, OTHER) == [False, True]
    entries.unlock(NAME)
    assert locks_in_another_process(entries, NAME) == [True]
