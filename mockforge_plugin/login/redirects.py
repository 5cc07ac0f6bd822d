"""Where a browser may be sent after a login: paths on this origin, and nothing that could be read as another one."""

from __future__ import annotations

import re
from typing import Final

MAX_PATH: Final = 1024
"""The most characters of a path to return to; it travels in a cookie."""

_LOCAL: Final = re.compile(r"/(?![/%])[!-\[\]-~]*|/%(?!2[fF]|5[cC])[!-\[\]-~]*")
"""A path in the characters of URIs: no blanks, control characters or backslashes, which browsers read in ways of their own."""
_CONTROLS: Final = re.compile(r"%(?:[01][0-9a-fA-F]|7[fF])")


def local_path(target: str | None, default: str = "/") -> str:
    """The path with its query if it stays on this origin, else the default.

    Refused are whole URLs, `//host`, `/\\host`, control characters (percent-encoded ones too), and more than `MAX_PATH` characters.
    """
    if target is None or len(target) > MAX_PATH or _LOCAL.fullmatch(target) is None or _CONTROLS.search(target):
        return default
    return default if "//" in re.split("[?#]", target, maxsplit=1)[0] else target
