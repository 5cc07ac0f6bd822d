"""Text of strangers as people may read it: cut, quoted, on one line, with control characters made visible."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*\Z")
_LINE_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")
"""The user and password of a URL, which no message shows."""


def clip(text: str, most: int = 60) -> str:
    """The text on one line and no longer than `most`, with control characters made visible."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return _LINE_CONTROL.sub(lambda m: m.group().encode("unicode_escape").decode(), short)


def text_of(value: object, most: int) -> str:
    """A text, cut; anything else is named, not written out: a stranger's list of a million numbers takes long to write."""
    return value[:most] if isinstance(value, str) else quote(value, most)


def quote(value: object, most: int = 60) -> str:
    """A value as it may be shown in a message: text in quotes, anything else in the file's own words."""
    if isinstance(value, str):
        return f"'{clip(_USER.sub('…@', value), most)}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return clip(str(value), most) if not isinstance(value, int) or value.bit_length() < 200 else "a very large number"
    return "a list" if isinstance(value, list | tuple) else "a mapping" if isinstance(value, dict) else type(value).__name__


def escape(text: str) -> str:
    """The text with control characters, but for line breaks and tabs, made visible; it cannot steer a terminal."""
    return text.translate(_written()) if _CONTROL.search(text) else text  # a function called for each sign takes twenty times as long


@cache
def _written() -> dict[int, str]:
    return {ord(sign): f"\\u{ord(sign):04x}" for sign in _CONTROL.findall("".join(map(chr, range(0x10000))))}


def show_path(path: tuple[str | int, ...]) -> str:
    """`routes[0].match.path`; keys that are no plain names are quoted and cut."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.match(part):
            text += f".{clip(part)}" if text else clip(part)
        else:
            text += f"[{quote(part)}]"
    return text


def is_template(text: str) -> bool:
    """Whether a header's text has something to render in it."""
    return "{{" in text or "{%" in text or "{#" in text
