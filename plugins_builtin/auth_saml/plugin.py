"""auth-saml: browsers are logged in at SAML 2.0 identity providers.

Who has a session passes; a browser that has none is sent to the provider, and everybody else gets a 401. XML of others is read in
worker processes alone (`worker.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mockforge_plugin import AuthPlugin, Decision, Health, Json, Reply, Request, Response, endpoint, secret
from mockforge_plugin.context import detached, entered
from mockforge_plugin.login import Logout, Session, Sessions, Site, is_navigation, storage_page

from .logins import Logins
from .logouts import Logouts
from .people import People
from .service import Service
from .settings import problems


class SamlAuth(AuthPlugin):
    """Accepts who has logged in at one of the identity providers."""

    def validate_config(self, config: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(problems(config))

    def init(self) -> None:
        """Read the secrets; nothing is asked yet."""
        config = self.config
        self.site = Site.of(config.get("public_url"), self.plugin)
        self.sessions = Sessions.from_config(config["session"], secret, self.plugin)
        self.service = Service.from_config(config, self.site, secret)
        people = {name: People.from_config(name, config) for name in config["idps"]}
        labels = {name: idp.source.label for name, idp in self.service.idps.items()}
        self.logins = Logins(self.service, self.sessions, people, idp_initiated=config["idp_initiated"], labels=labels)
        self.logouts = Logouts(self.service, self.sessions, after=config.get("after_logout"))

    async def start(self) -> None:
        """Read what the providers say of themselves; nobody waits for it, since one may be a part of the server that starts."""
        with entered(detached()):
            self.preparing = asyncio.ensure_future(self.service.prepare())

    async def stop(self) -> None:
        """End what is under way."""
        self.preparing.cancel()
        for idp in self.service.idps.values():
            await idp.close()

    def capabilities(self) -> Mapping[str, Json]:
        """The challenge of callers that are no browsers: SAML has none of its own, and what counts is a cookie."""
        return {"schemes": ["Cookie"], "redirects": True, "challenge": 'Cookie realm="{config.realm}"'}

    def health(self) -> Health:
        """Whether the providers' metadata could be read."""
        ill = [name for name, idp in self.service.idps.items() if not idp.is_well]
        if not ill:
            return Health()
        words = f"the metadata of {', '.join(ill)} cannot be read"
        return Health("down" if len(ill) == len(self.service.idps) else "degraded", words)

    async def authenticate(self, request: Request) -> Decision:
        """Who has a session passes; browsers that have none are sent to log in."""
        session = await self.sessions.find(request)
        if session is not None and session.data.get("idp") in self.service.idps:  # and not of one that was taken out
            return session.allow
        if not self.config["redirect"] or not is_navigation(request):
            return None
        return Reply(await self.logins.begin(request, None, self.site.here(request)))

    @endpoint("login")
    @storage_page("The login failed")
    async def begin_login(self, request: Request) -> Response:
        """`/login?idp=NAME&return_to=/path`: send the browser to the provider."""
        return await self.logins.begin(request, request.query.get("idp"), request.query.get("return_to") or self.site.path(request, "/"))

    @endpoint("acs")
    @storage_page("The login failed")
    async def take_response(self, request: Request) -> Response:
        """`/acs`: the provider's page posts its response (AssertionConsumerService)."""
        return await self.logins.arrived(request)

    @endpoint("done")
    @storage_page("The login failed")
    async def finish_login(self, request: Request) -> Response:
        """`/done`: the browser comes on with its cookies."""
        return await self.logins.finish(request)

    @endpoint("metadata")
    async def describe(self, request: Request) -> Response:
        """`/metadata`: what providers are to know of this service."""
        return Response(200, (("content-type", "application/samlmetadata+xml"),), self.service.metadata(request).encode())

    @endpoint("logout")
    async def end_session(self, request: Request) -> Response:
        """`/logout`: ask with GET, log out with POST."""

        async def onward(session: Session, kept: Mapping[str, Json], back: str) -> str | None:
            return await self.logouts.onward(request, session, kept)

        logout = Logout(self.sessions, self.site, after=self.config.get("after_logout"), onward=onward, anywhere=True)
        return await logout.answer(request)

    @endpoint("slo")
    @storage_page("The logout failed")
    async def take_logout(self, request: Request) -> Response:
        """`/slo`: logout messages of the provider (SingleLogoutService)."""
        return await self.logouts.answer(request)
