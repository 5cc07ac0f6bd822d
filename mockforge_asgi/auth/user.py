"""The caller in Starlette's conventions: `scope["user"]` and `scope["auth"]`, which `request.user` and `@requires` read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser

from mockforge_asgi.auth.requirements import scopes_of
from mockforge_asgi.contract import Principal
from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.types import Json, Scope


class PluginUser(BaseUser):
    """A caller that an auth plugin let pass."""

    def __init__(self, principal: Principal, claims: Mapping[str, Json]) -> None:
        self._principal, self._claims = principal, claims

    @cached_property
    def principal(self) -> Principal:
        """Who it is; the app's own copy, as the decision that it is of may be that about other requests, too."""
        return replace(self._principal, attributes=loads(dumps(dict(self._principal.attributes))))

    @cached_property
    def claims(self) -> dict[str, Json]:
        """What auth found said of it; the app's own copy."""
        made: dict[str, Json] = loads(dumps(dict(self._claims)))
        return made

    @property
    def is_authenticated(self) -> bool:
        """Always true."""
        return True

    @property
    def display_name(self) -> str:
        """The principal's name, or its id where it has none."""
        return self._principal.name or self._principal.id

    @property
    def identity(self) -> str:
        """The principal's id."""
        return self._principal.id

    @property
    def roles(self) -> tuple[str, ...]:
        """The principal's roles."""
        return self._principal.roles

    @property
    def groups(self) -> tuple[str, ...]:
        """The principal's groups."""
        return self._principal.groups

    @property
    def email(self) -> str | None:
        """The principal's address, if it is known."""
        return self._principal.email


def credentials(principal: Principal, claims: Mapping[str, Json]) -> AuthCredentials:
    """`authenticated`, the principal's roles, and the scopes of its token (`scope` of RFC 8693 §4.2, `scp` or `scopes`)."""
    return AuthCredentials(list(dict.fromkeys(["authenticated", *principal.roles, *scopes_of(claims)])))


def with_user(scope: Scope, principal: Principal, claims: Mapping[str, Json]) -> Scope:
    """A scope that carries the caller."""
    return {**scope, "user": PluginUser(principal, claims), "auth": credentials(principal, claims)}


def with_anonymous(scope: Scope) -> Scope:
    """A scope whose caller is nobody, unless somebody outside of us has said who it is."""
    if "user" in scope:
        return scope
    return {**scope, "user": UnauthenticatedUser(), "auth": AuthCredentials()}
