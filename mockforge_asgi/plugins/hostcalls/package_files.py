"""The host call `file.read`: a plugin's own files, read-only, as its package holds them.

The files are those that the package's digest saw; no path of the disk is ever opened for a guest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fnmatch import translate

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.plugins.hostcalls import payload as read

MAX_FILE_BYTES = 4 * 1024 * 1024


class PackageFiles:
    """The files of a package by their path; readable are those that one of the globs names (None: all)."""

    __slots__ = ("_files", "_globs")

    def __init__(self, files: Mapping[str, bytes], allowed: Collection[str] | None) -> None:
        self._files = files
        self._globs = None if allowed is None else re.compile("|".join(translate(glob.removeprefix("./")) for glob in allowed) or "(?!)")

    def read(self, payload: Mapping[str, Json]) -> bytes:
        """The file that a `file.read` asks for. Raises HostCallError."""
        path = read.text(payload, "path", max_chars=1024).removeprefix("./")
        if "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
            raise HostCallError("invalid_input", "`path` is a relative path with `/` between its parts and without `..`")
        if self._globs is not None and not self._globs.match(path):
            raise HostCallError("denied", f"the file {path!r} is not among those granted to this plugin")
        data = self._files.get(path)
        if data is None:
            raise HostCallError("not_found", f"there is no file {path!r} in the plugin's folder")
        if len(data) > MAX_FILE_BYTES:
            raise HostCallError("limit", f"the file has {len(data)} bytes; at most {MAX_FILE_BYTES} can be read")
        return data
