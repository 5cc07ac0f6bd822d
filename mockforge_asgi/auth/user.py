"""The caller in Starlette's conventions: `scope["user"]` and `scope["auth"]`, which `request.user` and `@requires` read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser

from mockforge_asgi.contract import Principal
from mockforge_asgi.types import Json, Scope


class PluginUser(BaseUser):
    """A caller that an auth plugin let pass."""

    def __init__(self, principal: Principal, claims: Mapping[str, Json]) -> None:
        self.principal, self.claims = principal, claims

    @property
    def is_authenticated(self) -> bool:
        """Always true."""
        return True

    @property
    def display_name(self) -> str:
        """The principal's name, or its id where it has none."""
        return self.principal.name or self.principal.id

    @property
    def identity(self) -> str:
        """The principal's id."""
        return self.principal.id


def credentials(principal: Principal, claims: Mapping[str, Json]) -> AuthCredentials:
    """`authenticated`, the principal's roles, and the scopes of its token (`scope` of RFC 8693 §4.2, or `scp`)."""
    return AuthCredentials(list(dict.fromkeys(["authenticated", *principal.roles, *_scopes(claims)])))


def _scopes(claims: Mapping[str, Json]) -> Iterator[str]:
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            yield from value.split()
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))


def with_user(scope: Scope, principal: Principal, claims: Mapping[str, Json]) -> Scope:
    """A scope that carries the caller."""
    return {**scope, "user": PluginUser(principal, claims), "auth": credentials(principal, claims)}


def with_anonymous(scope: Scope) -> Scope:
    """A scope whose caller is nobody, unless somebody outside of us has said who it is."""
    if "user" in scope:
        return scope
    return {**scope, "user": UnauthenticatedUser(), "auth": AuthCredentials()}
