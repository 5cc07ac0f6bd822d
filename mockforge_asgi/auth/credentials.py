"""Which parts of a request carried the caller's credentials, so that no plugin after auth gets to see them.

They are what the asked auth plugins may read, less what is plainly no secret, plus the standard places. The wrapped app still gets
its request as the client sent it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mockforge_asgi.http.request_document import Consumed, RequestView
from mockforge_asgi.http.snapshot import RequestSnapshot

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


def may_go_by_name(view: RequestView, snapshot: RequestSnapshot) -> bool:
    """Whether a plugin that let a request pass went by its `Authorization`, as far as can be told: it may read that, and no other
    credentials that are there."""
    headers = _secret(view.headers)
    if headers is not None and "authorization" not in headers:
        return False
    if headers is None or view.cookies is None or view.query is None:
        return True
    others = [*(name for name, _ in snapshot.headers if name in headers and name not in STANDARD), *_names_of_cookies(view, snapshot)]
    return not others and not any(name in view.query for name, _ in snapshot.query)


def _names_of_cookies(view: RequestView, snapshot: RequestSnapshot) -> Iterator[str]:
    """Those in the request that the view shows."""
    for line in (value for name, value in snapshot.headers if name == "cookie" and view.cookies):
        yield from (name for crumb in line.split(";") if (name := crumb.partition("=")[0].strip(" \t")) in (view.cookies or ()))


def _secret(headers: frozenset[str] | None) -> frozenset[str] | None:
    return None if headers is None else headers - NO_SECRETS


def _share(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    if one is None or other is None:
        return one != frozenset() and other != frozenset()
    return not one.isdisjoint(other)
