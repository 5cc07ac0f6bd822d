"""Sessions of browsers with this provider, kept for all workers; and the logout that ends them (RP-Initiated Logout 1.0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from mockforge_plugin import Request, Response, cookie

from .keys import KeyRing
from .oauth import NO_STORE, Form
from .page import asking_page, message_page
from .ring import Handle, Ring
from .settings import Addresses, Client

COOKIE: Final = "idp_oidc_session"
_PARAMETERS: Final = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True, slots=True)
class Session:
    """One browser's."""

    sid: str
    """What clients know it by (`sid` of ID tokens)."""
    user: str
    began_s: int


class Sessions:
    """All of them; each ends after `lifetime_s`, and the oldest where there are more than `kept`."""

    def __init__(self, kept: int, lifetime_s: int) -> None:
        self._ring, self._lifetime_s = Ring("session", kept, lifetime_s), lifetime_s

    async def of_request(self, request: Request) -> Session | None:
        """That of the browser that sent it."""
        handle = Handle.read(request.cookies.get(COOKIE, ""))
        record = await self._ring.find(handle)
        return None if record is None or handle is None else Session(f"{handle.slot}.{record['id']}", record["user"], record["began"])

    async def begin(self, request: Request, user: str, now_s: int, at: Addresses) -> tuple[Session, tuple[str, str]]:
        """A new one, with the header that tells the browser; the one that it had ends."""
        if (before := await self.of_request(request)) is not None:
            await self.end(before.sid)
        handle, record = await self._ring.add({"user": user, "began": now_s})
        is_secure = at.issuer.startswith("https:")
        header = cookie(COOKIE, str(handle), max_age_s=self._lifetime_s, path=at.path, secure=is_secure)
        return Session(f"{handle.slot}.{record['id']}", user, now_s), header

    async def end(self, sid: str) -> None:
        """End it, for all workers."""
        if await self._ring.named(sid) is not None:
            await self._ring.remove(int(sid.partition(".")[0]))

    def forgotten(self, at: Addresses) -> tuple[str, str]:
        """The header that makes the browser forget its session."""
        return cookie(COOKIE, "", max_age_s=0, path=at.path, secure=at.issuer.startswith("https:"))


class BadLogout(Exception):
    """A request that cannot be answered by going anywhere."""


class Logouts:
    """Ends sessions. Who brings no ID token of theirs is asked, so that no page can log somebody out by a link."""

    def __init__(self, keys: KeyRing, sessions: Sessions) -> None:
        self._keys, self._sessions = keys, sessions

    async def client_name(self, form: Form, now_s: int) -> tuple[str | None, str | None]:
        """The client that asks, and the `sid` of the session that is meant, as far as they can be told. Raises BadLogout."""
        named, hint = form.get("client_id"), form.get("id_token_hint")
        if hint is None:
            return named, None
        claims = await self._keys.claims(hint, now_s)
        if claims is None or not isinstance(claims.get("aud"), str):
            raise BadLogout("The id_token_hint is not an ID token of this provider.")
        if named is not None and named != claims["aud"]:
            raise BadLogout("The id_token_hint is another client's.")
        return claims["aud"], str(claims.get("sid"))

    async def answer(self, request: Request, form: Form, client: Client | None, sid: str | None, at: Addresses) -> Response:
        """The way on, with the session ended; or the question whether it should be. Raises BadLogout."""
        uri = form.get("post_logout_redirect_uri")
        if uri is not None and (client is None or not client.may_leave_to(uri)):
            raise BadLogout(f"The address {uri} is not one of the client's post_logout_redirect_uris.")
        session = await self._sessions.of_request(request)
        if sid is None and session is not None and "confirmed" not in form:
            hidden = [(name, form[name]) for name in _PARAMETERS if name in form]
            words = f"{client.id if client else 'Somebody'} asks to log you ({session.user}) out of this identity provider."
            return asking_page("Log out?", words, at.at("/logout"), "Log out", [*hidden, ("confirmed", "yes")])
        ended = sid or (session.sid if session is not None else "")
        await self._sessions.end(ended)
        headers = [self._sessions.forgotten(at)] if session is None or session.sid == ended else []
        if uri is None:
            return message_page("Logged out", "You are logged out of this identity provider.", headers=headers)
        state = f"{'&' if '?' in uri else '?'}{urlencode({'state': form['state']})}" if "state" in form else ""
        return Response.redirect(uri + state, 303, (*headers, *NO_STORE))
