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

from mockforge_asgi.http.snapshot import RequestSnapshot

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


def fingerprint(
    snapshot: RequestSnapshot, body: bytes = b"", *, secret_headers: Collection[str] = (), secret_query: Collection[str] = ()
) -> str:
    """The fingerprint of a request. `secret_*` name what else carried credentials in this request."""
    headers = sorted(
        pair
        for pair in snapshot.headers
        if pair[0] not in LEFT_OUT and pair[0] not in secret_headers and not pair[0].startswith(LEFT_OUT_PREFIXES)
    )
    query = sorted(pair for pair in snapshot.query if pair[0] not in secret_query)
    digest = hashlib.sha256(body).hexdigest() if body else ""
    canonical = orjson.dumps(["mockforge/1", snapshot.method, snapshot.match_path, query, headers, digest])
    return hashlib.sha256(canonical).hexdigest()
