"""Documents: a request as plugins see it, cut down to what each may see; a response as a modifier sees it.

The shapes are the contract's. A document is written once per distinct `RequestView`, as JSON text, however many plugins share it.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Hashable, Mapping, Sized
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import orjson

from mockforge_asgi.exact_json import dumps
from mockforge_asgi.http.responses import MockResponse, ResponseHead
from mockforge_asgi.http.snapshot import MAX_FIELDS, RequestSnapshot, bounded
from mockforge_asgi.types import Json
from mockforge_plugin.values import Principal, body_document

INLINE_BODY_BYTES: Final = 16 * 1024
"""Bodies up to this size travel inside the document when they are read already; larger ones are fetched with a host call."""


_STEP_BYTES: Final = 192 * 1024
"""A multiple of three: encoded in less than a millisecond."""
_ESCAPED: Final = bytes([*range(32), *b'"\\'])
_MAX_ASKED: Final = 256
"""So many names of headers, of so many characters each, are remembered for a view."""
_MAX_ESCAPES: Final = 200_000
"""Each of these in a text takes ten times as long to write as JSON as any other sign: so many take about two milliseconds."""


_numbers: Final = count()
_keys: Final[dict[Hashable, int]] = {}
"""A number for each view that there ever was: configurations and plugins have few."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """What of a request a plugin may see. Names of headers are lower-case; None means all."""

    headers: frozenset[str] | None = frozenset()
    cookies: frozenset[str] | None = frozenset()
    query: frozenset[str] | None = frozenset()
    body: bool = False
    client: bool = False
    principal: bool = False
    key: int = field(init=False, repr=False, compare=False)
    """The same for equal views, and no other."""
    header_names: frozenset[bytes] = field(init=False, repr=False, compare=False)
    """The named headers as ASGI carries them, without `cookie`, which is cut down to the cookies that may be seen."""
    sees_headers: bool = field(init=False, repr=False, compare=False)
    """Whether any header could be seen, the one of the cookies included."""
    sees_cookies: bool = field(init=False, repr=False, compare=False)
    """Whether any cookie could be seen."""
    asked: dict[str, tuple[str, bytes | None]] = field(init=False, repr=False, compare=False, default_factory=dict)
    """What `ask` said of names before."""

    def __post_init__(self) -> None:
        seen = (self.headers, self.cookies, self.query, self.body, self.client, self.principal)
        object.__setattr__(self, "key", _keys.setdefault(seen, next(_numbers)))
        object.__setattr__(self, "header_names", frozenset(n.encode("latin-1") for n in self.headers or () if n != "cookie"))
        object.__setattr__(self, "sees_headers", self.headers != frozenset() or self.cookies != frozenset())
        object.__setattr__(self, "sees_cookies", self.headers is None or "cookie" in self.headers or self.cookies != frozenset())

    def ask(self, name: str) -> tuple[str, bytes | None]:
        """A header's name in lower case, and as ASGI carries it: empty where it may not be seen, None where that takes a look at more."""
        low = name.lower()
        wanted = None if low == "cookie" or not low.isascii() else low.encode()
        said = low, b"" if wanted is not None and self.headers is not None and wanted not in self.header_names else wanted
        if len(self.asked) < _MAX_ASKED and len(name) <= _MAX_ASKED:
            self.asked[name] = said
        return said


EVERYTHING: Final = RequestView(None, None, None, True, True, True)
"""The view of trusted code."""


@dataclass(frozen=True, slots=True)
class Consumed:
    """Names that carried the caller's credentials; after auth no plugin sees them, whatever its grants."""

    headers: frozenset[str] = frozenset()
    cookies: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()

    def __or__(self, other: Consumed) -> Consumed:
        return Consumed(self.headers | other.headers, self.cookies | other.cookies, self.query | other.query)


NOTHING_CONSUMED: Final = Consumed()


def head_document(snapshot: RequestSnapshot) -> bytes:
    """What the documents of a request begin with, whatever the view: the members of an object that is still open."""
    head = {
        "method": snapshot.method,
        "scheme": snapshot.scheme,
        "host": snapshot.host,
        "path": snapshot.path,
        "raw_path": snapshot.raw_path,
    }
    return orjson.dumps(head)[:-1] + b","


def request_document(
    snapshot: RequestSnapshot,
    view: RequestView,
    *,
    head: bytes | None = None,
    route: str | None = None,
    path_params: Mapping[str, Json] | None = None,
    principal: Principal | None = None,
    claims: Mapping[str, Json] | None = None,
    body: bytes | None = None,
    body_length: int | None = 0,
    consumed: Consumed = NOTHING_CONSUMED,
) -> bytes:
    """The request document for a view; `head` is what `head_document` made of the request before.

    An unread body of unknown length is `{"available": -1}`. `query_string`, the query as sent, is in it where all of the query is.
    """
    rest: dict[str, Any] = {
        "query": visible_query(snapshot, view, consumed) if snapshot.query_string else [],
        "headers": visible_headers(snapshot, view, consumed) if view.sees_headers else [],
        "client": snapshot.client if view.client else None,
        "route": route,
        "path_params": dict(path_params) if path_params else {},
        "principal": principal_document(principal) if view.principal and principal else None,
        "body": _request_body(body, body_length) if view.body and body_length != 0 else {"available": 0},
    }
    if view.query is None and (sent := visible_query_string(snapshot, rest["query"])) is not None:
        rest["query_string"] = sent
    if claims and view.principal and principal:
        rest["claims"] = dict(claims)
    return (head or head_document(snapshot)) + dumps(rest)[1:]


def visible_query(snapshot: RequestSnapshot, view: RequestView, consumed: Consumed) -> list[tuple[str, str]]:
    """The fields of the query that may be seen. Raises RequestRejected for too many."""
    names = view.query
    return [item for item in snapshot.query if (names is None or item[0] in names) and item[0] not in consumed.query]


def visible_query_string(snapshot: RequestSnapshot, seen: Sized) -> str | None:
    """The query as it was sent, where all of its fields are `seen`, by a view that shows the query whole."""
    is_whole = not snapshot.query_string or len(seen) == len(snapshot.query)
    return snapshot.query_string.decode("latin-1") if is_whole else None


def visible_headers(snapshot: RequestSnapshot, view: RequestView, consumed: Consumed) -> list[tuple[str, str]]:
    """The headers that may be seen; others are not even decoded. Raises RequestRejected for too many."""
    shown: list[tuple[str, str]] = []
    hidden = consumed.headers
    if view.headers is None:
        shown = [pair for pair in snapshot.headers if pair[0] != "cookie" and pair[0] not in hidden]
        cookies = None
    else:
        raw, names = snapshot.raw_headers, view.header_names
        if len(raw) > MAX_FIELDS:
            bounded(len(raw), "header fields", 431)
        if names:
            for raw_name, value in raw:
                if raw_name.lower() in names and (name := raw_name.decode("latin-1").lower()) not in hidden:
                    shown.append((name, value.decode("latin-1")))
        cookies = None if "cookie" in view.headers else view.cookies
    if cookies == frozenset() or "cookie" in hidden:
        return shown
    return _with_cookies(shown, snapshot, cookies, consumed.cookies)


def check_number(snapshot: RequestSnapshot, view: RequestView, consumed: Consumed) -> None:
    """Raises RequestRejected for more fields than are read, as making a document of them would, without making it."""
    if snapshot.query_string:
        snapshot.check_query()
    if view.sees_headers:
        bounded(len(snapshot.raw_headers), "header fields", 431)
        if view.sees_cookies and "cookie" not in consumed.headers:
            for name, value in snapshot.raw_headers:
                if name == b"cookie" or name.lower() == b"cookie":
                    bounded(value.count(b";"), "cookies", 431)


def _with_cookies(
    shown: list[tuple[str, str]], snapshot: RequestSnapshot, names: frozenset[str] | None, hidden: frozenset[str]
) -> list[tuple[str, str]]:
    lines = [value.decode("latin-1") for name, value in snapshot.raw_headers if name.lower() == b"cookie"]
    kept = "; ".join(c for line in lines for name, c in _crumbs(line) if (names is None or name in names) and name not in hidden)
    return [*shown, ("cookie", kept)] if kept else shown


def _crumbs(line: str) -> list[tuple[str, str]]:
    """(name, `name=value`) of each cookie in a Cookie header (RFC 6265 §4.2.1). Raises RequestRejected for too many.

    Blanks are space and tab, as for browsers. With others around it a name is another one for them, which a neighbouring host may set also
    where this one begins with `__Host-`; whoever reads it might take it for this one, and so it is left out.
    """
    bounded(line.count(";"), "cookies", 431)
    crumbs = ((crumb.partition("=")[0].strip(" \t"), crumb.strip(" \t")) for crumb in line.split(";"))
    return [(name, crumb) for name, crumb in crumbs if crumb and name == name.strip()]


def _request_body(body: bytes | None, length: int | None) -> Json:
    if body is None or len(body) > INLINE_BODY_BYTES:
        return {"available": -1 if length is None else length}
    return body_document(body)


async def long_body_document(body: bytes) -> Json:
    """The document of a body of any length: text where that is UTF-8 and quickly written as JSON, else base64."""
    if len(body) <= _MAX_ESCAPES or len(body) - len(body.translate(None, _ESCAPED)) <= _MAX_ESCAPES:
        try:
            return {"text": body.decode()}
        except UnicodeDecodeError:
            pass
    return {"base64": await base64_text(body)}


async def base64_text(data: bytes) -> str:
    """The base64 of a body or file of any length, made in steps between which others get their turn."""
    parts = [b64encode(data[:_STEP_BYTES])]
    for at in range(_STEP_BYTES, len(data), _STEP_BYTES):
        await asyncio.sleep(0)
        parts.append(b64encode(data[at : at + _STEP_BYTES]))
    return b"".join(parts).decode("ascii")


def principal_document(principal: Principal) -> Json:
    """Who the credentials belong to, as plugins with that permission see it."""
    return {
        "id": principal.id,
        "roles": list(principal.roles),
        "groups": list(principal.groups),
        "name": principal.name,
        "email": principal.email,
        "attributes": dict(principal.attributes),
    }


def response_document(response: MockResponse | ResponseHead, names: frozenset[str] | None = None) -> Json:
    """A response as a modifier sees it: its body stays with the host until asked for. `names` None means all headers.

    A body that is streamed past the host, or that a response to HEAD does not have, is `{"available": -1}`.
    """
    available = len(response.body) if isinstance(response, MockResponse) else -1
    headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers]
    return {
        "status": response.status,
        "headers": [pair for pair in headers if names is None or pair[0] in names],
        "body": {"available": available},
    }
