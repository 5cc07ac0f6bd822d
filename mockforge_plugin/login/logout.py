"""Logging out: a GET only asks, so that no link or picture logs anybody out; a POST must come from a page of this application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import TypeAlias

from mockforge_plugin.login.cookies import SetHeaders
from mockforge_plugin.login.pages import page, storage_page
from mockforge_plugin.login.sessions import Session, Sessions
from mockforge_plugin.login.site import Site, origin_of
from mockforge_plugin.request import Request
from mockforge_plugin.values import Json, Response

Onward: TypeAlias = Callable[[Session, Mapping[str, Json], str], Awaitable[str | None]]
"""Where the identity provider ends its own session: of a session, its private data and the address to come back to an address, or None."""


class Logout:
    """Ends the sessions of one plugin, when the person at the browser asks for it.

    `after` is a path of the application to go to in place of a page that says so. `provider` gives an address of the identity provider,
    to whose origin browsers are led on, and `onward` the address for one session. `anywhere`: the provider leads them on to other places,
    as with single logout, which goes from service to service.
    """

    def __init__(
        self,
        sessions: Sessions,
        site: Site,
        *,
        after: str | None = None,
        provider: Callable[[], Awaitable[str | None]] | None = None,
        onward: Onward | None = None,
        anywhere: bool = False,
    ) -> None:
        self._sessions, self._site, self._after, self._provider, self._onward = sessions, site, after, provider, onward
        self._anywhere = anywhere

    @storage_page("You are not logged out")
    async def answer(self, request: Request) -> Response:
        """The answer of the endpoint `/logout`, for GET and POST; where storage fails a page says so (503), and the session goes on.

        Needs the headers `origin` and `sec-fetch-site`.
        """
        session = await self._sessions.find(request)
        login, here = (self._site.path(request, f"{self._site.prefix}/{name}") for name in ("login", "logout"))
        if request.method != "POST":
            return _logged_out(login) if session is None else await self._question(here)
        if not self._site.is_own_page(request):
            body = f'<p>That was no page of this application.</p><p><a href="{escape(here)}">Log out here</a></p>'
            return page("You are not logged out", body, status=403)
        kept = {} if session is None else await self._sessions.private(session)
        headers = await self._sessions.end(request, session)
        back = self._site.base(request) + self._after if self._after else self._site.url(request, "logout")
        onward = None if session is None or self._onward is None else await self._onward(session, kept, back)
        return moved(onward or back, headers, 303)

    async def _question(self, here: str) -> Response:
        provider = None if self._provider is None else await self._provider()
        targets = None if self._anywhere else ["'self'", *([] if provider is None else [origin_of(provider)])]
        body = f'<form method="post" action="{escape(here)}"><button>Log out</button></form>'
        return page("Log out?", body, form_targets=targets, referrer="same-origin")  # else its origin is not told


def moved(url: str, headers: SetHeaders | None = None, status: int = 302) -> Response:
    """Send the browser elsewhere, which is not told where it comes from: addresses of callbacks have codes in them."""
    kept = [("cache-control", "no-store"), ("referrer-policy", "no-referrer")]
    return Response.redirect(url, status, [*kept, *(pair for pair in headers or () if pair not in kept)])


def _logged_out(login: str) -> Response:
    return page("You are logged out", f'<p><a href="{escape(login)}">Log in</a></p>')
