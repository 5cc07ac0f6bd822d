"""Single logout (SAML profiles §4.4): told to the provider when somebody logs out here, and done when the provider says so."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any

from mockforge_plugin import Json, Request, Response, kv, log, now
from mockforge_plugin.login import Session, Sessions, moved, page

from .logins import session_indexes
from .messages import form_page, logout_request, logout_response
from .parameters import Refused, form_of, one_message
from .provider import Unavailable
from .service import Service


class Logouts:
    """Logout messages of one service; without a key of its own, with which its answers are signed, there are none."""

    def __init__(self, service: Service, sessions: Sessions, *, after: str | None) -> None:
        self._service, self._sessions, self._after = service, sessions, after

    async def onward(self, request: Request, session: Session, private: Mapping[str, Json]) -> str | None:
        """Where the provider ends its own session; None where it, or this service, takes no part in that."""
        name_id, index, idp = private.get("name_id"), private.get("session_index"), self._service.idps.get(str(session.data.get("idp")))
        if idp is None or self._service.private_key is None or not isinstance(name_id, dict):
            return None
        try:
            place = (await idp.known()).slo.get("redirect")
            if place is None:
                return None
            entity_id = self._service.entity_id(request)
            message = logout_request(place["url"], entity_id, name_id, index if isinstance(index, str) else None)
            return await self._service.redirect(place["url"], "SAMLRequest", message)
        except Unavailable:
            return None  # the session here has ended all the same

    async def answer(self, request: Request) -> Response:
        """The answer of the endpoint `/slo`: to what the provider sends by the browser, in a redirect or a form."""
        if self._service.private_key is None:
            return page("There is no single logout", "<p>This service has no key for it.</p>", status=404)
        try:
            pairs = request.query if request.method == "GET" else await form_of(request)
            kind, message, relay_state = one_message(pairs, ("SAMLRequest", "SAMLResponse"))
            query = request.query_string if request.method == "GET" else None
            if request.method == "GET" and query is None:
                raise Refused("its query cannot be seen whole")
            said = await self._service.read_logout(request, message, query)
            if (said["kind"] == "request") != (kind == "SAMLRequest"):
                raise Refused("it is not what its parameter says")
            if said["kind"] == "request":
                return await self._asked(request, said, relay_state)
        except Refused as error:
            log.warning(f"a logout message was refused: {error}")
            return page("The logout failed", "<p>The message of the identity provider was not accepted.</p>", status=403)
        except Unavailable as error:
            words = escape(error.words[:1].upper() + error.words[1:])
            return page("The logout failed", f"<p>{words}.</p>", status=error.status, headers=[("retry-after", "5")])
        return self._logged_out(request, is_complete=said["is_success"])

    async def _asked(self, request: Request, said: Mapping[str, Any], relay_state: str | None) -> Response:
        """The provider ends sessions: the one of this browser, and others of the same name that it means. Raises Refused, Unavailable."""
        digest = hashlib.sha256(f"{said['provider']}\n{said['id']}".encode()).hexdigest()
        if await kv.get(f"logout/{digest}") is not None:
            raise Refused("it was presented before")
        before = await self._sessions.find(request)
        whole, *single = session_indexes(said["provider"], {"value": said["name_id"]}, said["session_indexes"])
        for index in single or [whole]:
            await self._sessions.end_by(index)
        await kv.set(f"logout/{digest}", True, ttl_s=max(said["until_s"] - now().timestamp(), 1.0))  # not before they have ended
        headers = list[tuple[str, str]]()
        if before is not None and await self._sessions.find(request) is None:
            headers = await self._sessions.end(request, before)
        idp = await self._service.idps[said["provider"]].known()
        binding = "redirect" if "redirect" in idp.slo else "post"
        if binding not in idp.slo:
            return self._logged_out(request, is_complete=True, headers=headers)
        url = idp.slo[binding]["answers"]
        message = logout_response(url, self._service.entity_id(request), said["id"])
        if binding == "redirect":
            return moved(await self._service.redirect(url, "SAMLResponse", message, relay_state), headers)
        return form_page(url, "SAMLResponse", await self._service.posted(message), relay_state, headers)

    def _logged_out(self, request: Request, *, is_complete: bool, headers: list[tuple[str, str]] | None = None) -> Response:
        if is_complete:
            site = self._service.site
            return moved(site.base(request) + self._after if self._after else site.url(request, "logout"), headers, 303)
        words = "You are logged out here. The identity provider says that it could not log you out everywhere: close the browser."
        return page("You are logged out", f"<p>{words}</p>")
