"""Keeps secrets out of what people read: log lines, error texts, pages.

Replaces known secret values in any of their usual spellings, and what is a credential by its form.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from mockforge_asgi.security.secrets import Secrets

MIN_LENGTH: Final = 4
"""Shorter secrets are not looked for: they would blank out ordinary words."""
MAX_TEXT: Final = 64 * 1024
_PART_LENGTH: Final = 8
_BEGINNING: Final = 6
"""So many characters of a secret at the end of a text are taken for its beginning."""
_HIDDEN: Final = "[redacted]"
_ESCAPE: Final = re.compile("%[0-9A-F]{2}")
SENSITIVE_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token", "authentication-info"}
)
_CREDENTIAL = re.compile(
    r"(?P<scheme>\b(?:bearer|basic|digest|negotiate|apikey)[ ]{1,4})[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<key>\b(?:password|passwd|secret|api_?key|access_?token|refresh_?token|id_?token|client_?secret)[\"']?\s{0,4}[=:]\s{0,4}[\"']?)"
    r"[^\s\"'&,;}]{1,4096}"
    r"|(?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:)[^\s/@]{1,200}(?=@)"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    re.IGNORECASE,
)


class Redactor:
    """Replaces secrets in text. Made once from the operator's secrets; safe to share."""

    __slots__ = ("_beginnings", "_known", "_lengths", "_longest", "_sorted")

    def __init__(self, secrets: Secrets | None = None) -> None:
        self._known = frozenset(s for _, value in (secrets.items() if secrets else ()) for s in _spellings(value))
        self._sorted, self._longest = sorted(self._known), max(map(len, self._known), default=0)
        self._beginnings = frozenset(s[:_BEGINNING] for s in self._known)
        lengths: dict[str, set[int]] = {}
        for spelling in self._known:
            lengths.setdefault(spelling[:MIN_LENGTH], set()).add(len(spelling))
        self._lengths = {head: sorted(found, reverse=True) for head, found in lengths.items()}

    def __call__(self, text: str) -> str:
        """The text without secrets; text beyond a bound is cut off."""
        # A secret that a cut goes through is not seen, and its beginning would stay: the last of them is never shown.
        short = text[: MAX_TEXT + self._longest]
        short = _CREDENTIAL.sub(_hide, self._without_known(short))
        if len(text) > MAX_TEXT:
            return short[: max(0, min(MAX_TEXT, len(short) - self._longest))] + "…"
        return self._without_beginning(short)

    def _without_known(self, text: str) -> str:
        """The text without the secrets. A key is found in hundreds of spellings: only where one could begin are they looked up."""
        kept, at = list[str](), 0
        for i in _places(text, self._lengths, MIN_LENGTH):
            lengths = self._lengths[text[i : i + MIN_LENGTH]] if i >= at else ()
            if length := next((n for n in lengths if text[i : i + n] in self._known), 0):
                kept += text[at:i], _HIDDEN
                at = i + length
        return "".join((*kept, text[at:])) if kept else text

    def _without_beginning(self, text: str) -> str:
        """The text without a secret's beginning at its end, where somebody cut it before."""
        for i in _places(text, self._beginnings, _BEGINNING, max(0, len(text) - self._longest)):
            at = bisect_left(self._sorted, text[i:])
            if at < len(self._sorted) and self._sorted[at].startswith(text[i:]):
                return text[:i] + _HIDDEN
        return text

    def headers(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Header pairs with the values of credentials hidden."""
        return [(name, _HIDDEN if name.lower() in SENSITIVE_HEADERS else self(value)) for name, value in pairs]

    def __repr__(self) -> str:
        return "Redactor()"


def redactor(secrets: Secrets) -> Redactor:
    """The redactor for those secrets."""
    return Redactor(secrets)


def _places(text: str, heads: Collection[str], size: int, start: int = 0) -> list[int]:
    """Where in the text one of the heads begins."""
    return [i for i in range(start, len(text) - size + 1) if text[i : i + size] in heads] if heads else []


def _hide(match: re.Match[str]) -> str:
    kept = match["scheme"] or match["key"] or match["url"] or ""
    return f"{kept}{_HIDDEN}"


def _spellings(value: str) -> Iterator[str]:
    """A secret and its parts as they may turn up: plain, escaped for JSON, in a URL, in hex, in base64 of their own or of a longer text."""
    whole = value.strip()
    parts = {whole} | {p for p in re.split(r"[\s,;|\"'\[\]{}:=]+", whole) if len(p) >= _PART_LENGTH}
    for text in parts:
        if len(text) < MIN_LENGTH:
            continue
        data = text.encode("utf-8", "surrogatepass")
        yield from (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
        for quoted in (
            quote(text, safe="", errors="replace"),
            quote_plus(text, errors="replace"),
            "".join(f"%{byte:02X}" for byte in data),
        ):
            yield from (quoted, _ESCAPE.sub(lambda found: found[0].lower(), quoted))
        if len(text) >= _PART_LENGTH:
            yield from (data.hex(), data.hex().upper())
            yield from (base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("="))
            yield from _inside_base64(data)


def _inside_base64(data: bytes) -> Iterator[str]:
    """What of these bytes shows in the base64 of a longer text, wherever in it they begin."""
    for before in range(3):
        first, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        if end - first >= _PART_LENGTH:
            yield base64.b64encode(bytes(before) + data).decode()[first:end]
            yield base64.urlsafe_b64encode(bytes(before) + data).decode()[first:end]
