"""A login as plugins have them, without the identity provider: whoever brings back the state says who the user is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mockforge_plugin import Allow, AuthPlugin, Decision, HostError, Principal, Reply, Request, Response, endpoint, secret
from mockforge_plugin.login import LoginFailed, Logout, PendingLogins, Sessions, Site, is_navigation, page


class Desk(AuthPlugin):
    """Lets sessions pass and sends persons to the login; its answers say which worker gave them."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What is wrong with `session:`."""
        return [(f"session.{key}" if key else "session", words) for key, words in Sessions.problems(config.get("session"))]

    def init(self) -> None:
        """Make the sessions."""
        self.sessions = Sessions.from_config(self.config.get("session"), secret, self.plugin)
        self.logins = PendingLogins(self.sessions)
        self.logouts = Logout(self.sessions, Site.of(self.config["public_url"], self.plugin), after="/")
        self.worker = (("x-worker", str(os.getpid())),)

    def capabilities(self) -> Mapping[str, Any]:
        """What programs are asked for."""
        return {"schemes": ["Cookie"], "challenge": "Cookie"}

    async def authenticate(self, request: Request) -> Decision:
        """Who has a session passes."""
        session = await self.sessions.find(request)
        if session is not None:
            return replace(session.allow, set_headers=(*session.allow.set_headers, *self.worker))
        if not is_navigation(request):
            return None
        state, headers = await self.logins.begin(request, return_to=request.raw_path, data={"nonce": "n"})
        return Reply(Response.redirect(f"https://idp.example/authorize?state={state}", 302, headers))

    @endpoint("callback")
    async def callback(self, request: Request) -> Response:
        """The provider sends the browser back."""
        try:
            login = await self.logins.finish(request, request.query.get("state") or "")
            if not (user := request.query.get("user")):
                return page("Login failed", "<p>The provider does not know you.</p>", status=403, headers=self.worker)
            begun = await self.sessions.begin(request, allowed(request, user), private={"refresh": f"of {user}"}, indexes=[f"sub {user}"])
        except LoginFailed as failed:
            return page("Login failed", f"<p>{failed.reason}</p>", status=400, headers=self.worker)
        except HostError:
            return page("Not now", "<p>Logins cannot be kept at the moment.</p>", status=503, headers=self.worker)
        return Response.redirect(login.return_to, 303, [*login.set_headers, *begun, *self.worker])

    @endpoint("change")
    async def change(self, request: Request) -> Response:
        """The provider has told of other roles."""
        session = await self.sessions.find(request)
        if session is None:
            return Response.text("no session", 401, self.worker)
        headers = await self.sessions.renew(request, session, allow=allowed(request, session.allow.principal.id))
        return Response.text("changed", 200, [*headers, *self.worker])

    @endpoint("logout")
    async def logout(self, request: Request) -> Response:
        """The person at the browser logs out."""
        return await self.logouts.answer(request)

    @endpoint("provider-logout")
    async def provider_logout(self, request: Request) -> Response:
        """The provider ends all sessions of a user."""
        return Response.json({"ended": await self.sessions.end_by(f"sub {request.query.get('user')}")}, headers=self.worker)


def allowed(request: Request, user: str) -> Allow:
    """The user with what the provider says."""
    roles = tuple(filter(None, (request.query.get("roles") or "").split(" ")))
    return Allow(Principal(user, roles), {"claim": request.query.get("claim") or ""})
