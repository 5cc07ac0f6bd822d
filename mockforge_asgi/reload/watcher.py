"""The one watcher of files: configuration, plugins and templates each hold a `Watch` on theirs, whose version goes up with every edit.

On Linux the kernel queues an event at the moment of a change (`inotify.py`), and `poll` reads the queue without waiting: what was saved
before a request counts for it, and a request after no edit costs one system call. Folders are watched, not files, each on the way from the
root to the file, links included: an editor that renames a new file into place, a folder that is moved, made later or deleted and made
again, and a link that is turned round are seen like a write. Where inotify is missing, has no more watches, or does not hear of all changes
(a network's file system, one shared with a host), the files are looked at instead (`stamps.py`).
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mockforge_asgi.reload.inotify import CONTENT, IGNORED, NAMES, OVERFLOW, Inotify, events, tells_everything
from mockforge_asgi.reload.stamps import MAX_DEPTH, LeavesOut, Stamp, file_stamp, tree_stamp
from mockforge_asgi.reload.steps import steps

MAX_FOLDERS: Final = 4096
"""The most folders of one tree that are watched; a larger one is looked at."""
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_ANY: Final = "/"
"""Stands for every name in a folder."""

Path: TypeAlias = "str | os.PathLike[str]"


def _nothing(name: str) -> bool:
    return False


class Watch:
    """What one subscriber follows, for as long as this object lives. Subscribe first, then read the files, and again after each edit."""

    __slots__ = ("__weakref__", "_key", "_watcher", "paths", "version")

    def __init__(self, watcher: Watcher, key: int) -> None:
        self._watcher, self._key = watcher, key
        self.paths: dict[str, LeavesOut | None] = {}
        """With what is left out below a folder; None for a single file."""
        self.version = 0

    def add(self, path: Path) -> None:
        """Follow a file, which need not be there yet."""
        self._watcher._follow(self, os.path.abspath(path), None)

    def add_tree(self, path: Path, leaves_out: LeavesOut = _nothing) -> None:
        """Follow a file, or everything below a folder but names that are left out; it need not be there yet."""
        self._watcher._follow(self, os.path.abspath(path), leaves_out)

    def set(self, paths: Iterable[Path]) -> None:
        """Follow these files, and no others any more."""
        self._watcher._follow_only(self, [os.path.abspath(path) for path in paths])

    def poll(self) -> int:
        """The version after every edit up to now."""
        self._watcher.poll()
        return self.version

    def look(self) -> int:
        """The version after every edit that was there when the request came: polled for, unless whoever took the request has done so."""
        self._watcher.look()
        return self.version

    def __del__(self) -> None:
        self._watcher._ended.append(self._key)


@dataclass(slots=True)
class _Folder:
    """One folder (or file with several names) that the kernel watches: which subscribers are interested in which of its names."""

    mask: int = 0
    names: dict[str, set[int]] = field(default_factory=dict)


class Watcher:
    """Makes watches. `uses_inotify=False` looks at the files instead, as it does wherever inotify cannot be relied on."""

    def __init__(self, *, uses_inotify: bool = True) -> None:
        self._uses_inotify = uses_inotify
        self._inotify: Inotify | None = None
        self._lock = threading.RLock()
        self._watches: weakref.WeakValueDictionary[int, Watch] = weakref.WeakValueDictionary()
        self._ended: deque[int] = deque()
        """Keys of watches that are gone; told by the garbage collector at any moment, so only noted."""
        self._folders: dict[int, _Folder] = {}
        self._looked_at: dict[int, dict[tuple[str, LeavesOut | None], Stamp]] = {}
        self._next_key = 0
        self.is_polled_before = False
        """Whether it is polled before each request is handed to those who `look`."""
        self.version = 0
        """Goes up with every edit of anything watched."""

    def watch(self) -> Watch:
        """A watch on nothing yet."""
        with self._lock:
            self._next_key += 1
            made = self._watches[self._next_key] = Watch(self, self._next_key)
        return made

    @property
    def is_looking(self) -> bool:
        """Whether some files must be looked at one by one at each `poll`."""
        return bool(self._looked_at)

    def poll(self) -> int:
        """Take note of every edit up to now; gives `version`."""
        with self._lock:
            queue, edited = self._inotify, {}
            if queue is not None and queue.pid != os.getpid():  # a forked child shares its parent's queue: it makes its own
                self._inotify, self._folders, queue = None, {}, None
                edited = dict.fromkeys(self._watches, True)
            records = queue.read() if queue is not None else b""
            if records or edited or self._looked_at or self._ended:
                self._note(records, edited)
        return self.version

    def look(self) -> int:
        """`version` after every edit that was there when the request came."""
        return self.version if self.is_polled_before else self.poll()

    def _note(self, records: bytes, edited: dict[int, bool]) -> None:
        while self._ended:
            self._forget(self._ended.popleft())
        queue = self._inotify
        while records and queue is not None:
            for number, mask, name in events(records):
                self._sort(number, mask, name, edited)
            records = queue.read()
        for key, seen in self._looked_at.items():
            if any(_stamp(*path) != stamp for path, stamp in seen.items()):
                edited[key] = True
        for key, is_moved in edited.items():
            if (watch := self._watches.get(key)) is not None:
                watch.version += 1
                self.version += 1
                if is_moved:
                    self._arm(watch)

    def _sort(self, number: int, mask: int, name: str, edited: dict[int, bool]) -> None:
        """Note whom an event concerns, and whether what must be watched may be different now."""
        if mask & OVERFLOW:
            edited.update(dict.fromkeys(self._watches, True))
            return
        folder = self._folders.get(number)
        if folder is None:
            return
        is_moved = bool(mask & (NAMES | IGNORED))
        if mask & IGNORED:
            del self._folders[number]
        for key in set().union(*folder.names.values()) if not name else folder.names.get(name, ()):
            edited[key] = edited.get(key, False) or is_moved
        for key in folder.names.get(_ANY, ()) if name else ():
            if (watch := self._watches.get(key)) is not None and not _is_left_out(watch, name):
                edited[key] = edited.get(key, False) or is_moved

    def _follow(self, watch: Watch, path: str, leaves_out: LeavesOut | None) -> None:
        with self._lock:
            if path not in watch.paths:
                self.poll()  # what is queued by now is not an edit of this path
                watch.paths[path] = leaves_out
                self._arm_path(watch, path, leaves_out, {})

    def _follow_only(self, watch: Watch, paths: list[str]) -> None:
        with self._lock:
            if gone := watch.paths.keys() - set(paths):
                self.poll()  # what is queued by now is an edit of what was followed
                watch.paths = {path: leaves_out for path, leaves_out in watch.paths.items() if path not in gone}
                self._arm(watch)
            for path in paths:
                self._follow(watch, path, None)

    def _arm(self, watch: Watch) -> None:
        """Watch anew what the watch's paths lead over now."""
        key = watch._key
        before = {number for number, folder in self._folders.items() if any(key in keys for keys in folder.names.values())}
        for number in before:
            _drop(self._folders[number], key)
        self._looked_at.pop(key, None)
        known: dict[str, int] = {}
        for path, leaves_out in watch.paths.items():
            self._arm_path(watch, path, leaves_out, known)
        self._release(before)

    def _forget(self, key: int) -> None:
        self._looked_at.pop(key, None)
        touched = {number for number, folder in self._folders.items() if _drop(folder, key)}
        self._release(touched)

    def _release(self, numbers: set[int]) -> None:
        for number in numbers:
            if number in self._folders and not self._folders[number].names:
                del self._folders[number]
                if self._inotify is not None:
                    self._inotify.remove(number)

    def _arm_path(self, watch: Watch, path: str, leaves_out: LeavesOut | None, known: dict[str, int]) -> None:
        try:
            if not self._uses_inotify:
                raise OSError(errno.ENOSYS, "not wanted")
            self._arm_steps(watch, path, leaves_out, known)
        except OSError:
            self._look_at(watch, path, leaves_out)

    def _arm_steps(self, watch: Watch, path: str, leaves_out: LeavesOut | None, known: dict[str, int]) -> None:
        folder = name = "/"
        for folder, name in steps(path):
            try:
                self._interest(watch, folder, name, NAMES, known)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM):
                    raise
                self._look_at(watch, os.path.join(folder, name), None)  # may be passed through, not listed
        if leaves_out is not None and os.path.isdir(path):
            self._arm_tree(watch, os.path.realpath(path), leaves_out, known)
            return
        self._interest(watch, folder, name, CONTENT, known)
        self._arm_other_names(watch, os.path.join(folder, name))

    def _arm_tree(self, watch: Watch, root: str, leaves_out: LeavesOut, known: dict[str, int]) -> None:
        todo, count = [(root, 0)], 0
        while todo:
            folder, depth = todo.pop()
            count += 1
            if count > MAX_FOLDERS:
                raise OSError(errno.ENOSPC, "too many folders")
            try:
                self._interest(watch, folder, _ANY, CONTENT, known)
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if leaves_out(entry.name):
                            continue
                        if depth < MAX_DEPTH and entry.is_dir(follow_symlinks=False):
                            todo.append((entry.path, depth + 1))
                        elif not entry.is_dir(follow_symlinks=False):
                            self._arm_other_names(watch, entry.path)
            except OSError as error:
                if error.errno not in _NOT_THERE:  # gone meanwhile: that is an event of the folder above
                    raise

    def _arm_other_names(self, watch: Watch, file: str) -> None:
        """A file with several names may be written to by another: that is told of the file alone."""
        try:
            if os.lstat(file).st_nlink > 1:
                self._interest(watch, file, "", CONTENT, {})
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise

    def _interest(self, watch: Watch, folder: str, name: str, mask: int, known: dict[str, int]) -> None:
        number = known.get(folder)
        if number is None or self._folders[number].mask & mask != mask:
            if number is None and not tells_everything(folder):
                raise OSError(errno.ENOTSUP, "not every change is told")
            if self._inotify is None:
                self._inotify = Inotify()
            number = known[folder] = self._inotify.add(folder, mask)
            self._folders.setdefault(number, _Folder()).mask |= mask
        self._folders[number].names.setdefault(name, set()).add(watch._key)

    def _look_at(self, watch: Watch, path: str, leaves_out: LeavesOut | None) -> None:
        self._looked_at.setdefault(watch._key, {})[path, leaves_out] = _stamp(path, leaves_out)


def _stamp(path: str, leaves_out: LeavesOut | None) -> Stamp:
    return file_stamp(path) if leaves_out is None else tree_stamp(path, leaves_out)


def _is_left_out(watch: Watch, name: str) -> bool:
    return all(leaves_out is None or leaves_out(name) for leaves_out in watch.paths.values())


def _drop(folder: _Folder, key: int) -> bool:
    """Take a subscriber out; gives whether it was there."""
    was_there = False
    for name, keys in list(folder.names.items()):
        was_there = was_there or key in keys
        keys.discard(key)
        if not keys:
            del folder.names[name]
    return was_there
