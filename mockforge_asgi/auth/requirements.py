"""What a rule requires of a caller that may pass: roles of the principal, scopes of its claims. What is missing is told by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mockforge_asgi.config.objects import Requirement
from mockforge_asgi.contract import Allow, Json

SCOPE_CLAIMS: Final = ("scope", "scp", "scopes")
"""Claims that hold scopes, as a text with blanks between (RFC 8693 §4.2) or as a list."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What a caller lacks: roles and scopes by name; where one of several alternatives would do, what each lacks."""

    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    any: tuple[Lack, ...] = ()

    def __str__(self) -> str:
        parts = [*(_named("role", self.roles)), *(_named("scope", self.scopes))]
        if self.any:
            parts.append("one of (" + "; or ".join(map(str, self.any)) + ")")
        return " and ".join(parts)


def lack(requirement: Requirement, allow: Allow) -> Lack | None:
    """What the caller lacks of the requirement; None: nothing."""
    return _lack(requirement, frozenset(allow.principal.roles), frozenset(scopes_of(allow.claims)))


def _lack(requirement: Requirement, roles: frozenset[str], scopes: frozenset[str]) -> Lack | None:
    if not requirement.any and roles.issuperset(requirement.roles) and scopes.issuperset(requirement.scopes):
        return None
    alternatives = tuple(_lack(one, roles, scopes) for one in requirement.any)
    lacking = Lack(
        tuple(role for role in requirement.roles if role not in roles),
        tuple(scope for scope in requirement.scopes if scope not in scopes),
        () if None in alternatives else tuple(one for one in alternatives if one is not None),
    )
    return lacking if lacking.roles or lacking.scopes or lacking.any else None


def needed_scopes(requirement: Requirement) -> tuple[str, ...]:
    """The scopes that a token needs in any case, for a challenge (RFC 6750 §3); with one alternative more, its scopes too."""
    first = requirement.any[0].scopes if len(requirement.any) == 1 else ()
    return tuple(dict.fromkeys((*requirement.scopes, *first)))


def scopes_of(claims: Mapping[str, Json]) -> Iterator[str]:
    """The scopes that claims tell of."""
    for name in SCOPE_CLAIMS:
        value = claims.get(name)
        if isinstance(value, str):
            yield from value.split()
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))


def _named(kind: str, names: tuple[str, ...]) -> list[str]:
    return [f"the {kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"] if names else []
