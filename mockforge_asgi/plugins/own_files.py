"""The file door: a plugin's own files, read-only, below its folder and nowhere else."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import DoorError
from mockforge_asgi.plugins import payload as read

MAX_FILE_BYTES = 4 * 1024 * 1024


class OwnFiles:
    """The readable files below `root`: those that one of the globs names (None: all). Without a root there are none."""

    __slots__ = ("_globs", "_root")

    def __init__(self, root: Path | None, allowed: Collection[str] | None) -> None:
        self._root = root
        self._globs = None if allowed is None else tuple(glob.removeprefix("./") for glob in allowed)

    def read(self, payload: Mapping[str, Json]) -> Json:
        """Answer a `file.read`; blocks on the disk. Raises DoorError."""
        path = read.text(payload, "path", max_chars=1024)
        parts = path.removeprefix("./").split("/")
        if "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts):
            raise DoorError("invalid_input", "`path` is a relative path with `/` between its parts and without `..`")
        if self._globs is not None and not any(fnmatchcase("/".join(parts), glob) for glob in self._globs):
            raise DoorError("denied", f"the file {path!r} is not among those granted to this plugin")
        if self._root is None:
            raise DoorError("not_found", "this plugin has no folder")
        try:
            return {"base64": base64.b64encode(_contents(self._root, parts)).decode("ascii")}
        except FileNotFoundError:
            raise DoorError("not_found", f"there is no file {path!r} in the plugin's folder") from None
        except (OSError, ValueError):  # among them: a symbolic link on the way
            raise DoorError("denied", f"{path!r} is not a plain file in the plugin's folder") from None


def _contents(root: Path, parts: list[str]) -> bytes:
    """The file's bytes, opened part by part without following a link."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("no plain file")
        if about.st_size > MAX_FILE_BYTES:
            raise DoorError("limit", f"the file has {about.st_size} bytes; at most {MAX_FILE_BYTES} can be read")
        with open(file, "rb", closefd=False) as opened:
            return opened.read(MAX_FILE_BYTES)
    finally:
        os.close(file)
