"""auth-oidc: browsers are logged in at an OpenID Connect provider, and its access tokens are accepted.

A bearer token is decided about first, then a session; a browser that has neither is sent to the provider, and everybody else gets a 401.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mockforge_plugin import Allow, AuthPlugin, Decision, Deny, Health, Json, Reply, Request, Response, endpoint, secret
from mockforge_plugin.context import detached, entered
from mockforge_plugin.login import Logout, Renewals, Sessions, Site, is_navigation, storage_page

from .access_tokens import AccessTokens
from .backchannel import BackChannel, refused
from .login import Login
from .oauth.flow import CodeFlow
from .people import People
from .settings import access_token_rules, asked_parameters, audiences, client_of, problems, provider_of
from .tokens.bearer import Bearer
from .tokens.principal import PrincipalPaths
from .tokens.provider import Unavailable


class OidcAuth(AuthPlugin):
    """Accepts who has logged in at the provider, and bearer tokens that it signed."""

    def validate_config(self, config: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(problems(config))

    def init(self) -> None:
        """Read the secrets; nothing is asked yet."""
        config = self.config
        client = client_of(config, secret)
        self.provider = provider_of(config, client)
        self.sessions = Sessions.from_config(config["session"], secret, self.plugin, provider=config["issuer"])
        site = Site.of(config.get("public_url"), self.plugin)
        paths = PrincipalPaths.from_config(config)
        self.site, self.bearer = site, Bearer(config["realm"], max_bytes=config["max_token_bytes"])
        self.flow = CodeFlow(client, self.sessions, site, asked=asked_parameters(config), provider=config["issuer"])
        people, is_indexed = People(self.provider, paths, config["userinfo"]), config["backchannel_logout"]
        self.login = Login(self.flow, self.provider, people, self.sessions, keeps_refresh_token=config["refresh"], is_indexed=is_indexed)
        timeout_s = config["timeout_ms"] / 1000  # four questions at the most: metadata, tokens, keys, user information
        self.renewals = Renewals(self.sessions, self.login.renewed, wait_s=2 * timeout_s, lock_s=4 * timeout_s + 5)
        provider, onward = self.login.end_session_endpoint, self.login.end_session_url
        self.logout = Logout(self.sessions, site, after=config.get("after_logout"), provider=provider, onward=onward)
        self.backchannel = BackChannel(self.provider, self.sessions) if is_indexed else None
        self.access_tokens: AccessTokens | None = None
        if audiences(config):
            rules, most = access_token_rules(config), config["cache_entries"]
            self.access_tokens = AccessTokens(self.provider, self.bearer, rules, paths, most=most)

    async def start(self) -> None:
        """Fetch what the provider says of itself, and its keys; nobody waits for it, since it may be a part of the server that starts."""
        with entered(detached()):
            self.preparing = asyncio.ensure_future(self.provider.prepare())

    async def stop(self) -> None:
        """End what is under way."""
        self.preparing.cancel()
        await self.renewals.close()
        await self.provider.close()

    def capabilities(self) -> Mapping[str, Json]:
        """The challenge of callers that show nothing and are no browsers."""
        return {"schemes": ["Bearer"], "redirects": True, "challenge": 'Bearer realm="{config.realm}"'}

    def health(self) -> Health:
        """Whether the provider answered when it was last asked."""
        return Health() if self.provider.is_well else Health("degraded", "the provider's metadata or keys are not fresh")

    async def authenticate(self, request: Request) -> Decision:
        """The decision about a bearer token or a session; a redirect to the provider for browsers that have neither."""
        if self.access_tokens is not None:
            token = self.bearer.token(request)
            if token is not None:
                return await self.access_tokens.decide(token) if isinstance(token, str) else token
        try:
            session = await self.sessions.find(request)
            allow: Allow | None = None if session is None else await self.renewals.current(request, session)
            if allow is not None:
                return allow
            return Reply(await self.login.begin(request, self.site.here(request))) if self._is_person(request) else None
        except Unavailable as error:
            return self._unavailable(request, error)

    def _is_person(self, request: Request) -> bool:
        """Whether a browser goes to a page, and shows nothing else by which it might pass."""
        return bool(self.config["redirect"]) and request.header("authorization") is None and is_navigation(request)

    def _unavailable(self, request: Request, error: Unavailable) -> Decision:
        if not self._is_person(request):
            return Deny(error.status, error.words)
        return Reply(self.flow.failed(request, error.status, error.words, return_to=self.site.here(request)))

    @endpoint("login")
    @storage_page("The login failed")
    async def begin_login(self, request: Request) -> Response:
        """`/login?return_to=/path`: send the browser to the provider."""
        back_to = request.query.get("return_to") or self.site.path(request, "/")
        try:
            return await self.login.begin(request, back_to)
        except Unavailable as error:
            return self.flow.failed(request, error.status, error.words, return_to=back_to)

    @endpoint("callback")
    async def finish_login(self, request: Request) -> Response:
        """`/callback`: the provider sends the browser back."""
        return await self.login.finish(request)

    @endpoint("logout")
    async def end_session(self, request: Request) -> Response:
        """`/logout`: ask with GET, log out with POST."""
        return await self.logout.answer(request)

    @endpoint("backchannel-logout")
    async def end_sessions(self, request: Request) -> Response:
        """`/backchannel-logout`: the provider ends sessions."""
        if self.backchannel is None:
            return refused(404, "logouts by the provider are not on here")
        return await self.backchannel.told(request)
