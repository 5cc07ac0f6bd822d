"""Permissions that name keys of the configuration come to ask for what stands there, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.config.network import NetworkRule
from mockforge_asgi.config.objects import Grants, Right
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.plugins.asked import MAX_NAMES, resolved
from mockforge_asgi.security.permissions import Permission, Permissions, intersect, what_it_asks


def asked(name: str, config: Any, *keys: str, names: frozenset[str] = frozenset()) -> tuple[Right | None, list[str]]:
    """What the permission comes to ask for, and what is wrong."""
    permissions = Permissions({name: Permission(Right(name, names), config=keys)})
    found, problems = resolved(permissions, config, Locations("m.yaml"), ("plugins", "p", "config"))
    return found.asked[name].right if name in found.asked else None, list(map(str, problems))


@pytest.mark.parametrize(
    ("name", "config", "keys", "expected"),
    [
        ("request.headers", {"header": "X-API-Key"}, ["header"], {"x-api-key"}),
        ("request.cookies", {"cookie": "Session"}, ["cookie"], {"Session"}),
        ("request.query", {"q": "api key"}, ["q"], {"api key"}),
        ("secrets", {"ldap": {"bind_password": "pw"}}, ["ldap.bind_password"], {"pw"}),
        ("secrets", {"keys": {"a": {"secret": "one"}, "b": {"secret": "two"}, "c": {}}}, ["keys.*.secret"], {"one", "two"}),
        ("secrets", {"keys": [{"secret": "one"}, "odd", {"secret": "two"}]}, ["keys.*.secret"], {"one", "two"}),
        ("secrets", {"names": ["one", "two"]}, ["names"], {"one", "two"}),
        ("secrets", {"a": "one", "b": "two"}, ["a", "b"], {"one", "two"}),
        ("secrets", {"a": "one"}, ["*"], {"one"}),
        ("data", {"q": "users/by_id"}, ["q"], {"users/by_id"}),
    ],
)
def test_what_stands_at_a_key_is_asked_for(name: str, config: Any, keys: list[str], expected: set[str]) -> None:
    right, problems = asked(name, config, *keys)
    assert right is not None and right.names == expected and problems == []


@pytest.mark.parametrize("config", [{}, {"other": "x"}, {"keys": None}, {"keys": []}, {"keys": "text"}, None, [], "x"])
def test_a_key_that_is_not_there_asks_for_nothing(config: Any) -> None:
    assert asked("secrets", config, "keys.secret") == (None, [])
    fixed, problems = asked("secrets", config, "keys.secret", names=frozenset({"always"}))
    assert fixed is not None and fixed.names == {"always"} and problems == []


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("request.headers", "*", "'*' is not the name of a header"),
        ("request.headers", "a b", "'a b' is not the name of a header"),
        ("request.headers", 7, "7 is not the name of a header"),
        ("request.headers", {"a": 1}, "is not the name of a header"),
        ("request.cookies", "*", "'*' is not the name of a cookie"),
        ("request.query", "*", "'*' is not the name of a query parameter"),
        ("response.headers", "*", "'*' is not the name of a header"),
        ("secrets", "", "is not the name of an entry under `secrets:`"),
        ("secrets", "a/b", "is not the name of an entry under `secrets:`"),
        ("data", "users", "is not a named query"),
        ("network", "idp.example.com", "is not an http or https URL"),
        ("network", "ftp://idp.example.com", "is not an http or https URL"),
        ("network", "file:///etc/passwd", "is not an http or https URL"),
        ("network", "https://", "is not a network rule"),
        ("network", "https://user:pw@idp.example.com", "the URL has a user in it"),
        ("network", "https://*.example.com/keys", "has a '*' where its host stands"),
        ("network", "https://*/keys", "has a '*' where its host stands"),
        ("network", "https://a.example:99999/", "is not a URL"),
        ("network", "https://[::1/", "is not a URL"),
        ("network", "https://a.example\\@b.example/", "the URL has a user in it"),
        ("network", "https://idp.example.com/ keys", "is not a URL"),
        ("network", "https://idp.exämple.com", "is not a URL"),
        ("network", "http://2130706433/", "is not an address in its plain form"),
        ("network", "http://169.254.169.254/latest/meta-data", "never connected to"),
        ("network", "http://[fe80::1]/", "never connected to"),
        ("network", "http://[::ffff:169.254.169.254]/", "never connected to"),
        ("network", "http://100.100.100.200/", "never connected to"),
        ("network", "http://0.0.0.0/", "never connected to"),
    ],
)
def test_what_names_nothing_is_told_at_its_place(name: str, value: Any, what: str) -> None:
    right, (problem,) = asked(name, {"key": value}, "key")
    assert right is None and problem.startswith("m.yaml plugins.p.config.key: ") and what in problem


def test_a_user_in_a_url_is_not_shown() -> None:
    assert "s3cret" not in "".join(asked("network", {"key": "https://u:s3cret@idp.example.com"}, "key")[1])


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://idp.example.com/.well-known/jwks.json?x=1#y", NetworkRule("https", "idp.example.com", 443, True)),
        ("HTTPS://IDP.Example.com:8443", NetworkRule("https", "idp.example.com", 8443, True)),
        ("http://127.0.0.1:9000/introspect", NetworkRule("http", "127.0.0.1", 9000, True)),
        ("http://[::1]:9000/", NetworkRule("http", "::1", 9000, True)),
        ("http://localhost/", NetworkRule("http", "localhost", 80, True)),
    ],
)
def test_a_url_asks_for_its_origin_addresses_inside_too(url: str, rule: NetworkRule) -> None:
    right, problems = asked("network", {"key": url}, "key")
    assert problems == [] and right is not None and right.network == (rule,)


def test_the_operator_still_grants_what_the_configuration_names() -> None:
    permissions = Permissions({"secrets": Permission(Right("secrets"), config=("key",), reason="why")})
    found, _ = resolved(permissions, {"key": "mine"}, Locations("m.yaml"), ())
    assert intersect(found, Grants()).missing == (Permission(Right("secrets", frozenset({"mine"})), reason="why"),)
    assert intersect(found, Grants({"secrets": Right("secrets", frozenset({"mine", "other"}))})).effective.secrets == {"mine"}
    assert intersect(found, what_it_asks(found)).effective.secrets == {"mine"}


def test_what_is_asked_for_is_granted_but_for_any_host() -> None:
    any_host, one = NetworkRule.parse("https://*", any_host=True), NetworkRule.parse("https://a.example")
    asking = Permissions({"network": Permission(Right("network", network=(any_host,))), "kv": Permission(Right("kv", max_keys=7))})
    met = intersect(asking, what_it_asks(asking, any_host=False))
    assert met.effective.network == () and met.missing == (asking.asked["network"],)
    assert met.effective.kv is not None and met.effective.kv.max_keys == 7
    both = Permissions({"network": Permission(Right("network", network=(any_host, one)))})
    assert intersect(both, what_it_asks(both, any_host=False)).effective.network == (one,)
    assert intersect(asking, what_it_asks(asking)).missing == ()


def test_the_names_that_a_configuration_gives_are_bounded() -> None:
    right, _ = asked("secrets", {"names": [f"n{i}" for i in range(MAX_NAMES * 2)]}, "names")
    assert right is not None and len(right.names) == MAX_NAMES
