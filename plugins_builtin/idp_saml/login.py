"""Logins: from who is asked for, by whom and how, to the response that a service provider gets."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin import HostError, kv

from .assertions import NAME_ID_FORMATS, PASSWORD, SUCCESS, Facts, NameId
from .defects import DEFECTS, NO_DEFECT, NONE, REPLAYED, issued
from .elements import new_id
from .keys import KeyRing
from .messages import LoginRequest
from .service_providers import ServiceProvider
from .settings import Addresses, User

_EARLY_S: Final = 60
"""So long before now an assertion begins to be valid: clocks differ."""
_REMEMBERED_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Asked:
    """A login that is wanted: for whom, to which address, and in answer to what."""

    provider: ServiceProvider
    acs: str
    relay_state: str | None = None
    request: LoginRequest | None = None
    """None where nobody asked: the login began here."""
    in_response_to: str | None = None

    def format(self, default: str) -> str:
        """The format of names that is wanted."""
        asked = None if self.request is None else self.request.name_id_format
        own = self.provider.name_id_format
        fallback = default if own is None else NAME_ID_FORMATS[own]
        return fallback if asked is None or asked == NAME_ID_FORMATS["unspecified"] else asked

    def fields(self, response: bytes) -> Sequence[tuple[str, str]]:
        """What the browser takes to the service provider."""
        relayed = [] if self.relay_state is None else [("RelayState", self.relay_state)]
        return [("SAMLResponse", b64encode(response).decode()), *relayed]


class Issuer:
    """Makes responses."""

    def __init__(self, config: Mapping[str, Any], keys: KeyRing) -> None:
        self._config, self._keys = config, keys

    def refusal(self, asked: Asked, addresses: Addresses, codes: tuple[str, ...], words: str, now_s: float) -> bytes:
        """A response without an assertion, that says why."""
        facts = self._facts(asked, addresses, NameId(""), {}, new_id(), now_s, status=codes, message=words, has_assertion=False)
        return issued(facts, asked.provider.seal, self._keys.keys(now_s), NO_DEFECT)

    def response(self, asked: Asked, user: User, name_id: NameId, index: str, defect: str, addresses: Addresses, now_s: float) -> bytes:
        """A response with an assertion about that user, with that defect."""
        facts = self._facts(
            asked, addresses, name_id, user.said(), index, now_s, assertion_id=_assertion_id(asked.provider.entity_id, defect)
        )
        chosen = NO_DEFECT if defect == NONE else DEFECTS[defect]
        return issued(facts, asked.provider.seal, self._keys.keys(now_s), chosen)

    def _facts(
        self, asked: Asked, addresses: Addresses, name_id: NameId, said: Mapping[str, Sequence[str]], index: str, now_s: float, **more: Any
    ) -> Facts:
        given: dict[str, Any] = {"status": (SUCCESS,), "assertion_id": new_id(), **more}
        return Facts(
            response_id=new_id(),
            session_index=index,
            issued_s=now_s,
            issuer=addresses.entity_id,
            destination=asked.acs,
            recipient=asked.acs,
            audience=asked.provider.entity_id,
            in_response_to=asked.in_response_to if asked.request is None else asked.request.id,
            name_id=name_id,
            attributes=said,
            not_before_s=now_s - _EARLY_S,
            until_s=now_s + self._config["assertion_s"],
            session_until_s=now_s + self._config["session_s"],
            context=(asked.request and asked.request.context) or PASSWORD,
            **given,
        )


def _assertion_id(entity_id: str, defect: str) -> str:
    """A new identifier; for a replay, that of the last assertion for the same service provider."""
    key = f"last/{hashlib.sha256(entity_id.encode()).hexdigest()}"
    if defect == REPLAYED and (last := kv.get(key).result()) is not None:
        return str(last)
    found = new_id()
    try:
        kv.set(key, found, ttl_s=_REMEMBERED_S).result()
    except HostError as error:
        if error.code != "limit":  # where nothing more is kept, the next replay is none
            raise
    return found
