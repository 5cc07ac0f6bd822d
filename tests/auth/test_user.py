"""The caller in Starlette's conventions, read by Starlette itself."""

from __future__ import annotations

import pytest
from starlette.authentication import has_required_scope
from starlette.requests import Request

from mockforge_asgi.auth.user import with_anonymous, with_user
from mockforge_asgi.contract import Principal
from mockforge_asgi.types import Json, Scope

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, []),
        ({"scope": "read write"}, ["read", "write"]),
        ({"scp": ["read", 5, "write"]}, ["read", "write"]),
        ({"scp": "read", "scope": "write read"}, ["write", "read"]),
        ({"scope": 7, "scp": {"read": True}}, []),
    ],
)
def test_roles_and_scopes_are_what_requires_asks_for(claims: dict[str, Json], scopes: list[str]) -> None:
    request = Request(with_user(SCOPE, Principal("u1", ("admin", "admin")), claims))
    assert list(request.auth.scopes) == ["authenticated", "admin", *scopes]
    assert has_required_scope(request, ["authenticated", "admin"]) and not has_required_scope(request, ["other"])


def test_the_user_is_the_principal() -> None:
    user = Request(with_user(SCOPE, Principal("u1", name="Ada"), {"a": 1})).user
    assert (user.is_authenticated, user.identity, user.display_name, user.claims) == (True, "u1", "Ada", {"a": 1})
    assert Request(with_user(SCOPE, Principal("u1"), {})).user.display_name == "u1"


def test_what_an_app_changes_of_the_user_is_its_own() -> None:
    principal, claims = Principal("u1", attributes={"a": {"b": 1}}), {"c": [1]}
    user = Request(with_user(SCOPE, principal, claims)).user
    user.principal.attributes["a"]["b"] = user.claims["d"] = 2
    user.claims["c"].append(2)
    assert (principal.attributes, claims) == ({"a": {"b": 1}}, {"c": [1]})
    assert (user.principal.attributes, user.claims) == ({"a": {"b": 2}}, {"c": [1, 2], "d": 2})


def test_a_plugins_caller_goes_before_one_from_outside_and_an_anonymous_one_does_not() -> None:
    outside = with_user(SCOPE, Principal("outside"), {})
    assert Request(with_user(outside, Principal("inside"), {})).user.identity == "inside"
    assert Request(with_anonymous(outside)).user.identity == "outside"
    nobody = Request(with_anonymous(SCOPE))
    assert not nobody.user.is_authenticated and list(nobody.auth.scopes) == []
    assert "user" not in SCOPE
