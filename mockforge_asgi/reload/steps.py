"""The way from the root to a file: each folder and the name that is looked up in it, symbolic links followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Final

MAX_LINKS: Final = 40
"""The most symbolic links that are followed on the way to one file, as many as Linux follows."""


def steps(path: str) -> Iterator[tuple[str, str]]:
    """(folder, name) of each look-up on the way to a path, links followed; ends where there is nothing further."""
    at, links = "/", 0
    todo = [part for part in reversed(path.split("/")) if part]
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        yield at, name
        inner = os.path.join(at, name)
        try:
            target = os.readlink(inner)
        except OSError as error:
            if error.errno != errno.EINVAL:  # nothing is there
                return
            at = inner
            continue
        links += 1
        if links > MAX_LINKS:
            return
        at = "/" if target.startswith("/") else at
        todo += reversed(target.split("/"))
