"""auth-oauth-custom: browsers are logged in at a provider of OAuth 2.0 that says at endpoints of its own who its users are.

OAuth alone proves that somebody holds a token, not who it was made for: a token is taken only from the provider's token endpoint, for a
code that this browser brought, and never from a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockforge_plugin import Allow, AuthPlugin, Decision, Deny, Json, Reply, Request, Response, endpoint, now, secret
from mockforge_plugin.login import Logout, Pending, Renewals, Renewed, Session, SessionOver, Sessions, Site, is_navigation, storage_page

from .oauth.answers import post, tokens_of
from .oauth.client import Client
from .oauth.flow import CodeFlow, NotAllowed
from .people import People, TokenRefused
from .presets import whole
from .settings import problems
from .tokens.bearer import Refused
from .tokens.provider import Unavailable


class OAuthLogin(AuthPlugin):
    """Accepts who has logged in at the provider, and is on the list."""

    def validate_config(self, config: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(problems(config))

    def init(self) -> None:
        """Read the secrets; nothing is asked yet."""
        self.settings: Mapping[str, Any] = whole(self.config)
        config = self.settings
        self.client = Client(config["client_id"], secret(config["client_secret"]), config["client_auth"])
        self.sessions = Sessions.from_config(config["session"], secret, self.plugin, provider=config["token_url"])
        self.site = Site.of(config.get("public_url"), self.plugin)
        asked = {**config["parameters"], **({"scope": " ".join(config["scopes"])} if config["scopes"] else {})}
        self.flow = CodeFlow(self.client, self.sessions, self.site, asked=asked, provider=config["token_url"])
        self.people = People.from_config(config)
        self.renewals = Renewals(self.sessions, self._renewed, wait_s=4 * config["timeout_ms"] / 1000)
        self.logout = Logout(self.sessions, self.site, after=config.get("after_logout"))

    async def stop(self) -> None:
        """End what is under way."""
        await self.renewals.close()

    def capabilities(self) -> Mapping[str, Json]:
        """The challenge of callers that show nothing and are no browsers: it names no scheme that they could use."""
        return {"redirects": True, "challenge": 'Session realm="{config.realm}"'}

    async def authenticate(self, request: Request) -> Decision:
        """The decision about a session; a redirect to the provider for browsers that have none."""
        try:
            session = await self.sessions.find(request)
            allow: Allow | None = None if session is None else await self.renewals.current(request, session)
        except Unavailable as error:
            return self._unavailable(request, error)
        if allow is not None:
            return allow
        return Reply(await self._begin(request, self.site.here(request))) if self._is_person(request) else None

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
        return await self._begin(request, request.query.get("return_to") or self.site.path(request, "/"))

    @endpoint("callback")
    async def finish_login(self, request: Request) -> Response:
        """`/callback`: the provider sends the browser back."""
        return await self.flow.finish(request, self._redeem)

    @endpoint("logout")
    async def end_session(self, request: Request) -> Response:
        """`/logout`: ask with GET, log out with POST."""
        return await self.logout.answer(request)

    async def _begin(self, request: Request, return_to: str) -> Response:
        return await self.flow.begin(request, return_to, self.settings["authorize_url"], {})

    async def _redeem(self, request: Request, said: Mapping[str, str], pending: Pending) -> list[tuple[str, str]]:
        """A session for the user whose code came back. Raises LoginFailed, GrantRefused, Refused, Unavailable."""
        url, form = self.settings["token_url"], self.flow.code_form(said, pending)
        headers, body = self.client.token_request(url, "authorization_code", form)
        tokens = tokens_of(await post(url, headers=headers, body=body, timeout_ms=self.settings["timeout_ms"]), forms=True)
        try:
            allow = await self.people.allow(tokens)
        except TokenRefused:
            raise Unavailable.badly("it does not accept the access token that it has just given") from None
        private: dict[str, Json] = {name: tokens[name] for name in ("access_token", "scope") if name in tokens}
        return await self.sessions.begin(request, allow, data=Renewals.data(self._recheck_at()), private=private)

    async def _renewed(self, session: Session, private: Mapping[str, Json]) -> Renewed:
        """The session by what the provider says of its user now. Raises SessionOver, Unavailable."""
        try:
            allow = await self.people.allow({"access_token": "", **private})
        except TokenRefused:
            raise SessionOver("the provider does not accept its access token any more") from None
        except (NotAllowed, Refused) as error:
            raise SessionOver(str(error)) from None
        if allow.principal.id != session.allow.principal.id:
            raise SessionOver("its access token is another user's")
        return Renewed(allow, self._recheck_at())

    def _recheck_at(self) -> float:
        return float(now().timestamp() + self.settings["recheck_s"])
