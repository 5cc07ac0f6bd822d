"""Logins: to the provider, back by a form that its page posts, and on to a page of our own where the browser shows its cookies.

Browsers send no `SameSite=Lax` cookie along with a form that another site posts. So the response is checked where it is posted, what it
says is kept for a moment, and the browser is sent on to `/done` (303): a GET, with which the cookies come, and where the login is
tied to the browser that began it. Neither a `SameSite=None` cookie, which wants TLS also on a developer's machine, nor a script is needed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from mockforge_plugin import HostError, Json, PluginError, Request, Response, kv, log, now
from mockforge_plugin.login import MAX_SEALED_CHARS, LoginFailed, PendingLogins, Sessions, local_path, moved, page

from .messages import authn_request, form_page
from .parameters import Refused, form_of, one_message
from .people import NoPrincipal, People
from .provider import Unavailable
from .service import Service

_ARRIVED_S: Final = 120.0
_CHOICE: Final = (
    ".idp{display:block;padding:.6rem .9rem;border:1px solid #8888;border-radius:.5rem;color:inherit;text-decoration:none;"
    "overflow-wrap:anywhere}.idp:hover,.idp:focus-visible{border-color:#36f;outline:2px solid #36f}"
)
_TOO_MUCH: Final = "the identity provider says more of this account than can be kept"
_REFUSED: Final = "the response of the identity provider was not accepted"


class Logins:
    """The logins of one service."""

    def __init__(
        self, service: Service, sessions: Sessions, people: Mapping[str, People], *, idp_initiated: bool, labels: Mapping[str, str]
    ) -> None:
        self._service, self._sessions, self._people, self._idp_initiated = service, sessions, people, idp_initiated
        self._pending, self._labels = PendingLogins(sessions), labels

    def path(self, request: Request, **query: str) -> str:
        """Where a login begins."""
        path = self._service.site.path(request, f"{self._service.site.prefix}/login")
        return f"{path}?{urlencode(query)}" if query else path

    async def begin(self, request: Request, name: str | None, return_to: str) -> Response:
        """Send the browser to the provider of that name; where there are several and none is named, ask which."""
        if name is None and len(self._labels) == 1:
            name = next(iter(self._labels))
        if name is None:
            return self._choice(request, return_to)
        if name not in self._labels:
            return self.failed(request, 404, "there is no identity provider of that name", return_to=return_to)
        try:
            return await self._begun(request, name, return_to)
        except Unavailable as error:
            return self.failed(request, error.status, error.words, return_to=return_to)

    async def _begun(self, request: Request, name: str, return_to: str) -> Response:
        """The way to that provider. Raises Unavailable."""
        service, idp = self._service, await self._service.idps[name].known()
        state, headers = await self._pending.begin(request, return_to=return_to, data={"idp": name})
        binding = "redirect" if "redirect" in idp.sso else "post"
        url = idp.sso[binding]["url"]
        message = authn_request(_id_of(state), url, service.entity_id(request), service.acs(request), service.name_id_format)
        if binding == "redirect":
            return moved(await service.redirect(url, "SAMLRequest", message, state), headers)
        return form_page(url, "SAMLRequest", await service.posted(message), state, headers)

    async def arrived(self, request: Request) -> Response:
        """The provider's page posted a response: check it, and send the browser on to where its cookies come along."""
        try:
            _, message, relay_state = one_message(await form_of(request), ("SAMLResponse",))
            said = await self._service.read_login(request, message)
            state = self._state(said, relay_state)
            await self._use_once(said)
        except Refused as error:
            log.warning(f"a response was refused: {error}")
            return self.failed(request, 403, _REFUSED)
        except Unavailable as error:
            return self.failed(request, error.status, error.words)
        handle = secrets.token_urlsafe(24)
        arrived = {"said": said, "state": state, "return_to": local_path(relay_state)}
        kept = await self._sessions.sealer.seal(arrived, "arrived")
        if len(kept) > MAX_SEALED_CHARS:
            log.warning(f"a login at {said['provider']} failed: its attributes are too much: have the provider send fewer")
            return self.failed(request, 502, _TOO_MUCH)
        await kv.set(_arrived(handle), kept, ttl_s=_ARRIVED_S)
        return moved(f"{self._service.site.url(request, 'done')}?{urlencode({'login': handle})}", status=303)

    async def finish(self, request: Request) -> Response:
        """The browser comes on with its cookies: the session, if it is the one that began the login."""
        key = _arrived(request.query.get("login") or "")
        sealed = await kv.get(key)
        kept: Any = None if sealed is None else await self._sessions.sealer.open(sealed, "arrived")
        if kept is None or not await kv.delete(key):
            return self.failed(request, 400, "this login was finished before, or it took too long; begin again")
        said, state, headers, return_to = kept["said"], kept["state"], list[tuple[str, str]](), kept["return_to"]
        try:
            if state is not None:
                pending = await self._pending.finish(request, state)
                headers, return_to = pending.set_headers, pending.return_to
                if pending.data["idp"] != said["provider"]:
                    raise LoginFailed("this browser was sent back by another identity provider than it was sent to; begin again")
            headers = [*headers, *await self._session(request, said)]
        except LoginFailed as error:
            if isinstance(error, NoPrincipal):
                log.warning(f"a login at {said['provider']} failed: {error.why}")
            return self.failed(request, 403, error.reason, headers, return_to=return_to)
        except PluginError as error:
            if isinstance(error, HostError) or error.code != "limit":
                raise
            log.warning(f"a login at {said['provider']} failed: {error}")
            return self.failed(request, 502, _TOO_MUCH, headers, return_to=return_to)
        return moved(return_to, headers, 303)

    async def _session(self, request: Request, said: Mapping[str, Any]) -> list[tuple[str, str]]:
        allow = self._people[said["provider"]].allow(said)
        named: dict[str, Json] = {"name_id": said["name_id"], "session_index": said["session_index"]}
        indexes = session_indexes(said["provider"], said["name_id"], [said["session_index"]])
        return await self._sessions.begin(
            request, allow, data={"idp": said["provider"]}, private=named, expires_s=said["session_until_s"], indexes=indexes
        )

    async def _use_once(self, said: Mapping[str, Any]) -> None:
        """Each assertion is good once, for all workers (profiles §4.1.4.5). Raises Refused."""
        digest = hashlib.sha256(f"{said['provider']}\n{said['assertion_id']}".encode()).hexdigest()
        left_s = max(said["until_s"] - now().timestamp(), 1.0)
        if not await kv.add_if_absent(f"assertion/{digest}", True, ttl_s=left_s):
            raise Refused("its assertion was presented before")

    def _state(self, said: Mapping[str, Any], relay_state: str | None) -> str | None:
        """The login that a response belongs to, by the request that it answers; None where nobody asked for it. Raises Refused."""
        request_id = said["request_id"]
        if request_id is None:
            if not self._idp_initiated:
                raise Refused("it answers no request, which `idp_initiated: true` would accept")
            return None
        state = str(request_id).removeprefix(_id_of(""))
        if relay_state not in (None, "", state):
            raise Refused("RelayState is of another login than the response")
        return state

    def _choice(self, request: Request, return_to: str) -> Response:
        links = "".join(
            f'<p><a class="idp" href="{escape(self.path(request, idp=name, return_to=return_to))}">{escape(label)}</a></p>'
            for name, label in self._labels.items()
        )
        return page("Log in with", links, style=_CHOICE)

    def failed(
        self, request: Request, status: int, words: str, headers: list[tuple[str, str]] | None = None, *, return_to: str | None = None
    ) -> Response:
        """A page: that a login came to nothing, why, and where another one begins, which leads on to that path.

        A query does not come along: it may hold what nobody is to read on a page.
        """
        again = self.path(request, **({"return_to": return_to.partition("?")[0]} if return_to else {}))
        body = f'<p>{escape(words[:1].upper() + words[1:])}.</p><p><a href="{escape(again)}">Log in again</a></p>'
        kept = [pair for pair in headers or () if pair[0] not in ("cache-control", "referrer-policy")]
        return page("The login failed", body, status=status, headers=[*kept, *([("retry-after", "5")] if status == 503 else [])])


def _id_of(state: str) -> str:
    """The id of the request that begins the login of that state: what answers it then needs no RelayState."""
    return f"_{state}"


def _arrived(handle: str) -> str:
    return f"arrived/{hashlib.sha256(handle.encode('utf-8', 'replace')).hexdigest()}"


def session_indexes(provider: str, name_id: Mapping[str, str] | None, indexes: list[str | None]) -> list[str]:
    """What sessions are found by when the provider ends them: all of a name, and one by one."""
    if name_id is None:
        return []
    name = f"{provider}\n{name_id['value']}"
    return [name, *(f"{name}\n{index}" for index in indexes if index is not None)]
