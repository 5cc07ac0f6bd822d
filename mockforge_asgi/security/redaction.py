"""Keeps secrets out of what people read: log lines, error texts, pages.

Replaces known secrets, whole or part by part, and what is a credential by its form. Of events it is the stream that asks, before anybody
hears one (`EventStream.emit`). The time that a text takes grows with its length, not with the number of secrets, whatever is in it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

import re2

from mockforge_asgi.locks import ProcessLock
from mockforge_asgi.security.secrets import Secrets

MIN_LENGTH: Final = 4
"""Shorter secrets are not looked for: they would blank out ordinary words."""
MAX_TEXT: Final = 16 * 1024
_PART_LENGTH: Final = 8
_BEGINNING: Final = 6
"""At the end of a text, which may have been cut, this many characters are taken for the beginning of a secret that begins so."""
_STEP, _HEAD = 3, 8
_HIDDEN: Final = "[redacted]"
_ESCAPES: Final = re.compile("(?:%[0-9A-Fa-f]{2})+|.", re.DOTALL)
_HALF_ESCAPE: Final = re.compile("%[0-9A-Fa-f]?\\Z")
_LATIN1 = re2.Options()
_LATIN1.encoding = re2.Options.Encoding.LATIN1
_KEY = rb"\b(?:password|passwd|secret|api_?key|access_?token|refresh_?token|id_?token|client_?secret)[\"']?\s*(?:[=!]?=|:)\s*"
_CODE = (  # in a traceback's line of source: secret("token"), os.environ["KEY"], self.key, a type
    rb"(?:[a-z_][\w.]*[(\[](?:[\"')]|[a-z_][\w.]*[(),\[\]=])|self\.\w+|(?:str|bytes|object|None)[ ]*(?:[=,)|\n]|\z))"
)
_CREDENTIAL = re2.compile(  # RE2 reads a text once, whatever the text; `re` would begin anew at each word of it
    rb"(?i)(\b(?:bearer|basic|digest|negotiate|apikey) +)[A-Za-z0-9._~+/=-]{8,}"
    rb"|(" + _KEY + _CODE + rb")|(" + _KEY + rb"[\"']?)[^\s\"'&,;}]+"
    rb"|(\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+@"
    rb"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    _LATIN1,
)


class Redactor:
    """Replaces secrets in text; knows those it was made with, and those added since. Used by several threads at once."""

    __slots__ = ("_adding", "_known")

    def __init__(self, secrets: Secrets | None = None) -> None:
        self._adding = ProcessLock()
        self._known = _Known(set())
        self.add(secrets or Secrets())

    def add(self, secrets: Secrets) -> None:
        """Hide these secrets, too."""
        with self._adding.here():
            known = self._known.spellings
            found = {*known, *(s for _, value in secrets.items() for s in _spellings(value))}
            if len(found) > len(known):
                self._known = _Known(found)

    def __call__(self, text: str) -> str:
        """The text without secrets; text beyond a bound is cut off."""
        short, known = text[:MAX_TEXT], self._known
        if known.spellings:
            short = known.without(short)
            short = known.without_escaped(short) if "%" in short else short
        data = short.encode("utf-8", "surrogatepass")
        hidden = _CREDENTIAL.sub(_hide, data)
        short = short if hidden == data else hidden.decode("utf-8", "surrogatepass")
        return short[:-_BEGINNING] + "…" if len(text) > MAX_TEXT else short  # what the cut left of a secret may be still shorter


class _Known:
    """The spellings of some secrets, ready to be found in a text; never changed."""

    __slots__ = ("_grams", "_head", "_heads", "_longest", "_prefix", "_step", "spellings")

    def __init__(self, found: set[str]) -> None:
        self.spellings, self._longest = sorted(found), max(map(len, found), default=0)
        # Only every third position of a text is looked up: at one of them begins one of the first three grams of a secret.
        shortest = min(map(len, found), default=MIN_LENGTH)
        self._step, self._head = min(_STEP, shortest - MIN_LENGTH + 1), min(_HEAD, shortest)
        self._heads = frozenset(s[: self._head] for s in found)
        self._grams: dict[str, list[int]] = {}
        for offset in reversed(range(self._step)):
            for gram in {s[offset : offset + MIN_LENGTH] for s in found}:
                self._grams.setdefault(gram, []).append(offset)
        self._prefix: dict[str, str] = {}
        """For each spelling, the longest other one that it begins with."""
        last = ""
        for spelling in self.spellings:
            while not spelling.startswith(last):
                last = self._prefix[last]
            self._prefix[spelling], last = last, spelling

    def without(self, text: str) -> str:
        """The text without secrets as they are spelled."""
        return _without(text, self._places(text))

    def without_escaped(self, text: str) -> str:
        """The text without secrets that are percent-encoded, all of their signs or some: URL encoders differ in what they leave alone."""
        found = self._places(unquote(_HALF_ESCAPE.sub("", text), errors="surrogateescape"))
        if not found:
            return text
        at = [0]  # where each sign of the decoded text begins in the text
        for piece in _ESCAPES.finditer(text):
            for sign in unquote(piece[0], errors="surrogateescape"):
                at.append(at[-1] + (3 * len(sign.encode("utf-8", "surrogateescape")) if len(piece[0]) > 1 else 1))
        return _without(text, [(at[begin], at[end]) for begin, end in found])

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Where secrets begin and end, one after the other."""
        found, at, grams = list[tuple[int, int]](), 0, self._grams
        for place in [n for n in range(0, len(text) - MIN_LENGTH + 1, self._step) if text[n : n + MIN_LENGTH] in grams]:
            for offset in grams[text[place : place + MIN_LENGTH]]:
                begin = place - offset
                head = text[begin : begin + self._head]
                if begin >= at and (head in self._heads or len(head) < self._head) and (length := self._known_at(text, begin)):
                    at = begin + length
                    found.append((begin, at))
        return found

    def _known_at(self, text: str, begin: int) -> int:
        """The length of the longest secret that begins there; of its beginning, if the text ends in it: somebody cut it."""
        rest = text[begin : begin + self._longest]
        at = bisect_right(self.spellings, rest)
        found = self.spellings[at - 1] if at else ""
        while not rest.startswith(found):
            found = self._prefix[found]
        is_cut = len(text) - begin == len(rest) >= _BEGINNING and any(s.startswith(rest) for s in self.spellings[at : at + 1])
        return len(rest if is_cut else found)


def _without(text: str, places: list[tuple[int, int]]) -> str:
    ends, begins = (0, *(end for _, end in places)), (*(begin for begin, _ in places), len(text))
    return _HIDDEN.join(text[end:begin] for end, begin in zip(ends, begins, strict=True)) if places else text


def _hide(match: Any) -> bytes:
    if code := match[2]:
        return bytes(code)
    url = match[4]
    return (url or match[3] or match[1] or b"") + _HIDDEN.encode() + (b"@" if url else b"")


def _spellings(value: str) -> Iterator[str]:
    """A secret as it may turn up: plain, escaped for JSON, Python or HTML, with a plus for each space as in a form, its bytes read as
    Latin-1, in hex, in base64 of its own or of a longer text; its parts, plain."""
    whole = value.strip()
    if len(whole) < MIN_LENGTH:
        return
    data = whole.encode("utf-8", "surrogatepass")
    yield from (whole, json.dumps(whole)[1:-1], json.dumps(whole, ensure_ascii=False)[1:-1])
    quotes = "'\""  # with both in it, Python escapes the one and not the other
    yield from (repr(whole + quotes)[1:-4], ascii(whole + quotes)[1:-4], repr(data + quotes.encode())[2:-4])
    yield from (html.escape(whole), whole.replace(" ", "+"), data.decode("latin-1"))
    yield from (part for part in re.split(r"[\s,;|\"'\[\]{}:=]+", whole) if len(part) >= _PART_LENGTH)
    if len(data) >= _PART_LENGTH:
        yield from (data.hex(), data.hex().upper())
        for before in range(3):  # what shows of these bytes in the base64 of a longer text, wherever in it they begin
            first, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            packed = base64.b64encode(bytes(before) + data)[first:end].decode()
            yield from (packed, packed.translate(_URL_SAFE))


_URL_SAFE: Final = str.maketrans("+/", "-_")
