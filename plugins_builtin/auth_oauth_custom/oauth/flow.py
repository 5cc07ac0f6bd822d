"""The way through a login: to the provider and back, by the authorization code flow (RFC 6749 §4.1) with PKCE (RFC 7636).

What must be remembered meanwhile stands in a cookie of the browser that began: state and verifier are of one login and good once.

The same file stands in every built-in plugin that logs in by OAuth; a test keeps them alike.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Final, TypeAlias

from mockforge_plugin import HostError, Json, PluginError, Request, Response, log
from mockforge_plugin.login import LoginFailed, Pending, PendingLogins, Sessions, Site, moved, page

from ..tokens.bearer import Refused
from ..tokens.provider import BADLY, Unavailable
from .answers import GrantRefused, error_code
from .client import Client, new_verifier, with_query

Headers: TypeAlias = list[tuple[str, str]]
Redeem: TypeAlias = Callable[[Request, Mapping[str, str], Pending], Awaitable[Headers]]
"""From the code that came back, by the form of a token request, to the headers of a session.

Raises LoginFailed, GrantRefused, Refused, Unavailable, PluginError."""
_PARAMETERS: Final = ("state", "code", "error", "iss")
_MAX_CODE: Final = 4096


class NotAllowed(LoginFailed):
    """Somebody whom the provider vouches for, and who may not come in."""


class CodeFlow:
    """Logins of one client at one provider."""

    def __init__(self, client: Client, sessions: Sessions, site: Site, *, asked: Mapping[str, str], provider: str) -> None:
        """`asked`: parameters of every authorization request; `provider`: its name in the log."""
        self._client, self._site, self._asked, self._name = client, site, dict(asked), provider
        self._pending = PendingLogins(sessions)

    def login_path(self, request: Request, return_to: str | None = None) -> str:
        """Where another login begins, that leads on to that path."""
        return with_query(self._site.path(request, f"{self._site.prefix}/login"), [("return_to", return_to or "")])

    async def begin(self, request: Request, return_to: str, endpoint: str, more: Mapping[str, str]) -> Response:
        """Send the browser to the provider's authorization endpoint; `more` is of this login alone, and there when it comes back."""
        verifier, back_to = new_verifier(), self._site.url(request, "callback")
        data = {**more, "verifier": verifier, "redirect_uri": back_to}
        state, headers = await self._pending.begin(request, return_to=return_to, data=data)
        sent = {**self._asked, **more, "redirect_uri": back_to}
        return moved(self._client.authorization_url(endpoint, state=state, verifier=verifier, more=sent), headers)

    async def finish(self, request: Request, redeem: Redeem) -> Response:
        """The browser comes back from the provider: a session, or a page that says why there is none."""
        try:
            said = _parameters(request)
            pending = await self._pending.finish(request, said.get("state", ""))
        except LoginFailed as error:
            return self.failed(request, 400, error.reason)
        try:
            headers = await redeem(request, said, pending)
        except LoginFailed as error:
            status, words = 403 if isinstance(error, NotAllowed) else 400, error.reason
        except GrantRefused as error:
            log.info(f"a login at {self._name} failed: it does not accept the code ({error.code})")
            status, words = 400, "the identity provider does not accept what this browser brought from it; begin again"
        except (Refused, Unavailable, PluginError) as error:
            status, words = 502, BADLY
            if isinstance(error, Unavailable):
                status, words = error.status, error.words
            elif isinstance(error, HostError) or (isinstance(error, PluginError) and error.code == "unavailable"):
                status, words = 503, "logins cannot be kept at the moment"
            elif isinstance(error, PluginError):  # what is known of the user is more than a session holds
                words = "the identity provider says more of this account than can be kept"
            log.warning(f"a login at {self._name} failed: {error}")
        else:
            return moved(pending.return_to, [*pending.set_headers, *headers], 303)
        return self.failed(request, status, words, pending.set_headers, return_to=pending.return_to)

    def code_form(self, said: Mapping[str, str], pending: Pending) -> dict[str, str]:
        """What the token endpoint is to be shown for tokens. Raises LoginFailed, Unavailable where the provider gave no code."""
        if "error" in said:
            code = error_code(said["error"])
            if code in ("server_error", "temporarily_unavailable"):
                raise Unavailable(503, "the identity provider cannot log anybody in now", f"it sent the browser back with {code}")
            if code == "access_denied":
                raise NotAllowed("the login was refused or given up")
            raise LoginFailed(f"the identity provider refused the login: {code}")
        if not said.get("code") or len(said["code"]) > _MAX_CODE:
            raise LoginFailed("what this browser brought from the identity provider is incomplete; begin again")
        known: Mapping[str, Json] = pending.data
        return {"code": said["code"], "redirect_uri": str(known["redirect_uri"]), "code_verifier": str(known["verifier"])}

    def failed(
        self, request: Request, status: int, words: str, headers: Headers | None = None, *, return_to: str | None = None
    ) -> Response:
        """A page: that a login came to nothing, why, and where another one begins, which leads on to that path.

        A query does not come along: it may hold what nobody is to read on a page.
        """
        again = escape(self.login_path(request, return_to and return_to.partition("?")[0]))
        body = f'<p>{escape(words[:1].upper() + words[1:])}.</p><p><a href="{again}">Log in again</a></p>'
        kept = [pair for pair in headers or () if pair[0] != "cache-control"]
        return page("The login failed", body, status=status, headers=kept)


def _parameters(request: Request) -> dict[str, str]:
    """What the provider sends browsers back with, each at most once (RFC 6749 §3.1). Raises LoginFailed."""
    if request.method != "GET" or any(len(request.query.all(name)) > 1 for name in _PARAMETERS):
        raise LoginFailed("what this browser brought from the identity provider is ambiguous; begin again")
    return {name: value for name, value in request.query if name in _PARAMETERS}
