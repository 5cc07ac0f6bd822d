"""fingerprint: the identity of a request, equal on every replica, for seeding, memoising and recording.

SHA-256, in hex, over the compact UTF-8 JSON text of

    ["mockforge/1", METHOD, path, query, headers, body]

`path` is decoded and without the root path, with U+FDD0 for a slash that was sent as `%2F`; `query` and `headers` are sorted lists of
[name, value]; `body` is the SHA-256 of its bytes in hex, or "". Left out of the headers: what changes from sending to sending or on the
way (dates, trace and request ids, connection, forwarding and caching headers, conditions, the client's own marks such as `user-agent` and
`sec-*`), the host, and all that carries credentials. So the same request gives the same value from another client, host or moment, and
the value tells nothing of a secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

import orjson

from mockforge_asgi.http.headers import remember
from mockforge_asgi.http.snapshot import MAX_FIELDS, RequestSnapshot, bounded

LEFT_OUT: Final = frozenset(
    """accept-charset accept-encoding age authorization baggage b3 cache-control cdn-loop client-ip connection content-length cookie cookie2
    date dnt expect forwarded from host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive origin pragma
    priority proxy-authorization proxy-connection referer request-id sentry-trace te trace-id traceparent tracestate trailer
    transfer-encoding true-client-ip upgrade upgrade-insecure-requests user-agent via x-amzn-trace-id x-api-key x-auth-token
    x-cloud-trace-context x-correlation-id x-csrf-token x-real-ip x-request-id x-request-start x-xsrf-token""".split()
)
"""Header names that never count."""

LEFT_OUT_PREFIXES: Final = ("cf-", "sec-", "x-b3-", "x-datadog-", "x-envoy-", "x-forwarded-")
"""Families of headers that never count."""

_known: dict[bytes, str] = {}
"""Header names that were seen: the name in lower case, empty for one that never counts. Bounded, since clients choose them."""


def fingerprint(
    snapshot: RequestSnapshot, body: bytes = b"", *, secret_headers: Collection[str] = (), secret_query: Collection[str] = ()
) -> str:
    """The fingerprint of a request. `secret_*` name what else carried credentials in this request. Raises RequestRejected."""
    raw, known = snapshot.raw_headers, _known
    if len(raw) > MAX_FIELDS:
        bounded(len(raw), "header fields", 431)
    headers = []
    for raw_name, value in raw:
        name = known.get(raw_name)
        if name is None:
            name = _learn(raw_name)
        if name and name not in secret_headers:
            headers.append((name, value.decode("latin-1")))
    headers.sort()
    query = sorted(pair for pair in snapshot.query if pair[0] not in secret_query) if snapshot.query_string else []
    digest = hashlib.sha256(body).hexdigest() if body else ""
    canonical = orjson.dumps(["mockforge/1", snapshot.method, snapshot.match_path, query, headers, digest])
    return hashlib.sha256(canonical).hexdigest()


def _learn(raw_name: bytes) -> str:
    """The name of a header that counts in lower case, empty for any other; remembered."""
    name = raw_name.decode("latin-1").lower()
    if name in LEFT_OUT or name.startswith(LEFT_OUT_PREFIXES):
        name = ""
    remember(_known, raw_name, name)
    return name
