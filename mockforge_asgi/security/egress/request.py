"""What a plugin asks the network for, read strictly: method, URL, headers, body; and what is asked for after a redirect.

Only the reading; whether the place may be reached is decided in `security/egress/client.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import quote, urljoin

from mockforge_asgi.config.hosts import canonical_host
from mockforge_asgi.contract.codec import NotABody, body_bytes
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.exact_json import Json

Pair: TypeAlias = tuple[str, str]

MAX_URL = 8192
MAX_HEADERS = 64
MAX_HEADER_BYTES = 16 * 1024
PORTS = {"http": 80, "https": 443}

_METHOD = re.compile(r"[A-Z][A-Z-]{0,19}")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(#.*)?", re.S)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(:(?P<port>[0-9]{0,5}))?")
_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_KEPT_ELSEWHERE = frozenset({"accept", "accept-language", "content-type", "user-agent"})
"""Request headers that go along to another origin: those that cannot be credentials."""
_OURS = frozenset({"accept-encoding", "content-length"})
_REFUSED = frozenset(
    {"host", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade", "expect", "http2-settings"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: canonical host, explicit port, and the path with its query as sent."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """(scheme, host, port), as RFC 6454 means it."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The Host header's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL, written canonically."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def join(self, location: str) -> Target:
        """Where a `Location` seen in an answer from here points to. Raises HostCallError."""
        if len(location) > MAX_URL:
            raise HostCallError("unavailable", "the server redirects to a URL that is too long")
        try:
            joined = urljoin(self.url, location)
        except ValueError as error:  # `http://[::1/`
            raise HostCallError("unavailable", f"the server redirects to what is no URL: {error}") from None
        return read_url(joined)


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole request, checked."""

    method: str
    target: Target
    headers: tuple[Pair, ...]
    body: bytes
    timeout_s: float | None
    follow_redirects: bool

    def redirected(self, status: int, location: str) -> Spec:
        """The request that follows a redirect (RFC 9110 §15.4), without anything secret where the origin changes. Raises HostCallError."""
        spec, target = self, self.target.join(location)
        if status == 303 or (status in (301, 302) and spec.method == "POST"):
            spec = replace(spec, method="HEAD" if spec.method == "HEAD" else "GET", body=b"",
                           headers=tuple(pair for pair in spec.headers if not pair[0].startswith("content-")))  # fmt: skip
        if target.origin == spec.target.origin:
            return replace(spec, target=target)
        if spec.body:
            where = f"{target.scheme}://{target.authority}"
            raise HostCallError("denied", f"the server redirects the body to another place, {where}; it is not sent on")
        return replace(spec, target=target, headers=tuple(pair for pair in spec.headers if pair[0] in _KEPT_ELSEWHERE))


def read_spec(payload: Mapping[str, Json], *, max_body_bytes: int) -> Spec:
    """The request that a host call's payload describes. Raises HostCallError."""
    method = payload.get("method", "GET")
    if not isinstance(method, str) or not _METHOD.fullmatch(method) or method in ("CONNECT", "TRACE"):
        raise _wrong("`method` is a method in capitals, such as GET or POST")
    url = payload.get("url")
    if not isinstance(url, str):
        raise _wrong("`url` is missing")
    timeout_ms = payload.get("timeout_ms")
    if timeout_ms is not None and (type(timeout_ms) not in (int, float) or not 0 < timeout_ms <= 3_600_000):
        raise _wrong("`timeout_ms` is a number of milliseconds")
    follow = payload.get("follow_redirects", False)
    if type(follow) is not bool:
        raise _wrong("`follow_redirects` is true or false")
    body = read_body(payload.get("body"), max_body_bytes)
    return Spec(method, read_url(url), read_headers(payload.get("headers")), body, timeout_ms and timeout_ms / 1000, follow)


def read_url(url: str) -> Target:
    """A URL of http or https, without user. Raises HostCallError."""
    if len(url) > MAX_URL:
        raise _wrong(f"the URL is longer than {MAX_URL} characters")
    if _FORBIDDEN_IN_URL.search(url):
        raise _wrong("the URL holds a control character, a space or a backslash")
    found = _URL.fullmatch(url)
    if found is None or (scheme := found["scheme"].lower()) not in PORTS:
        raise _wrong("the URL is not an absolute one of http or https")
    if "@" in found["authority"]:
        raise _wrong("the URL names a user; send credentials in a header")
    authority = _AUTHORITY.fullmatch(found["authority"])
    if authority is None or not authority["host"]:
        raise _wrong("the URL names no host")
    port = int(authority["port"] or PORTS[scheme])
    if not 0 < port < 65536:
        raise _wrong("the URL's port is not one")
    try:
        host = canonical_host(authority["host"])
        path = quote((found["path"] or "/") + (found["query"] or ""), safe="/?&=+$,;:@!*'()[]~%-._")
    except (ValueError, UnicodeError) as error:
        raise _wrong(f"the URL cannot be used: {error}") from error
    return Target(scheme, host, port, path)


def read_headers(headers: Json) -> tuple[Pair, ...]:
    """The headers to send, lower-case. Raises HostCallError for those that are the host's own affair and for control characters."""
    items = list(headers.items()) if isinstance(headers, Mapping) else [] if headers is None else headers
    if not isinstance(items, list) or len(items) > MAX_HEADERS:
        raise _wrong(f"`headers` is a list of at most {MAX_HEADERS} [name, value] pairs")
    read: list[Pair] = []
    for item in items:
        if not isinstance(item, list | tuple) or len(item) != 2 or not all(isinstance(text, str) for text in item):
            raise _wrong("`headers` is a list of [name, value] pairs of text")
        name, value = item[0].lower(), item[1].strip(" \t")
        if not _NAME.fullmatch(name):
            raise _wrong("a header's name holds a character that it may not")
        if not _VALUE.fullmatch(value):
            raise _wrong(f"the header {name!r} holds a control character or one outside Latin-1")
        if name in _REFUSED:
            raise _wrong(f"the header {name!r} is set by the host, never by a plugin")
        if name not in _OURS:
            read.append((name, value))
    if sum(len(name) + len(value) for name, value in read) > MAX_HEADER_BYTES:
        raise _wrong(f"the headers have more than {MAX_HEADER_BYTES} bytes")
    return tuple(read)


def read_body(body: Json, max_bytes: int) -> bytes:
    """The body to send from `{"text"}` or `{"base64"}`. Raises HostCallError."""
    if body is None:
        return b""
    try:
        data = body_bytes(body)
    except NotABody:
        raise _wrong('`body` is {"text": ...} or {"base64": ...}') from None
    except ValueError as error:
        raise _wrong(f"`body` cannot be decoded: {error}") from error
    if len(data) > max_bytes:
        raise HostCallError("limit", f"the request body has {len(data)} bytes; at most {max_bytes} are allowed")
    return data


def _wrong(message: str) -> HostCallError:
    return HostCallError("invalid_input", f"http.request: {message}")
