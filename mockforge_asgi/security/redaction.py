"""Keeps secrets out of what people read: log lines, error texts, pages.

Replaces known secret values in any of their usual spellings, and what is a credential by its form.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from mockforge_asgi.security.secrets import Secrets

MIN_LENGTH: Final = 4
"""Shorter secrets are not looked for: they would blank out ordinary words."""
MAX_TEXT: Final = 64 * 1024
_PART_LENGTH: Final = 8
_HIDDEN: Final = "[redacted]"
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

    __slots__ = ("_known", "_longest")

    def __init__(self, secrets: Secrets | None = None) -> None:
        spellings = sorted({s for _, value in (secrets.items() if secrets else ()) for s in _spellings(value)}, key=len, reverse=True)
        self._longest = len(spellings[0]) if spellings else 0
        self._known = re.compile("|".join(map(re.escape, spellings))) if spellings else None

    def __call__(self, text: str) -> str:
        """The text without secrets; text beyond a bound is cut off."""
        # A secret that a cut goes through is not seen, and its beginning would stay: the last of them is never shown.
        short = text[: MAX_TEXT + self._longest]
        if self._known is not None:
            short = self._known.sub(_HIDDEN, short)
        short = _CREDENTIAL.sub(_hide, short)
        return short if len(text) <= MAX_TEXT else short[: min(MAX_TEXT, len(short) - self._longest)] + "…"

    def headers(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Header pairs with the values of credentials hidden."""
        return [(name, _HIDDEN if name.lower() in SENSITIVE_HEADERS else self(value)) for name, value in pairs]

    def __repr__(self) -> str:
        return "Redactor()"


def redactor(secrets: Secrets) -> Redactor:
    """The redactor for those secrets."""
    return Redactor(secrets)


def _hide(match: re.Match[str]) -> str:
    kept = match["scheme"] or match["key"] or match["url"] or ""
    return f"{kept}{_HIDDEN}"


def _spellings(value: str) -> Iterator[str]:
    """A secret and its parts as they may turn up: plain, escaped for JSON, in a URL, in base64."""
    whole = value.strip()
    parts = {whole} | {p for p in re.split(r"[\s,;|\"'\[\]{}:=]+", whole) if len(p) >= _PART_LENGTH}
    for text in parts:
        if len(text) < MIN_LENGTH:
            continue
        data = text.encode("utf-8", "surrogatepass")
        yield from (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
        yield from (quote(text, safe="", errors="replace"), quote_plus(text, errors="replace"))
        if len(text) >= _PART_LENGTH:
            yield from (base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("="))
