"""Documents: a request as plugins see it, cut down to what each may see; an answer as a modifier sees it.

The shapes are the contract's. A document is built once per distinct `RequestView`, however many plugins share it.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mockforge_asgi.http.responses import MockResponse, ResponseHead
from mockforge_asgi.http.snapshot import Pairs, RequestSnapshot, bounded
from mockforge_asgi.types import Json
from mockforge_plugin.values import Principal, body_document

INLINE_BODY_BYTES: Final = 16 * 1024
"""Bodies up to this size travel inside the document when they are read already; larger ones are fetched through a door."""


_STEP_BYTES: Final = 192 * 1024
"""A multiple of three: encoded in less than a millisecond."""
_ESCAPED: Final = bytes([*range(32), *b'"\\'])
_MAX_ESCAPES: Final = 200_000
"""Each of these in a text takes ten times as long to write as JSON as any other sign: so many take about two milliseconds."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """What of a request a plugin may see. Names of headers are lower-case; None means all."""

    headers: frozenset[str] | None = frozenset()
    cookies: frozenset[str] | None = frozenset()
    query: frozenset[str] | None = frozenset()
    body: bool = False
    client: bool = False
    principal: bool = False


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


def request_document(
    snapshot: RequestSnapshot,
    view: RequestView,
    *,
    route: str | None = None,
    path_params: Mapping[str, Json] | None = None,
    principal: Principal | None = None,
    body: bytes | None = None,
    body_length: int | None = 0,
    consumed: Consumed = NOTHING_CONSUMED,
) -> dict[str, Json]:
    """The request document for a view. An unread body of unknown length is `{"available": -1}`."""
    return {
        "method": snapshot.method,
        "scheme": snapshot.scheme,
        "host": snapshot.host,
        "path": snapshot.path,
        "raw_path": snapshot.raw_path,
        "query": _allowed(snapshot.query, view.query, consumed.query) if snapshot.query_string else [],
        "headers": _headers(snapshot, view, consumed),
        "client": snapshot.client if view.client else None,
        "route": route,
        "path_params": dict(path_params or {}),
        "principal": principal_document(principal) if view.principal and principal else None,
        "body": _request_body(view, body, body_length),
    }


def _allowed(items: Pairs, names: Collection[str] | None, consumed: Collection[str]) -> list[tuple[str, str]]:
    if names is None:
        return [item for item in items if item[0] not in consumed]
    return [item for item in items if item[0] in names and item[0] not in consumed] if names else []


def _headers(snapshot: RequestSnapshot, view: RequestView, consumed: Consumed) -> list[tuple[str, str]]:
    whole_cookie = view.headers is None or "cookie" in view.headers
    if not whole_cookie and not view.headers and view.cookies == frozenset():
        return []
    shown = _allowed(snapshot.headers, view.headers, consumed.headers | {"cookie"})
    cookies = None if whole_cookie else view.cookies
    if cookies == frozenset() or "cookie" in consumed.headers:
        return shown
    crumbs = [c for line in _all(snapshot, "cookie") for c in _crumbs(line)]
    kept = "; ".join(c for name, c in crumbs if (cookies is None or name in cookies) and name not in consumed.cookies)
    return [*shown, ("cookie", kept)] if kept else shown


def _all(snapshot: RequestSnapshot, name: str) -> list[str]:
    return [value for key, value in snapshot.headers if key == name]


def _crumbs(line: str) -> list[tuple[str, str]]:
    """(name, `name=value`) of each cookie in a Cookie header (RFC 6265 §4.2.1). Raises RequestRejected for too many."""
    bounded(line.count(";"), "cookies", 431)
    return [(crumb.partition("=")[0].strip(), crumb.strip()) for crumb in line.split(";") if crumb.strip()]


def _request_body(view: RequestView, body: bytes | None, length: int | None) -> Json:
    if not view.body or length == 0:
        return {"available": 0}
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
    """An answer as a modifier sees it: its body stays with the host until asked for. `names` None means all headers.

    A body that goes past the host, or that an answer to HEAD does not have, is `{"available": -1}`.
    """
    available = len(response.body) if isinstance(response, MockResponse) else -1
    headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers]
    return {
        "status": response.status,
        "headers": [pair for pair in headers if names is None or pair[0] in names],
        "body": {"available": available},
    }
