"""The watcher with real files: what is saved before a `poll` is seen by it, however it was saved, with inotify and without."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mockforge_asgi.plugins.package.package import is_left_out
from mockforge_asgi.reload import inotify
from mockforge_asgi.reload.watcher import Watch, Watcher

needs_inotify = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
KINDS = [pytest.param(True, marks=needs_inotify, id="inotify"), pytest.param(False, id="looking")]


@pytest.fixture(params=KINDS)
def watcher(request: pytest.FixtureRequest) -> Watcher:
    return Watcher(uses_inotify=request.param)


@pytest.fixture
def queue(tmp_path: Path) -> Watcher:
    """One that relies on inotify alone."""
    made = Watcher()
    made.watch().add(tmp_path / "probe")
    if made.is_looking:
        pytest.skip("not every change of this file system is told")
    return made


def save(file: Path) -> None:
    file.write_text("changed")


def save_by_rename(file: Path) -> None:
    fresh = file.with_name(".fresh.tmp")
    fresh.write_text("changed")
    fresh.replace(file)


def save_with_backup(file: Path) -> None:
    file.rename(file.with_name(f"{file.name}~"))
    file.write_text("changed")


def delete(file: Path) -> None:
    file.unlink()


def replace_folder(file: Path) -> None:
    shutil.copytree(file.parent, file.parent.with_name("fresh"))
    file.parent.rename(file.parent.with_name("old"))
    file.parent.with_name("fresh").rename(file.parent)


def delete_and_make_folder(file: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.mkdir()
    file.write_text("made again")


def move_away_above(file: Path) -> None:
    above = file.parent.parent
    above.rename(above.with_name("elsewhere"))


EDITS = [save, save_by_rename, save_with_backup, delete, replace_folder, delete_and_make_folder, move_away_above]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("is_tree", [False, True])
def test_an_edit_is_seen_by_the_next_poll_and_once(watcher: Watcher, tmp_path: Path, edit: Callable[[Path], None], is_tree: bool) -> None:
    file = tmp_path / "top" / "plugin" / "plugin.py"
    file.parent.mkdir(parents=True)
    file.write_text("one")
    watch = watcher.watch()
    if is_tree:
        watch.add_tree(file.parent, is_left_out)
    else:
        watch.add(file)
    assert (watch.poll(), watch.poll()) == (0, 0)
    edit(file)
    assert watch.poll() == 1
    assert watch.poll() == 1


@pytest.mark.parametrize("edit", [save, save_by_rename, delete])
def test_after_a_folder_was_made_again_edits_in_it_are_seen(watcher: Watcher, tmp_path: Path, edit: Callable[[Path], None]) -> None:
    file = tmp_path / "plugin" / "plugin.py"
    file.parent.mkdir()
    file.write_text("one")
    watch = watcher.watch()
    watch.add_tree(file.parent, is_left_out)
    for rebuild in (delete_and_make_folder, replace_folder):
        rebuild(file)
        before = watch.poll()
        edit(file)
        assert watch.poll() == before + 1
        if not file.exists():
            save(file)
            watch.poll()
        shutil.rmtree(tmp_path / "old", ignore_errors=True)


def test_what_is_not_there_yet_is_seen_when_it_comes(watcher: Watcher, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    watch = watcher.watch()
    watch.add_tree(folder, is_left_out)
    watch.add(tmp_path / "x" / "file")
    assert watch.poll() == 0
    folder.mkdir(parents=True)
    save(folder / "plugin.py")
    seen = watch.poll()
    assert seen > 0
    save(folder / "plugin.py")
    os.utime(folder / "plugin.py", ns=(1, 1))
    assert watch.poll() == seen + 1
    (tmp_path / "x").mkdir()
    save(tmp_path / "x" / "file")
    assert watch.poll() == seen + 2


def test_folders_made_later_are_followed_too(watcher: Watcher, tmp_path: Path) -> None:
    watch = watcher.watch()
    watch.add_tree(tmp_path, is_left_out)
    inner = tmp_path / "one" / "two" / "three"
    inner.mkdir(parents=True)
    save(inner / "a.py")
    seen = watch.poll()
    save(inner / "b.py")
    assert watch.poll() == seen + 1


def test_names_that_are_left_out_do_not_count(watcher: Watcher, tmp_path: Path) -> None:
    watch = watcher.watch()
    watch.add_tree(tmp_path, is_left_out)
    for name in (".git", "__pycache__", "node_modules"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "a.py")
    for name in (".plugin.py.swp", "plugin.py~", "#plugin.py#"):
        save(tmp_path / name)
    assert watch.poll() == 0


def test_other_files_beside_a_watched_one_do_not_count(watcher: Watcher, tmp_path: Path) -> None:
    save(tmp_path / "mockforge.yaml")
    watch = watcher.watch()
    watch.add(tmp_path / "mockforge.yaml")
    save(tmp_path / "state.db")
    (tmp_path / "folder").mkdir()
    assert watch.poll() == 0


def test_a_link_that_is_turned_round_is_seen_and_so_is_an_edit_behind_it(watcher: Watcher, tmp_path: Path) -> None:
    """As a mounted Kubernetes ConfigMap is changed: file → ..data/file, ..data → ..1."""
    for number in ("..1", "..2"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "file").write_text(number)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "file").symlink_to("..data/file")
    watch = watcher.watch()
    watch.add(tmp_path / "file")
    (tmp_path / "fresh").symlink_to("..2")
    (tmp_path / "fresh").replace(tmp_path / "..data")
    assert watch.poll() == 1
    save(tmp_path / "..2" / "file")
    assert watch.poll() == 2
    (tmp_path / "..1" / "file").write_text("no longer meant")
    assert watch.poll() == 2


def test_a_linked_folder_is_followed_to_where_it_is(watcher: Watcher, tmp_path: Path) -> None:
    real = tmp_path / "real" / "plugin"
    real.mkdir(parents=True)
    (tmp_path / "plugins").symlink_to(tmp_path / "real" / ".." / "real")
    watch = watcher.watch()
    watch.add_tree(tmp_path / "plugins" / "plugin", is_left_out)
    save(real / "plugin.py")
    assert watch.poll() == 1


def test_links_in_a_circle_end(watcher: Watcher, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    watch = watcher.watch()
    watch.add_tree(tmp_path / "a")
    assert watch.poll() == 0
    (tmp_path / "b").unlink()
    save(tmp_path / "b")
    assert watch.poll() == 1


@pytest.mark.parametrize("is_tree", [False, True])
def test_a_file_written_to_by_another_of_its_names_is_seen(watcher: Watcher, tmp_path: Path, is_tree: bool) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (there / "a").write_text("one")
    os.link(there / "a", here / "a")
    watch = watcher.watch()
    if is_tree:
        watch.add_tree(here)
    else:
        watch.add(here / "a")
    save(there / "a")
    assert watch.poll() == 1


def test_each_watch_counts_its_own_edits(watcher: Watcher, tmp_path: Path) -> None:
    watches: list[Watch] = []
    for number in range(50):
        folder = tmp_path / f"plugin{number}"
        folder.mkdir()
        watches.append(watcher.watch())
        watches[-1].add_tree(folder, is_left_out)
    save(tmp_path / "plugin7" / "plugin.py")
    before = watcher.version
    assert watcher.poll() > before
    assert [number for number, watch in enumerate(watches) if watch.version] == [7]


def test_one_who_polls_before_each_request_does_so_for_all(watcher: Watcher, tmp_path: Path) -> None:
    watch = watcher.watch()
    watch.add(tmp_path / "a")
    save(tmp_path / "a")
    assert (watch.look(), watcher.look()) == (1, 1)
    watcher.is_polled_before = True
    (tmp_path / "a").unlink()
    assert watch.look() == 1
    watcher.poll()
    assert watch.look() == 2


def test_what_is_followed_can_be_changed(watcher: Watcher, tmp_path: Path) -> None:
    watch = watcher.watch()
    watch.set([tmp_path / "a", tmp_path / "b"])
    watch.set([tmp_path / "b", tmp_path / "c"])
    save(tmp_path / "a")
    assert watch.poll() == 0
    save(tmp_path / "c")
    assert watch.poll() == 1
    save(tmp_path / "a")
    assert watch.poll() == 1


def test_an_edit_before_what_is_followed_is_changed_counts(watcher: Watcher, tmp_path: Path) -> None:
    watch = watcher.watch()
    watch.set([tmp_path / "a", tmp_path / "b"])
    save(tmp_path / "a")
    watch.set([tmp_path / "b"])
    assert watch.poll() == 1


def test_a_watch_that_is_gone_is_watched_no_longer(watcher: Watcher, tmp_path: Path) -> None:
    watch = watcher.watch()
    watch.add_tree(tmp_path)
    del watch
    gc.collect()
    watcher.poll()
    assert not watcher._folders and not watcher.is_looking
    save(tmp_path / "a")
    assert watcher.poll() == 0


@needs_inotify
def test_edits_that_no_look_at_the_file_would_show_are_seen(queue: Watcher, tmp_path: Path) -> None:
    """Same size, same inode, same time."""
    file = tmp_path / "a"
    file.write_text("one")
    os.utime(file, ns=(5, 5))
    watch = queue.watch()
    watch.add(file)
    file.write_text("two")
    os.utime(file, ns=(5, 5))
    assert watch.poll() == 1


@needs_inotify
def test_when_the_queue_has_overflowed_everything_counts_as_edited(queue: Watcher, tmp_path: Path) -> None:
    edited, other = queue.watch(), queue.watch()
    edited.add(tmp_path / "a")
    (tmp_path / "other").mkdir()
    other.add_tree(tmp_path / "other")
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [tmp_path / "b", tmp_path / "c"]
    for name in names:
        name.write_text("")
    for turn in range(most + 10):
        os.utime(names[turn % 2])
    save(tmp_path / "a")
    assert edited.poll() and other.version == 1
    before = other.poll()
    save(tmp_path / "other" / "b")
    assert other.poll() == before + 1


@needs_inotify
@pytest.mark.parametrize("call", ["__init__", "add"])
def test_where_the_system_has_no_more_watches_the_files_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inotify.Inotify, call, refuse)
    monkeypatch.setattr(inotify.Inotify, "__del__", lambda self: None)
    watcher = Watcher()
    watch = watcher.watch()
    watch.add_tree(tmp_path)
    assert watcher.is_looking
    save(tmp_path / "a")
    assert watch.poll() == 1


@needs_inotify
def test_a_file_system_that_others_write_to_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockforge_asgi.reload.watcher.tells_everything", lambda folder: not folder.startswith(str(tmp_path)))
    watcher = Watcher()
    watch = watcher.watch()
    watch.add(tmp_path / "a")
    assert watcher.is_looking
    save(tmp_path / "a")
    assert watch.poll() == 1


@needs_inotify
def test_the_kernels_own_file_systems_are_not_relied_on() -> None:
    assert not inotify.tells_everything("/proc")


@needs_inotify
def test_a_forked_child_leaves_its_parents_events_alone(queue: Watcher, tmp_path: Path) -> None:
    watch = queue.watch()
    watch.add(tmp_path / "a")
    save(tmp_path / "a")
    child = os.fork()
    if child == 0:
        first = watch.poll()
        save(tmp_path / "a")
        os._exit(0 if first and watch.poll() == first + 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert watch.poll() == 1


@needs_inotify
def test_no_descriptor_is_left_behind_or_inherited(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    before = count()
    watcher = Watcher()
    watch = watcher.watch()
    watch.add(tmp_path / "a")
    assert count() == before + 1
    seen = subprocess.run(
        [sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))"], capture_output=True, text=True, check=True
    )
    assert "4" not in seen.stdout
    del watch, watcher
    gc.collect()
    assert count() == before
