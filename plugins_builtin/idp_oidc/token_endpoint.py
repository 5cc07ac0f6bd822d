"""The token endpoint (RFC 6749 §3.2): what a client gets for a code, for a refresh token, or for itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from mockforge_plugin import Response, sleep

from .authorization import behaviour_of, granted_scopes
from .defects import AS_USUAL, TOKEN_ERRORS, Behaviour
from .grants import Grant, Grants
from .oauth import NO_STORE, Form, OAuthError
from .settings import Addresses, Client, User
from .tokens import Tokens

_AS_ASKED: Final = "this error was asked for"


class TokenEndpoint:
    """Answers requests of clients that have said who they are."""

    def __init__(self, config: Mapping[str, Any], users: Mapping[str, User], grants: Grants, tokens: Tokens) -> None:
        self._config, self._users, self._grants, self._tokens = config, users, grants, tokens
        self.scopes: Collection[str] | None = config.get("scopes")

    async def answer(self, form: Form, client: Client, at: Addresses, now_s: int) -> Response:
        """The tokens. Raises OAuthError."""
        asked, kind = behaviour_of(form), form.needed("grant_type")
        behaviour = await self._behave(asked.over(client.behaviour))
        if kind == "client_credentials":
            if client.secret is None:
                raise OAuthError("unauthorized_client", "a client without a secret cannot ask for itself")
            grant = await self._grants.for_client(client, granted_scopes(form, client, self.scopes))
            return await self._tokens_of(grant, None, None, _audience(form) or client.audience, at, behaviour, now_s)
        if kind == "authorization_code":
            code, verifier = form.needed("code"), form.get("code_verifier")
            grant, refresh = await self._grants.redeem(code, client, form.get("redirect_uri"), verifier, now_s)
            behaviour = asked.over(grant.behaviour)
            if (error := behaviour.error_among(TOKEN_ERRORS)) is not None:
                raise OAuthError(error, _AS_ASKED)
        elif kind == "refresh_token":
            grant, refresh, behaviour = await self._refreshed(form, client, asked)
        else:
            raise OAuthError("unsupported_grant_type", "the grant types are authorization_code, client_credentials and refresh_token")
        user = self._users.get(grant.user or "")
        if user is None:
            raise OAuthError("invalid_grant", "the user is not there any more")
        return await self._tokens_of(grant, user, refresh, _audience(form) or grant.audience or client.audience, at, behaviour, now_s)

    async def _refreshed(self, form: Form, client: Client, asked: Behaviour) -> tuple[Grant, str, Behaviour]:
        """What was wrong with the login's own tokens is right again; what is wrong with the user or the client stays so."""
        token, narrowed = form.needed("refresh_token"), granted_scopes(form, client, self.scopes)
        known = await self._grants.of_refresh_token(token)
        if known is not None and not set(narrowed) <= set(known.scopes):
            raise OAuthError("invalid_scope", "a refreshed token has no more scopes than the first (RFC 6749 section 6)")
        grant, refresh = await self._grants.refresh(token, client)
        user = self._users.get(grant.user or "")
        behaviour = asked.over(user.behaviour if user else AS_USUAL).over(client.behaviour)
        return replace(grant, scopes=narrowed or grant.scopes), refresh, behaviour

    async def _behave(self, behaviour: Behaviour) -> Behaviour:
        """Wait as long as is wanted, and raise the error that is wanted."""
        if behaviour.delay_ms:
            await sleep(behaviour.delay_ms / 1000)
        if (error := behaviour.error_among(TOKEN_ERRORS)) is not None:
            raise OAuthError(error, _AS_ASKED)
        return behaviour

    async def _tokens_of(
        self, grant: Grant, user: User | None, refresh: str | None, audience: str | None, at: Addresses, behaviour: Behaviour, now_s: int
    ) -> Response:
        access = await self._tokens.access(at.issuer, grant, user, audience or self._config["audience"], behaviour, now_s)
        answer: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": self._config["access_token_s"]}
        if grant.scopes:
            answer["scope"] = " ".join(grant.scopes)
        if refresh is not None:
            answer["refresh_token"] = refresh
        if user is not None and "openid" in grant.scopes:
            answer["id_token"] = await self._tokens.identity(at.issuer, grant, user, access, behaviour, now_s)
        return Response.json(answer, 200, NO_STORE)


def _audience(form: Form) -> str | None:
    """The one that is asked for: `resource` (RFC 8707), or `audience` as some providers call it."""
    return form.get("resource") or form.get("audience")
