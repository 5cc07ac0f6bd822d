"""Which parts of a request carried the caller's credentials, so that no plugin after auth gets to see them.

They are what the asked auth plugins may read, less what is plainly no secret, plus the standard places. The wrapped app still gets
its request as the client sent it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mockforge_asgi.http.request_document import Consumed, RequestView

STANDARD: Final = frozenset({"authorization", "proxy-authorization"})
"""Headers that are credentials by definition (RFC 9110 §11.6.2, §11.7.2)."""

USUAL: Final = Consumed(
    frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"}),
    frozenset(),
    frozenset({"access_token", "api_key", "apikey"}),
)
"""What is taken for credentials when a plugin may read everything."""

NO_SECRETS: Final = frozenset(
    """accept accept-encoding accept-language content-encoding content-length content-type date dnt host origin referer traceparent
    user-agent x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id""".split()
)
"""Headers an auth plugin may look at which later plugins may see all the same."""


def consumed_by(views: Iterable[RequestView]) -> Consumed:
    """What auth plugins with these views have had to themselves."""
    found = Consumed(STANDARD)
    for view in views:
        found |= Consumed(
            USUAL.headers if view.headers is None else view.headers - NO_SECRETS,
            view.cookies or frozenset(),
            USUAL.query if view.query is None else view.query,
        )
        if view.cookies is None:
            found |= Consumed(frozenset({"cookie"}))
    return found


def share_credentials(one: RequestView, other: RequestView) -> bool:
    """Whether two plugins may look at the same credentials: what is wrong for the one is then no guess if it is right for the other."""
    return _share(_secret(one.headers), _secret(other.headers)) or _share(one.cookies, other.cookies) or _share(one.query, other.query)


def _secret(headers: frozenset[str] | None) -> frozenset[str] | None:
    return None if headers is None else headers - NO_SECRETS


def _share(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    if one is None or other is None:
        return one != frozenset() and other != frozenset()
    return not one.isdisjoint(other)
