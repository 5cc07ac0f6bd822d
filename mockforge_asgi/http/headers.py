"""Which headers may leave: bytes that are safe on the wire, names that are ours, names a guest needs a grant for.

`wire_headers` is for responses of the operator, `GuestHeaders` for those of plugins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar
from urllib.parse import quote

from mockforge_asgi.types import Headers

OURS: Final = frozenset(
    b"""connection content-length keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding
    upgrade""".split()
)
"""Framing and hop-by-hop headers (RFC 9110 §7.6.1): always the server's and ours, silently left out of any response."""

RESTRICTED: Final = frozenset(
    b"""strict-transport-security content-security-policy content-security-policy-report-only clear-site-data service-worker-allowed
    alt-svc nel report-to reporting-endpoints expect-ct public-key-pins public-key-pins-report-only accept-ch accept-ch-lifetime critical-ch
    use-as-dictionary idp-signin-status origin-agent-cluster observe-browsing-topics activate-storage-access shared-storage-write
    supports-loading-mode speculation-rules x-lighttpd-send-file""".split()
)
"""Headers that act on the whole origin, its browsers or the proxy in front: a guest sets them only under a grant."""

RESTRICTED_PREFIXES: Final = (
    b"access-control-", b"set-", b"sec-", b"secure-session-", b"attribution-reporting-",
    b"x-accel-", b"x-sendfile", b"x-reproxy-", b"x-litespeed-", b"x-envoy-",
)  # fmt: skip
"""Families of restricted headers: of browsers (`Set-Cookie`, `Set-Login`, `Sec-Session-Registration`, ...), then of proxies."""

OF_CONTENT: Final = frozenset({b"content-digest", b"content-encoding", b"content-md5", b"digest", b"repr-digest"})
"""What holds for the very bytes of a body alone (RFC 9110 §8.4, RFC 9530): with another body it would make clients refuse it."""

ADDRESSES: Final = frozenset({"location", "content-location"})
"""Headers whose whole value is a URI reference (RFC 3986): characters that it has not are percent-encoded, as UTF-8."""

SENSITIVE_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token", "authentication-info"}
)
"""Headers whose values are credentials (lower-case names)."""

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_NO_URI = re.compile(r"[^\x00-\x7f]+|[ \"<>\\^`{|}]+")


class BadHeader(ValueError):
    """A header that must not be sent: bytes that would forge another header or message (RFC 9110 §5.5)."""


def wire_header(name: str | bytes, value: str | bytes) -> tuple[bytes, bytes]:
    """One header as ASGI carries it, lower-case name, trimmed value. Raises BadHeader."""
    try:
        key = name.encode("ascii") if isinstance(name, str) else name
        if isinstance(name, str) and isinstance(value, str) and name.lower() in ADDRESSES:
            value = uri_reference(value)
        data = value.encode("latin-1") if isinstance(value, str) else value
    except UnicodeEncodeError:
        raise BadHeader(f"header {name!r} holds characters that HTTP cannot carry; percent-encode them") from None
    if not _NAME.fullmatch(key):
        raise BadHeader(f"header name {name!r} is not a token (RFC 9110 §5.6.2)")
    if not _VALUE.fullmatch(data):
        raise BadHeader(f"header {name!r} has a line break or control character in its value")
    return key.lower(), data.strip(b" \t")


def uri_reference(text: str) -> str:
    """An address with what RFC 3986 has no characters for percent-encoded; what is encoded stays. Line breaks are left to be refused."""
    return _NO_URI.sub(lambda found: quote(found[0], errors="strict"), text.strip(" \t"))


def wire_headers(items: Mapping[str, str] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers fit to be sent, without those that are ours. Raises BadHeader."""
    if not items:
        return ()
    pairs: Iterable[tuple[str | bytes, str | bytes]]
    pairs = items if isinstance(items, tuple | list) or not isinstance(items, Mapping) else items.items()
    kept: list[tuple[bytes, bytes]] = []
    for name, value in pairs:
        if isinstance(name, bytes) and isinstance(value, bytes) and (sent := _known.get(name)) and _VALUE.fullmatch(value):
            kept.append((sent, value.strip(b" \t")))
        elif (pair := wire_header(name, value))[0] not in OURS:
            kept.append(pair)
            if isinstance(name, bytes):
                remember(_known, name, pair[0])
    return tuple(kept)


_MAX_KNOWN: Final = 1024
_MAX_KNOWN_LENGTH: Final = 64
_known: dict[bytes, bytes] = {}
"""Names of headers that were sent before, and how they are sent."""

N = TypeVar("N", str, bytes)
T = TypeVar("T")


def remember(known: dict[N, T], name: N, what: T) -> None:
    """Keep what is known of a header's name; bounded in number and length, since clients, plugins and apps choose names."""
    if len(name) <= _MAX_KNOWN_LENGTH:
        if len(known) >= _MAX_KNOWN:
            known.clear()
        known[name] = what


def is_restricted(name: bytes) -> bool:
    """Whether a guest needs a grant to set that (lower-case) header."""
    return name in RESTRICTED or name.startswith(RESTRICTED_PREFIXES)


MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 16 * 1024


class GuestHeaders:
    """Checks the headers of one plugin's responses; `granted` are the restricted names (lower-case) that it may set."""

    __slots__ = ("_allowed", "granted")

    def __init__(self, granted: frozenset[str] = frozenset()) -> None:
        self.granted = granted
        self._allowed: dict[str, bytes] = {}
        """Names that it set before and may set, and how they are sent."""

    def read(self, value: object) -> tuple[Headers, list[str]]:
        """A list of [name, value] pairs without ours and without those that lack a grant, and the names of the latter. Raises BadHeader."""
        if not isinstance(value, list) or len(value) > MAX_HEADERS:
            raise BadHeader(f"'headers' that is not a list of at most {MAX_HEADERS} pairs")
        kept: list[tuple[bytes, bytes]] = []
        denied: list[str] = []
        left, known = MAX_HEADER_BYTES, self._allowed
        for item in value:
            if not isinstance(item, list) or len(item) != 2:
                raise BadHeader("a header that is not a [name, value] pair of strings")
            name, text = item
            if not isinstance(name, str) or not isinstance(text, str):
                raise BadHeader("a header that is not a [name, value] pair of strings")
            if (left := left - len(name) - len(text)) < 0:
                raise BadHeader(f"more than {MAX_HEADER_BYTES} bytes of headers")
            sent = known.get(name)
            if sent is not None and text.isascii() and text.isprintable():
                kept.append((sent, text.strip(" ").encode()))
                continue
            pair = wire_header(name, text)
            lowered = pair[0].decode("ascii")
            if is_restricted(pair[0]) and lowered not in self.granted:
                denied.append(lowered)
            elif pair[0] not in OURS:
                kept.append(pair)
                if lowered not in ADDRESSES:  # their values are changed
                    remember(known, name, pair[0])
        return tuple(kept), denied

    def usual(self, pairs: object, most_chars: int) -> Headers | None:
        """What `read` gives for a tuple or list of pairs, where it is quickly told: for names that it has read before, and values of plain
        characters. None says nothing of them."""
        kept: list[tuple[bytes, bytes]] = []
        known = self._allowed
        if (type(pairs) is not tuple and type(pairs) is not list) or len(pairs) > MAX_HEADERS:
            return None
        for pair in pairs:
            if (type(pair) is not tuple and type(pair) is not list) or len(pair) != 2:
                return None
            name, text = pair
            if type(name) is not str or type(text) is not str or (sent := known.get(name)) is None:
                return None
            if not text.isascii() or not text.isprintable() or (most_chars := most_chars - len(name) - len(text)) < 0:
                return None
            kept.append((sent, text.strip(" ").encode()))
        return tuple(kept)


def with_headers(headers: Iterable[tuple[bytes, bytes]], extra: Headers) -> list[tuple[bytes, bytes]]:
    """The headers with `extra` set: each replaces its namesakes, but cookies, challenges and `Vary` are added."""
    replaced = {name for name, _ in extra} - {b"set-cookie", b"vary", b"www-authenticate", b"link"}
    return [*(pair for pair in headers if pair[0].lower() not in replaced), *extra]
