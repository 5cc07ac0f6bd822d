"""What is wrong with a configuration is told with what to do, before anything is connected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins_builtin.auth_ldap.settings import problems, read_settings

ACCOUNT = {"bind_dn": "cn=mock,dc=x", "bind_password": "secret"}
USERS = {"users": {"base": "dc=x"}}
GOOD: dict[str, Any] = {"servers": ["ldaps://ldap.example"], **ACCOUNT, **USERS}
LDAP = {"servers": ["ldap://ldap.example"]}


@pytest.mark.parametrize(
    "config",
    [
        GOOD,
        {**GOOD, **LDAP, "starttls": True},
        {**GOOD, **LDAP, "insecure": True},
        {**GOOD, "servers": ["ldaps://[::1]:1636", "ldaps://b/", "ldap://c"], "starttls": True},
        {"servers": ["ldaps://a"], "bind_as": "uid={user},dc=x"},
        {"servers": ["ldaps://a"], "bind_as": "{user}@example.com", **USERS},
        {"servers": ["ldaps://a"], "search_anonymously": True, **USERS},
        {**GOOD, "groups": {"base": "dc=x"}, "roles": {"a": "b"}},
        {**GOOD, "groups": {"base": "dc=x", "filter": "(memberUid={user})", "nested": 0}},
    ],
)
def test_a_good_configuration_has_no_problem(config: dict[str, Any]) -> None:
    assert problems(config) == []
    assert read_settings(config).servers


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"servers": ["http://a"]}, "servers.0", "is not a server"),
        ({"servers": ["ldaps://"]}, "servers.0", "is not a server"),
        ({"servers": ["ldaps://a/dc=x"]}, "servers.0", "is not a server"),
        ({"servers": ["ldaps://a?x"]}, "servers.0", "is not a server"),
        ({"servers": ["ldaps://cn=admin:pw@a"]}, "servers.0", "is not a server"),
        ({"servers": ["ldaps://a:99999"]}, "servers.0", "is not a server"),
        ({"servers": ["ldap://a????!StartTLS"]}, "servers.0", "is not a server"),
        (LDAP, "servers", "anybody on the way can read"),
        ({"servers": ["ldaps://a", "ldap://b"]}, "servers", "ldap://b would be sent"),
        ({**LDAP, "starttls": True, "insecure": True}, "insecure", "contradicts"),
        ({"starttls": True}, "starttls", "there is none"),
        ({"ca_file": "/nowhere.pem"}, "ca_file", "cannot be read"),
        ({"ca_file": "nowhere.pem"}, "ca_file", str(Path("nowhere.pem").absolute())),
        ({"ca_file": __file__}, "ca_file", "no PEM file"),
        ({"bind_password": None}, "bind_dn", "needs `bind_password`"),
        ({"bind_dn": None}, "bind_dn", "the other way round"),
        ({"bind_dn": None, "bind_password": None}, "bind_dn", "who looks users up"),
        ({"bind_dn": "mock"}, "bind_dn", "is no DN"),
        ({"search_anonymously": True}, "search_anonymously", "contradicts"),
        ({"bind_as": "uid={user},dc=x"}, "bind_as", "contradicts"),
        ({"users": None}, "users", "is missing"),
        ({"bind_dn": None, "bind_password": None, "bind_as": "uid=x,dc=x"}, "bind_as", "{user} once"),
        ({"bind_dn": None, "bind_password": None, "bind_as": "uid={user},ou={user}"}, "bind_as", "{user} once"),
        ({"bind_dn": None, "bind_password": None, "users": None, "bind_as": "{user}@x"}, "bind_as", "Add `users`"),
        ({"users": {"base": "people"}}, "users.base", "is no DN"),
        ({"users": {"base": "dc=x", "filter": "(uid=x)"}}, "users.filter", "must have {user}"),
        ({"users": {"base": "dc=x", "filter": "(uid={user}"}}, "users.filter", "not an LDAP filter"),
        ({"users": {"base": "dc=x", "filter": "(&(uid={user})(x))"}}, "users.filter", "not an LDAP filter"),
        ({"groups": {"base": "groups"}}, "groups.base", "is no DN"),
        ({"groups": {"base": "dc=x", "filter": "(member=x)"}}, "groups.filter", "must have {user} or {dn}"),
        ({"groups": {"base": "dc=x", "filter": "(memberUid={user})"}}, "groups.nested", "must be 0"),
        ({"groups": {"base": "dc=x", "filter": "(m={dn})", "read": "in_chain"}}, "groups.filter", "`read: search` only"),
        ({"roles": {"a": "b"}}, "roles", "needs `groups`"),
        ({"timeouts": {"connect_s": 6}}, "timeouts.connect_s", "longer"),
    ],
)
def test_a_problem_is_told_with_its_place(change: dict[str, Any], place: str, words: str) -> None:
    config = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    found = problems(config)
    assert any(place == where and words in what for where, what in found), found
    assert len(found) == 1, found


def test_the_authorities_of_a_file_are_the_only_ones(tmp_path: Path) -> None:
    from plugins_builtin.auth_ldap.transport import tls_context
    from tests.support.certificates import Authority

    file = tmp_path / "ca.pem"
    file.write_bytes(Authority().pem)
    assert len(tls_context(str(file)).get_ca_certs()) == 1
