"""Credentials that auth plugins may have read are hidden from all who come after them."""

from __future__ import annotations

import pytest

from mockforge_asgi.auth.credentials import USUAL, consumed_by
from mockforge_asgi.http.request_document import EVERYTHING, Consumed, RequestView

NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("views", "consumed"),
    [
        ([], Consumed(frozenset({"authorization", "proxy-authorization"}))),
        ([RequestView()], Consumed(frozenset({"authorization", "proxy-authorization"}))),
        (
            [RequestView(frozenset({"x-key", "accept", "host"}), frozenset({"sid"}), frozenset({"token"}))],
            Consumed(frozenset({"authorization", "proxy-authorization", "x-key"}), frozenset({"sid"}), frozenset({"token"})),
        ),
        (
            [RequestView(frozenset({"x-a"})), RequestView(query=frozenset({"b"}))],
            Consumed(frozenset({"authorization", "proxy-authorization", "x-a"}), NOTHING, frozenset({"b"})),
        ),
        ([RequestView(cookies=None)], Consumed(frozenset({"authorization", "proxy-authorization", "cookie"}))),
        ([RequestView(headers=frozenset({"cookie"}))], Consumed(frozenset({"authorization", "proxy-authorization", "cookie"}))),
        ([EVERYTHING], USUAL),
    ],
)
def test_what_auth_plugins_may_read_is_consumed(views: list[RequestView], consumed: Consumed) -> None:
    assert consumed_by(views) == consumed
