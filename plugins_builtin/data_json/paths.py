"""Where in a document the rows are: JSONPath (RFC 9535). A plain path is followed in a stream, others over the whole document."""

from __future__ import annotations

import re
from typing import Any, Final

import jsonpath_rfc9535

from mockforge_plugin.engines.tables.sheets import BadFile

_PLAIN: Final = re.compile(r"\$(?:\.[^\W\d][\w-]*)*\[\*\]")
_NAME: Final = re.compile(r"\.([^\W\d][\w-]*)")


def prefix_of(path: str) -> str | None:
    """What ijson calls the place of `$.a.b[*]`; None for other paths."""
    if not _PLAIN.fullmatch(path):
        return None
    return ".".join([*_NAME.findall(path), "item"])


def selected(path: str, document: Any) -> list[Any]:
    """The values at a path. Raises BadFile for what is no JSONPath."""
    try:
        return list(jsonpath_rfc9535.find(path, document).values())
    except jsonpath_rfc9535.JSONPathError as error:
        raise BadFile(f"`rows: {path}` is no JSONPath of RFC 9535: {str(error).splitlines()[0]}") from None
