"""Sessions of browsers with this provider: who has logged in, and at which service providers, kept for all workers.

The cookie holds a secret, of which service providers are told a digest alone (`SessionIndex`), by which they can ask for the end of it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mockforge_plugin import HostError, Request, cookie, kv, log

from .assertions import NameId
from .settings import Addresses

COOKIE: Final = "idp_saml_session"
MAX_PARTICIPANTS: Final = 50
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Participant:
    """A service provider at which a session's user is logged in, what they are called there, and the session's index."""

    entity_id: str
    name_id: NameId
    index: str


@dataclass(frozen=True, slots=True)
class Session:
    """One browser's."""

    index: str
    """What service providers know it by."""
    user: str
    participants: tuple[Participant, ...] = ()

    def is_known_as(self, name: str, entity_id: str) -> bool:
        """Whether its user is called so at that service provider."""
        return any(p.entity_id == entity_id and p.name_id.value == name for p in self.participants)

    @property
    def value(self) -> dict[str, Any]:
        """As it is kept."""
        return {"user": self.user, "at": [[p.entity_id, p.name_id.value, p.name_id.format] for p in self.participants]}

    @classmethod
    def of(cls, index: str, value: Mapping[str, Any]) -> Session:
        """That of a kept value."""
        return cls(index, value["user"], tuple(Participant(sp, NameId(name, form), index) for sp, name, form in value["at"]))


class Sessions:
    """All of them; each ends after `lifetime_s`."""

    def __init__(self, lifetime_s: float) -> None:
        self.lifetime_s = lifetime_s

    def of_request(self, request: Request) -> Session | None:
        """The session of the browser that sent it."""
        value = request.cookies.get(COOKIE)
        return None if not value or len(value) > 200 else self.of_index(_index(value))

    def of_index(self, index: str) -> Session | None:
        """The session that service providers know by that index."""
        found = kv.get(f"session/{index[:200]}").result()
        return None if found is None else Session.of(index, found)

    def begin(self, user: str, addresses: Addresses) -> tuple[Session, list[tuple[str, str]]]:
        """A new one, and the headers that tell the browser."""
        value = secrets.token_urlsafe(32)
        session = Session(_index(value), user)
        is_secure = addresses.base.startswith("https:")
        return session, [cookie(COOKIE, value, max_age_s=int(self.lifetime_s), path=addresses.path, secure=is_secure)]

    def join(self, session: Session, entity_id: str, name_id: NameId) -> None:
        """Note that its user has logged in there. Where no more can be kept, logging out there is up to the user."""
        key, participant = f"session/{session.index}", Participant(entity_id, name_id, session.index)
        try:
            for _ in range(_TRIES):
                kept = kv.get(key).result()
                known = (session if kept is None else Session.of(session.index, kept)).participants
                others = tuple(p for p in known if p.entity_id != participant.entity_id)
                value = replace(session, participants=(*others, participant)[-MAX_PARTICIPANTS:]).value
                if kv.compare_and_set(key, kept, value, ttl_s=self.lifetime_s).result():
                    return
        except HostError as error:
            if error.code != "limit":
                raise
            log.warning(f"a session was not kept, so that nobody can log out of it: {error.message}")

    def end(self, session: Session) -> None:
        """End it, for all workers."""
        kv.delete(f"session/{session.index}").result()

    def gone(self, addresses: Addresses) -> list[tuple[str, str]]:
        """The headers that make the browser forget it."""
        return [cookie(COOKIE, "", max_age_s=0, path=addresses.path, secure=addresses.base.startswith("https:"))]


def _index(value: str) -> str:
    return "_" + hashlib.sha256(value.encode()).hexdigest()[:40]
