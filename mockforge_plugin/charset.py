"""Which charset the bytes of a body are in: its byte order mark tells, else what the client declared, else it is UTF-8.

The host and every kit read bodies by these rules. Of charsets there are few, the same in all languages; any other is refused.
"""

from __future__ import annotations

import re

_DECLARED = re.compile(r';[ \t]*charset[ \t]*=[ \t]*"?([^\s;"]+)', re.ASCII | re.IGNORECASE)
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "utf-16": "utf-16-be",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
}
"""Charsets by the names that clients write, in lower case (UTF-16 without a mark is big-endian, RFC 2781 §4.3)."""


def decoded(data: bytes, content_type: str = "", *, errors: str = "strict") -> str:
    """The text of a body. Raises: ValueError for a charset that is not read here; UnicodeDecodeError."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, errors)
    declared = _DECLARED.search(content_type)
    if declared is None:
        return data.decode("utf-8", errors)
    charset = declared.group(1).lower()
    if charset not in _CODECS:
        raise ValueError(f"in the charset '{charset[:40]}', which is not read here: {', '.join(_CODECS)} are")
    return data.decode(_CODECS[charset], errors)


def decoded_json(data: bytes, content_type: str = "") -> str:
    """The text of a JSON body: UTF-16 is known by its zeros, since JSON begins with ASCII (RFC 4627 §3). Raises: see `decoded`."""
    if 0 in data[:2]:
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le")
    return data.decode("ascii") if data.isascii() else decoded(data, content_type)
