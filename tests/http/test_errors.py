"""Refusals: what a client sees of an error."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import ConfigError, LimitExceeded, MockForgeError, PluginFailed, PluginUnavailable, RequestRejected
from mockforge_asgi.http.errors import response_for


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (RequestRejected(413, "too large"), 413, None),
        (RequestRejected(400, "odd", [("x-a", "1")]), 400, (b"x-a", b"1")),
        (PluginUnavailable("secret-name", "secret detail", retry_after_s=0.2), 503, (b"retry-after", b"1")),
        (PluginUnavailable("secret-name", "secret detail", retry_after_s=2.5), 503, (b"retry-after", b"3")),
        (PluginFailed("secret-name", "op", "secret detail", author_traceback="secret detail"), 502, None),
        (LimitExceeded("secret-name", "op", "cpu_ms", 20), 504, None),
        (LimitExceeded("secret-name", "op", "memory_mb", 64), 502, None),
        (ConfigError("secret detail"), 500, None),
    ],
)
def test_a_client_gets_a_status_and_nothing_of_the_inside(error: MockForgeError, status: int, header: tuple[bytes, bytes] | None) -> None:
    answer = response_for(error)
    assert answer.status == status and b"secret" not in answer.body
    assert header is None or header in answer.headers
