"""Claims that become a principal: paths to its id, roles, groups, name and e-mail address.

The same file stands in every built-in plugin that reads claims; a test keeps them alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mockforge_plugin import Json, Principal

from .bearer import Refused

ClaimPath: TypeAlias = tuple[str, ...]
MAX_ID: Final = 512
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def read_path(value: str | Iterable[str]) -> ClaimPath:
    """`realm_access.roles`, or the names one by one: `["https://x/roles"]`."""
    return tuple(value.split(".")) if isinstance(value, str) else tuple(value)


def path_problem(value: str | Iterable[str]) -> str | None:
    """What is wrong with a path, and what to write."""
    if isinstance(value, str) and "/" in value:
        return f"'{value}' would be taken apart at its dots. Write a name that has dots as a list: [[\"{value}\"]]"
    if not all(read_path(value)):
        return "a part of the path is empty. Write the names of nested claims with one dot between them"
    return None


def value_at(claims: Mapping[str, Json], path: ClaimPath) -> Json:
    """The value at the end of the path, or None."""
    found: Any = claims
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def texts_at(claims: Mapping[str, Json], paths: Iterable[ClaimPath]) -> tuple[str, ...]:
    """The strings at all of the paths, each once, in order: lists of strings and single ones."""
    found: dict[str, None] = {}
    for path in paths:
        value = value_at(claims, path)
        if isinstance(value, str):
            found.update(dict.fromkeys([value] if value else []))
        elif isinstance(value, list):
            found.update(dict.fromkeys(item for item in value if isinstance(item, str) and item))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class PrincipalPaths:
    """Where in the claims a principal's parts stand."""

    id: ClaimPath = ("sub",)
    roles: tuple[ClaimPath, ...] = ()
    groups: tuple[ClaimPath, ...] = ()
    name: ClaimPath = ("name",)
    email: ClaimPath = ("email",)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PrincipalPaths:
        """As the configuration has them."""

        def paths(key: str) -> tuple[ClaimPath, ...]:
            return tuple(map(read_path, config.get(key) or ()))

        identity, name, email = (read_path(config[key]) for key in ("principal", "name", "email"))
        return cls(identity, paths("roles"), paths("groups"), name=name, email=email)

    def principal(self, claims: Mapping[str, Json]) -> Principal:
        """Who the claims are about. Raises Refused where they do not say it."""
        identity = value_at(claims, self.id)
        if type(identity) is int:
            identity = str(identity)
        if not isinstance(identity, str) or not identity or len(identity) > MAX_ID or _CONTROL.search(identity):
            raise Refused("the token does not say who it is about in the claim that the principal is taken from")
        name, email = value_at(claims, self.name), value_at(claims, self.email)
        is_vouched_for = self.email != ("email",) or claims.get("email_verified", True) is not False
        return Principal(
            identity,
            texts_at(claims, self.roles),
            texts_at(claims, self.groups),
            name if isinstance(name, str) and name else None,
            email if isinstance(email, str) and email and is_vouched_for else None,
        )
