"""From what an assertion says to a principal: which of its names and attributes make its id, roles, groups, name and e-mail address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin import Allow, Json, Principal
from mockforge_plugin.login import LoginFailed

NAME_ID: Final = "name_id"
_MAX_ID: Final = 512
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class NoPrincipal(LoginFailed):
    """Somebody whom the provider vouches for, and who cannot be told from others; `why` is for the operator."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__("the identity provider does not say who you are in a way that is accepted here")


@dataclass(frozen=True, slots=True)
class People:
    """How one provider's assertions are read. Attributes are named by `Name` or `FriendlyName`."""

    provider: str
    id: str = NAME_ID
    id_prefix: str = ""
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    name: str | None = None
    email: str | None = None
    claims: frozenset[str] | None = None
    """The attributes that become claims; None: all."""

    @classmethod
    def from_config(cls, name: str, config: Mapping[str, Any]) -> People:
        """As configured for all providers, or for this one."""
        own = {**config, **config["idps"][name]}
        claims = own.get("claims")
        return cls(
            name,
            own["principal"],
            own.get("id_prefix", ""),
            tuple(own.get("roles") or ()),
            tuple(own.get("groups") or ()),
            own.get("name"),
            own.get("email"),
            None if claims is None else frozenset(claims),
        )

    def allow(self, said: Mapping[str, Any]) -> Allow:
        """Who the assertion is about. Raises NoPrincipal."""
        values = _by_name(said["attributes"])
        name_id = said["name_id"]
        ids = ([] if name_id is None else [name_id["value"]]) if self.id == NAME_ID else values.get(self.id, [])
        if len(ids) != 1 or len(ids[0]) > _MAX_ID or _CONTROL.search(ids[0]):
            raise NoPrincipal(
                f"the assertion has not one usable value of {self.id!r}, which `principal` names; it has {sorted(values)!r:.500}"
            )
        principal = Principal(
            self.id_prefix + ids[0],
            _all(values, self.roles),
            _all(values, self.groups),
            next(iter(values.get(self.name or "", ())), None),
            next(iter(values.get(self.email or "", ())), None),
        )
        return Allow(principal, self._claims(said))

    def _claims(self, said: Mapping[str, Any]) -> dict[str, Json]:
        attributes = {
            each["name"]: each["values"]
            for each in said["attributes"]
            if self.claims is None or not self.claims.isdisjoint((each["name"], each["friendly_name"]))
        }
        return {"idp": self.provider, "name_id": said["name_id"], "authn_context": said["authn_context"], "attributes": attributes}


def _by_name(attributes: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Values by both names of each attribute; where a friendly name is another one's name, the name counts."""
    found: dict[str, list[str]] = {}
    for key in ("friendly_name", "name"):
        for each in attributes:
            if each[key]:
                found[each[key]] = each["values"]
    return found


def _all(values: Mapping[str, list[str]], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for name in names for value in values.get(name, ())))
