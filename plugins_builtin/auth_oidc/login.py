"""Logins by OpenID Connect (Core 1.0 §3.1): a nonce binds the ID token to the login, `iss` the answer to its provider (RFC 9207)."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Final

from mockforge_plugin import Json, Request, Response
from mockforge_plugin.login import LoginFailed, Pending, Renewals, Renewed, Session, SessionOver, Sessions, Unfinished

from .connection import Provider
from .id_token import NotThisLogin
from .oauth.answers import GrantRefused
from .oauth.client import with_query
from .oauth.flow import CodeFlow
from .people import People, ends_s
from .tokens.bearer import Refused
from .tokens.provider import Unavailable

MAX_HINT: Final = 4096
"""Characters of an ID token that goes into an address; servers refuse long ones, and without it the provider asks the user."""


class Login:
    """Logins at one provider, and what becomes of their sessions."""

    def __init__(
        self, flow: CodeFlow, provider: Provider, people: People, sessions: Sessions, *, keeps_refresh_token: bool, is_indexed: bool
    ) -> None:
        """`is_indexed`: whether the provider may end sessions later."""
        self._flow, self._provider, self._people, self._sessions = flow, provider, people, sessions
        self._keeps_refresh_token, self._is_indexed = keeps_refresh_token, is_indexed

    async def begin(self, request: Request, return_to: str) -> Response:
        """Send the browser to the provider. Raises Unavailable."""
        metadata = await self._provider.metadata()
        return await self._flow.begin(request, return_to, metadata.authorization_endpoint, {"nonce": token_urlsafe(16)})

    async def finish(self, request: Request) -> Response:
        """The browser comes back from the provider."""
        return await self._flow.finish(request, self._redeem)

    async def _redeem(self, request: Request, said: Mapping[str, str], pending: Pending) -> list[tuple[str, str]]:
        """A session for whom the provider vouches. Raises LoginFailed, GrantRefused, Refused, Unavailable."""
        metadata = await self._provider.metadata()
        issuer = said.get("iss")
        if issuer != metadata.issuer and (issuer is not None or metadata.names_itself):
            raise LoginFailed("this browser was sent back by another identity provider than it was sent to; begin again")
        tokens = await self._provider.tokens("authorization_code", self._flow.code_form(said, pending))
        found = await self._provider.id_token(tokens)
        access_token = str(tokens["access_token"])
        try:
            self._provider.rules.check_login(
                found.claims, nonce=pending.data["nonce"], algorithm=found.algorithm, access_token=access_token
            )
        except NotThisLogin:
            raise LoginFailed("what this browser brought is of another login; begin again") from None
        allow = await self._people.allow(found.claims, tokens)
        private: dict[str, Json] = {"id_token": tokens["id_token"]} if metadata.end_session_endpoint else {}
        if self._people.asks_userinfo:
            private["claims"] = found.claims
        data: dict[str, Json] = {"sub": found.claims["sub"]}
        if self._keeps_refresh_token and isinstance(tokens.get("refresh_token"), str):
            private["refresh_token"] = tokens["refresh_token"]
            data |= Renewals.data(ends_s(tokens))
        named = [(name, found.claims.get(name)) for name in ("sub", "sid") if self._is_indexed]
        indexes = [f"{name} {value}" for name, value in named if isinstance(value, str)]
        return await self._sessions.begin(request, allow, data=data, private=private or None, indexes=indexes)

    async def renewed(self, session: Session, private: Mapping[str, Json]) -> Renewed:
        """The session by new tokens (OpenID Connect Core 1.0 §12). Raises SessionOver, Unfinished, Unavailable."""
        try:
            tokens = await self._provider.tokens("refresh_token", {"refresh_token": str(private.get("refresh_token", ""))})
        except GrantRefused as error:
            raise SessionOver(f"{self._provider.rules.issuer} gives no new tokens for it: {error.code}") from None
        kept = {**private, **{name: tokens[name] for name in private if isinstance(tokens.get(name), str)}}
        try:
            claims = await self._new_claims(session, tokens) or private.get("claims")
            allow = session.allow if claims is None else await self._people.allow(claims, tokens)
        except Unavailable as error:
            raise Unfinished(error, kept) from None
        except Refused as error:
            raise SessionOver(f"the new tokens of {self._provider.rules.issuer} are refused: {error.words}") from None
        return Renewed(allow, ends_s(tokens), {**kept, "claims": claims} if "claims" in private else kept)

    async def _new_claims(self, session: Session, tokens: Mapping[str, Json]) -> Mapping[str, Json] | None:
        """Those of a new ID token, if the provider gave one. Raises Refused, Unavailable."""
        if "id_token" not in tokens:
            return None
        found = await self._provider.id_token(tokens)
        if found.claims["sub"] != session.data["sub"]:
            raise Refused("they are about another user")
        return found.claims

    async def end_session_endpoint(self) -> str | None:
        """Where browsers are logged out at the provider, too (RP-Initiated Logout 1.0); None where it has no such place, or is away."""
        try:
            return (await self._provider.metadata()).end_session_endpoint
        except Unavailable:
            return None  # the session here ends all the same

    async def end_session_url(self, session: Session, private: Mapping[str, Json], back: str) -> str | None:
        """The same, for one session."""
        endpoint = await self.end_session_endpoint()
        hint = str(private.get("id_token", ""))
        said = [("id_token_hint", hint if len(hint) <= MAX_HINT else ""), ("client_id", self._provider.client.id)]
        return None if endpoint is None else with_query(endpoint, [*said, ("post_logout_redirect_uri", back)])
