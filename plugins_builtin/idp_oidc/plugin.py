"""idp-oidc: an OpenID and OAuth 2.0 provider for tests, whose tokens are as good, or as bad, as they are asked to be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final

from mockforge_plugin import HostError, Request, Response, endpoint, kv, log, now, secret, sleep
from mockforge_plugin.plugin import Plugin

from . import settings
from .authorization import BadAddressee
from .clients import Clients
from .discovery import document
from .grants import Grants
from .keys import KeyRing
from .login import Logins
from .oauth import NO_STORE, Form, OAuthError, posted, sent
from .page import message_page
from .sessions import BadLogout, Logouts, Sessions
from .settings import Addresses, BadAddress, Client
from .token_endpoint import TokenEndpoint
from .tokens import Tokens

_Method = Callable[["OidcIdp", Request, Addresses, int], Awaitable[Response]]
_SAME_SITE: Final = frozenset({"same-origin", "none"})


def _served(path: str) -> Callable[[_Method], Callable[[OidcIdp, Request], Awaitable[Response]]]:
    """An endpoint for clients, told this provider's addresses and the time; what cannot be done is answered as OAuth has it."""

    def mark(method: _Method) -> Callable[[OidcIdp, Request], Awaitable[Response]]:
        @endpoint(path.strip("/"))
        @wraps(method)
        async def called(self: OidcIdp, request: Request) -> Response:
            if self.config["delay_ms"]:
                await sleep(self.config["delay_ms"] / 1000)
            try:
                return await method(self, request, Addresses.of(self.config, request, path), int(now().timestamp()))
            except OAuthError as error:
                return error.response
            except BadAddress as error:
                return OAuthError("invalid_request", str(error)).response
            except HostError as error:
                return _crowded(error).response

        return called

    return mark


def _shown(path: str) -> Callable[[_Method], Callable[[OidcIdp, Request], Awaitable[Response]]]:
    """The same for people: what cannot be done is answered with a page."""

    def mark(method: _Method) -> Callable[[OidcIdp, Request], Awaitable[Response]]:
        @wraps(method)
        async def tried(self: OidcIdp, request: Request, at: Addresses, now_s: int) -> Response:
            try:
                return await method(self, request, at, now_s)
            except (BadAddressee, BadLogout) as error:
                return message_page("This does not work", str(error), status=400)
            except OAuthError as error:
                return message_page("This does not work", f"{error.code}: {error.description}.", status=error.status)
            except HostError as error:
                return message_page("This does not work at the moment", str(_crowded(error)), status=503)

        return _served(path)(tried)

    return mark


def _crowded(error: HostError) -> OAuthError:
    """Where nothing more can be kept, or nothing now; all else is a fault."""
    if error.code not in ("limit", "unavailable"):
        raise error
    return OAuthError("temporarily_unavailable", "the storage of this provider is full or away")


class OidcIdp(Plugin):
    """An identity provider: everything from discovery to logout."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(settings.problems(config))

    def init(self) -> None:
        """Read the configuration, and the secrets that it names."""
        config = self.config
        self.users, self.clients = settings.users_of(config, secret), Clients(config, settings.clients_of(config, secret))
        times = {name: config[name] for name in ("code_s", "access_token_s", "refresh_token_s")}
        self.keys, self.grants = KeyRing(config["algorithm"], config["rotate_s"]), Grants(config["kept"], **times)
        self.sessions, self.tokens = Sessions(config["kept"], config["session_s"]), Tokens(config, self.keys, self.grants)
        self.logins = Logins(config, self.users, self.sessions, self.grants)
        self.token_endpoint = TokenEndpoint(config, self.users, self.grants, self.tokens)
        self.logouts = Logouts(self.keys, self.sessions)

    async def start(self) -> None:
        """Make the first key, once for all workers."""
        await self.keys.keys(int(now().timestamp()))
        url, prefix = self.config.get("public_url"), self.plugin.prefix
        if url and not url.endswith(prefix):
            log.warning(
                f"public_url is {url}, and the endpoints are below {prefix}: that agrees only where a proxy takes the one for the other. "
                f"Without one, write {url}{prefix}"
            )

    @_served("/.well-known/openid-configuration")
    async def discovery(self, request: Request, at: Addresses, now_s: int) -> Response:
        """What clients have to know (OpenID Connect Discovery 1.0)."""
        return Response.json(document(at, self.config), 200, (("cache-control", "no-cache"),))

    @_served("/.well-known/oauth-authorization-server")
    async def metadata(self, request: Request, at: Addresses, now_s: int) -> Response:
        """The same for clients of OAuth alone (RFC 8414)."""
        return Response.json(document(at, self.config), 200, (("cache-control", "no-cache"),))

    @_served("/jwks")
    async def jwks(self, request: Request, at: Addresses, now_s: int) -> Response:
        """The public keys (RFC 7517)."""
        keys = [key.public for key in await self.keys.keys(now_s)]
        return Response.json({"keys": keys}, 200, (("cache-control", f"public, max-age={self.config['jwks_max_age_s']}"),))

    @_shown("/authorize")
    async def authorize(self, request: Request, at: Addresses, now_s: int) -> Response:
        """An authorization request: the login page, or the way back."""
        form = await sent(request)
        return await self.logins.begin(request, form, await self._addressee(form), at, now_s)

    @_shown("/login")
    async def login(self, request: Request, at: Addresses, now_s: int) -> Response:
        """What was chosen on the login page."""
        form = await posted(request)
        _check_origin(request, at)
        return await self.logins.chosen(request, form, await self._addressee(form), at, now_s)

    @_served("/token")
    async def token(self, request: Request, at: Addresses, now_s: int) -> Response:
        """Tokens, for a code, a refresh token, or the client itself."""
        form = await posted(request)
        client = await self.clients.of_request(request, form)
        return await self.token_endpoint.answer(form, client, at, now_s)

    @_served("/userinfo")
    async def userinfo(self, request: Request, at: Addresses, now_s: int) -> Response:
        """What an access token's user is like (OIDC Core §5.3)."""
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            raise OAuthError("invalid_token", "there is no bearer token", challenge="Bearer", status=401)
        minted = await self.tokens.read(token.strip(), at.issuer, now_s)
        user = None if minted is None else self.users.get(minted.grant.user or "")
        if minted is None or user is None or "openid" not in minted.grant.scopes:
            code, status = ("invalid_token", 401) if minted is None or user is None else ("insufficient_scope", 403)
            words = "the token is not good, or not a user's" if status == 401 else "the token lacks the scope openid"
            raise OAuthError(code, words, challenge=f'Bearer error="{code}", error_description="{words}"', status=status)
        said = user.said(minted.grant.scopes)
        return Response.json(
            {**said, "sub": "somebody-else"} if minted.grant.behaviour.defect == "wrong-userinfo-sub" else said, 200, NO_STORE
        )

    @_served("/introspect")
    async def introspect(self, request: Request, at: Addresses, now_s: int) -> Response:
        """What a token is (RFC 7662), told to clients with a secret."""
        form = await posted(request)
        await self.clients.of_request(request, form, needs_secret=True)
        token = form.needed("token")
        minted = await self.tokens.read(token, at.issuer, now_s)
        if minted is not None:
            named = {} if minted.grant.user is None else {"username": minted.grant.user}
            return Response.json({"active": True, "token_type": "Bearer", **named, **minted.claims}, 200, NO_STORE)
        grant = await self.grants.of_refresh_token(token)
        if grant is None:
            return Response.json({"active": False}, 200, NO_STORE)
        said = {"active": True, "client_id": grant.client, "scope": " ".join(grant.scopes), "sub": grant.user, "iss": at.issuer}
        return Response.json(said, 200, NO_STORE)

    @_served("/revoke")
    async def revoke(self, request: Request, at: Addresses, now_s: int) -> Response:
        """Take a token back (RFC 7009), and all that came of the same login."""
        form = await posted(request)
        client = await self.clients.of_request(request, form)
        token = form.needed("token")
        minted = await self.tokens.read(token, at.issuer, now_s)
        grant = minted.grant if minted is not None else await self.grants.of_refresh_token(token)
        if grant is not None and grant.client != client.id:
            raise OAuthError("invalid_grant", "the token is another client's")
        if grant is not None:
            await self.grants.revoke(grant)
        return Response(200, NO_STORE)

    @_shown("/logout")
    async def logout(self, request: Request, at: Addresses, now_s: int) -> Response:
        """A logout that a client asks for."""
        form = await sent(request)
        if "confirmed" in form:
            _check_origin(request, at)
            if request.method != "POST":
                form.pop("confirmed")
        name, sid = await self.logouts.client_name(form, now_s)
        return await self.logouts.answer(request, form, None if name is None else await self.clients.find(name), sid, at)

    @_served("/rotate")
    async def rotate(self, request: Request, at: Addresses, now_s: int) -> Response:
        """Another key signs from now on; `forget=yes` takes the others away at once. For clients with a secret."""
        form = await posted(request)
        await self.clients.of_request(request, form, needs_secret=True)
        await self.keys.rotate(now_s, await kv.get("keys"), forgets=form.get("forget") == "yes")
        return Response.json({"kids": [key.kid for key in await self.keys.keys(now_s)]}, 200, NO_STORE)

    @_served("/register")
    async def register(self, request: Request, at: Addresses, now_s: int) -> Response:
        """A client that makes itself known, where the configuration lets it."""
        return await self.clients.register(request, now_s)

    async def _addressee(self, form: Form) -> Client:
        name = form.get("client_id")
        client = None if name is None else await self.clients.find(name)
        if client is None:
            raise BadAddressee("The parameter client_id is missing." if name is None else f"There is no client {name}.")
        return client


def _check_origin(request: Request, at: Addresses) -> None:
    """Forms of this provider's own pages alone: no other page logs somebody in or out. What is no browser says nothing of it."""
    site, origin = request.header("sec-fetch-site"), request.header("origin")
    if (site is not None and site not in _SAME_SITE) or (site is None and origin not in (None, at.origin)):
        raise OAuthError("access_denied", "the form comes from a page of another origin", status=403)
