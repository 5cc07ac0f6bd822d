"""What an attacker on the client's side tries, and what comes of it.

The table for readers is in `docs/explanation/credentials-attacked.md`.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from typing import Any

import pytest

from plugins_builtin.auth_ldap.tests.fake_server import (
    BIND,
    SEARCH_DONE,
    SUCCESS,
    Fake,
    answering,
    entry,
    fake_server,
    result,
)
from plugins_builtin.auth_ldap.tests.mock import SHORT, TEMPLATE, WRONG, basic, client, login, principal, reached, searching
from plugins_builtin.auth_ldap.tests.mock import message as told
from tests.support.openldap import BASE, PASSWORD, OpenLdap

INVALID_CREDENTIALS = 49


@pytest.mark.parametrize(
    "name",
    ["*", "*)(uid=*", "alice)(|(uid=*", "a*", "alice)(objectClass=*)", "*)(|(objectClass=*", "\\2a", "(", ")", "\\", "alice\\00", "star*"],
)
async def test_a_name_is_never_part_of_a_filter(directory: OpenLdap, name: str) -> None:
    async with client(searching(reached(directory, "plain"))) as at:
        refused = await login(at, name, PASSWORD)
        assert (refused.status, told(refused)) == (401, WRONG)
        assert (await principal(at, "star*(x)"))["id"] == "star*(x)"


@pytest.mark.parametrize(
    "name",
    [f"alice,ou=people,{BASE}", f"mock,ou=services,{BASE}#", "alice+cn=x", "alice\\2c", "x,cn=root", '"alice"', "alice=", "<alice>", ";"],
)
async def test_a_name_is_never_part_of_a_dn(directory: OpenLdap, name: str) -> None:
    async with client({**reached(directory, "plain"), "bind_as": TEMPLATE}) as at:
        refused = await login(at, name, PASSWORD)
        assert (refused.status, told(refused)) == (401, WRONG)


@pytest.mark.parametrize("name", ["x@other", "corp\\alice", "alice,x", "*", "alice;x"])
async def test_a_name_is_never_more_than_a_login_name(name: str) -> None:
    with fake_server(answering()) as fake:
        config = {"servers": [fake.uri], "insecure": True, "bind_as": "{user}@example.com", "users": {"base": BASE}}
        async with client({**config, **SHORT}) as at:
            refused = await login(at, name, PASSWORD)
            assert (refused.status, told(refused)) == (401, WRONG)
            assert PASSWORD.encode() not in fake.received
            assert (await login(at, "alice", PASSWORD)).status == 503  # such a name is asked about
            assert b"alice@example.com" in fake.received


async def test_with_a_template_the_entry_may_be_searched_too(directory: OpenLdap) -> None:
    async with client({**reached(directory, "plain"), "bind_as": TEMPLATE, "users": {"base": f"uid=alice,ou=people,{BASE}"}}) as at:
        assert (await principal(at, "alice"))["id"] == "alice"


@pytest.mark.parametrize("bind_as", ["{user}@contractors.example", "uid={user},ou=contractors,dc=example,dc=com"])
async def test_an_entry_that_another_login_name_finds_needs_its_own_password(bind_as: str) -> None:
    """In Active Directory `alice@contractors.example` may be how Mallory logs in, and `sAMAccountName=alice` still be Alice."""
    dn = f"uid=alice,ou=people,{BASE}"

    def upn(fake: Fake, connection: socket.socket) -> None:
        while True:
            number, operation, whole = fake.read(connection)
            if operation == 0x60:
                is_hers = b"mallory's" in whole
                code = SUCCESS if (b"contractors" in whole) == is_hers else INVALID_CREDENTIALS
                connection.sendall(result(number, BIND, code))
            elif operation == 0x63:
                connection.sendall(entry(number, dn, uid="alice") + result(number, SEARCH_DONE))

    with fake_server(upn) as fake:
        config = {"servers": [fake.uri], "insecure": True, "bind_as": bind_as, "users": {"base": BASE}}
        async with client(config) as at:
            answer = await login(at, "alice", "mallory's")
            assert (answer.status, told(answer)) == (401, WRONG)
            assert dn.encode() in fake.received
            assert (await login(at, "alice", "alice's")).status == 401, "nor is it the other's password that logs in by that name"


@pytest.mark.parametrize("config", [{"bind_as": TEMPLATE}, searching({})])
@pytest.mark.parametrize("password", ["", " ", "\t\n", "\u00a0\u2003"])
async def test_an_empty_or_blank_password_asks_nobody(password: str, config: dict[str, Any]) -> None:
    with fake_server(lambda fake, connection: None) as fake:
        async with client({**config, "servers": [fake.uri], "insecure": True, **SHORT}) as at:
            before = fake.connections
            refused = await login(at, "alice", password)
            assert (refused.status, told(refused)) == (401, "user name and password must not be empty")
            assert fake.connections == before


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice\0", PASSWORD), ("alice", PASSWORD + "\0"), ("alice", "\0"), ("al\u200bice", PASSWORD), ("alice\u202e", PASSWORD),
        ("alice\n", PASSWORD), ("\x7falice", PASSWORD), (" alice", PASSWORD), ("alice ", PASSWORD), ("doe,  jane", PASSWORD),
        ("a" * 257, PASSWORD), ("alice", "p" * 1025), ("alice", "p" * 9000), ("", PASSWORD), ("\u00a0", PASSWORD),
    ],
)  # fmt: skip
async def test_credentials_that_a_directory_could_misread_ask_nobody(directory: OpenLdap, name: str, password: str) -> None:
    async with client(searching(reached(directory, "plain"))) as at:
        refused = await login(at, name, password)
        assert refused.status == 401 and told(refused) != WRONG
        assert name.strip() not in told(refused) or not name.strip()


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !",
        "Basic YWxpY2U",
        "Basic YWxpY2U=",
        "basic " + b64encode(b"alice:\xff").decode(),
        "Basic YTpi,Basic YTpi",
    ],
)
async def test_malformed_credentials_are_refused(directory: OpenLdap, value: str) -> None:
    async with client(searching(reached(directory, "plain"))) as at:
        refused = await at.get("/me", headers={"authorization": value})
        assert refused.status == 401 and "malformed" in told(refused)


async def test_two_authorization_headers_are_refused(directory: OpenLdap) -> None:
    async with client(searching(reached(directory, "plain"))) as at:
        pairs = [*basic("alice").items(), *basic("bob").items()]
        refused = await at.get("/me", headers=pairs)
        assert refused.status == 400 and "more than one" in told(refused)


async def test_two_entries_that_match_let_nobody_in(directory: OpenLdap, caplog: pytest.LogCaptureFixture) -> None:
    users = {"base": BASE, "filter": "(|(uid={user})(sn={user}))"}
    async with client(searching(reached(directory, "plain"), users={"base": f"ou=people,{BASE}"})) as at:
        assert (await login(at, "twin")).status == 200
    async with client(searching(reached(directory, "plain"))) as at:
        refused = await login(at, "twin")
        assert (refused.status, told(refused)) == (401, WRONG)
        assert "several entries match" in caplog.text
    async with client(searching(reached(directory, "plain"), users=users)) as at:
        assert (await login(at, "twin")).status == 401
