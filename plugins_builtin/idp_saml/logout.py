"""Single logout (SAML profiles §4.4): the browser is led to each service provider of a session, then back to the one that began it.

How far it has come stands in key-value storage under the identifier of the request that is on its way, and each is taken once.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mockforge_plugin import Request, Response, kv, log

from .assertions import PARTIAL_LOGOUT, RESPONDER, SUCCESS, NameId, status
from .elements import REDIRECT, Element, instant, new_id, saml, samlp, written
from .keys import KeyRing
from .messages import BadMessage, LogoutAnswer, LogoutRequest, Message, redirect_query
from .metadata import BadMetadata, Logout
from .page import message_page, onward_page
from .service_providers import Listed, ServiceProvider
from .sessions import Participant, Session, Sessions
from .settings import Addresses
from .signing import signed

LOGOUT_S: Final = 600
"""How long a logout may take."""
_MAX_INDEXES: Final = 10


@dataclass(frozen=True, slots=True)
class Underway:
    """A logout that is under way: who is still to be told, and whom it is answered to, if a service provider began it."""

    remaining: tuple[Participant, ...]
    asked_by: str | None = None
    request_id: str = ""
    relay_state: str | None = None
    is_partial: bool = False

    @property
    def value(self) -> dict[str, Any]:
        """As it is kept."""
        remaining = [[p.entity_id, p.name_id.value, p.name_id.format, p.index] for p in self.remaining]
        return {"remaining": remaining, "begun": [self.asked_by, self.request_id, self.relay_state], "is_partial": self.is_partial}

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Underway:
        """That of a kept value."""
        remaining = tuple(Participant(sp, NameId(name, form), index) for sp, name, form, index in value["remaining"])
        asked_by, request_id, relay_state = value["begun"]
        return cls(remaining, asked_by, request_id, relay_state, value["is_partial"])


class Logouts:
    """Logouts, whoever begins them."""

    def __init__(self, listed: Listed, sessions: Sessions, keys: KeyRing) -> None:
        self._listed, self._sessions, self._keys = listed, sessions, keys

    def of_browser(self, session: Session, at: Addresses, now_s: float) -> Response:
        """One that began here."""
        self._sessions.end(session)
        return self._go_on(Underway(session.participants), at, now_s)

    def of_message(self, message: Message, request: Request, at: Addresses, now_s: float) -> Response:
        """One that a service provider asks for, or what it says of one that it was asked for. Raises BadMessage, BadMetadata."""
        provider = self._listed.find(message.issuer)
        if provider is None or provider.logout is None:
            raise BadMessage(f"no address is known to which {message.issuer} wants its logout messages: write its metadata or `logout_url`")
        message.check(at.at("slo"), provider.certificates, must_be_signed=bool(provider.certificates))
        if message.kind == "LogoutRequest":
            return self._go_on(self._ended(LogoutRequest.read(message), message.relay_state, request), at, now_s)
        if message.kind == "LogoutResponse":
            return self._go_on(_taken(LogoutAnswer.read(message)), at, now_s)
        raise BadMessage(f"a LogoutRequest or LogoutResponse belongs here, not a {message.kind}")

    def _ended(self, wanted: LogoutRequest, relay_state: str | None, request: Request) -> Underway:
        """The logout that is asked for; the sessions are over when this returns."""
        indexes = wanted.session_indexes[:_MAX_INDEXES]
        found = [self._sessions.of_index(index) for index in indexes] if indexes else [self._sessions.of_request(request)]
        sessions = [session for session in found if session is not None and session.is_known_as(wanted.name_id.value, wanted.issuer)]
        for session in sessions:
            self._sessions.end(session)
        others = tuple(p for session in sessions for p in session.participants if p.entity_id != wanted.issuer)
        return Underway(others, wanted.issuer, wanted.id, relay_state)

    def _go_on(self, underway: Underway, at: Addresses, now_s: float) -> Response:
        """The next message: to a service provider that has not been asked, else to the one that began it, else to the user."""
        for place, participant in enumerate(underway.remaining):
            provider = self._known(participant.entity_id)
            if provider is not None and provider.logout is not None:
                rest = replace(underway, remaining=underway.remaining[place + 1 :])
                return self._ask(rest, participant, provider.logout, at, now_s)
            underway = replace(underway, is_partial=True)
        provider = None if underway.asked_by is None else self._known(underway.asked_by)
        if provider is None or provider.logout is None:
            words = "You are logged out here."
            left = " Service providers that take no logout messages do not know of it." if underway.is_partial else ""
            return message_page("Logged out", words + left, headers=self._sessions.gone(at))
        return self._answer(underway, provider.logout, at, now_s)

    def _known(self, entity_id: str) -> ServiceProvider | None:
        try:
            return self._listed.find(entity_id)
        except BadMetadata as error:
            log.warning(f"{entity_id} is not told of a logout: {error}")
            return None

    def _ask(self, rest: Underway, participant: Participant, logout: Logout, at: Addresses, now_s: float) -> Response:
        root = samlp.LogoutRequest(
            saml.Issuer(at.entity_id),
            participant.name_id.element(),
            samlp.SessionIndex(participant.index),
            **_head(logout.url, now_s),
            NotOnOrAfter=instant(now_s + LOGOUT_S),
        )
        kv.set(_key(root.get("ID")), {"sent_to": participant.entity_id, **rest.value}, ttl_s=LOGOUT_S).result()
        return self._sent(root, "SAMLRequest", logout.url, logout.binding, None, at, now_s)

    def _answer(self, underway: Underway, logout: Logout, at: Addresses, now_s: float) -> Response:
        url = logout.response_url or logout.url
        said = status((RESPONDER, PARTIAL_LOGOUT) if underway.is_partial else (SUCCESS,))
        root = samlp.LogoutResponse(saml.Issuer(at.entity_id), said, **_head(url, now_s), InResponseTo=underway.request_id)
        return self._sent(root, "SAMLResponse", url, logout.binding, underway.relay_state, at, now_s)

    def _sent(self, root: Element, name: str, url: str, binding: str, relay_state: str | None, at: Addresses, now_s: float) -> Response:
        signer = self._keys.keys(now_s).current
        if binding == REDIRECT:
            query = redirect_query(name, written(root), relay_state, signer)
            return Response.redirect(f"{url}{'&' if '?' in url else '?'}{query}", headers=[("cache-control", "no-store")])
        relayed = [] if relay_state is None else [("RelayState", relay_state)]
        return onward_page(url, [(name, b64encode(written(signed(root, ".", signer))).decode()), *relayed])


def _taken(answer: LogoutAnswer) -> Underway:
    """The logout that it belongs to; once. Raises BadMessage."""
    key = _key(answer.in_response_to)
    value = kv.get(key).result()
    if value is None or value["sent_to"] != answer.issuer or not kv.delete(key).result():
        raise BadMessage("the LogoutResponse answers no request of a logout that is under way")
    underway = Underway.of(value)
    return underway if answer.is_success else replace(underway, is_partial=True)


def _head(destination: str, now_s: float) -> dict[str, str]:
    return {"ID": new_id(), "Version": "2.0", "IssueInstant": instant(now_s), "Destination": destination}


def _key(request_id: str) -> str:
    return f"logout/{hashlib.sha256(request_id.encode()).hexdigest()}"
