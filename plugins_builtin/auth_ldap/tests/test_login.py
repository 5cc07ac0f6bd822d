"""Who may log in against a real OpenLDAP, over every way to speak to it, and who they are then."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from mockforge_asgi.testing import Client
from plugins_builtin.auth_ldap.tests.fake_server import BIND, SEARCH_DONE, Fake, entry, fake_server, result
from plugins_builtin.auth_ldap.tests.mock import GROUPS, WAYS, WRONG, basic, client, login, message, principal, reached, searching
from tests.support.openldap import BASE, PASSWORD, SERVICE_DN, OpenLdap

ALICE = f"uid=alice,ou=people,{BASE}"
TEMPLATE = f"uid={{user}},ou=people,{BASE}"


@pytest.mark.parametrize("way", WAYS)
async def test_a_right_password_logs_in_and_a_wrong_one_does_not(directory: OpenLdap, way: str) -> None:
    async with client(searching(reached(directory, way))) as at:
        assert (await principal(at, "alice"))["id"] == "alice"
        refused = await login(at, "alice", "wrong")
        assert (refused.status, message(refused)) == (401, WRONG)
        assert refused.header("www-authenticate") == 'Basic realm="mockforge", charset="UTF-8"'


@pytest.mark.parametrize("way", WAYS)
async def test_users_log_in_by_a_template_without_an_account(directory: OpenLdap, way: str) -> None:
    async with client({**reached(directory, way), "bind_as": TEMPLATE}) as at:
        assert (await principal(at, "alice"))["id"] == "alice"
        assert (await principal(at, "doe, jane"))["attributes"]["dn"] == f"uid=doe\\2C jane,ou=people,{BASE}"
        for name, password in (("alice", "wrong"), ("nobody", "x"), ("locked", None), ("mock,ou=services", None)):
            refused = await login(at, name, password)
            assert (refused.status, message(refused)) == (401, WRONG)


@pytest.mark.parametrize("name", ["nobody", "locked", "expired", "reset", "nopass", "twin"])
async def test_whoever_may_not_log_in_is_told_what_a_wrong_password_is_told(directory: OpenLdap, name: str) -> None:
    async with client(searching(reached(directory, "plain"))) as at:
        wrong = await login(at, "alice", "wrong")
        refused = await login(at, name)
        assert (refused.status, refused.body, refused.header("www-authenticate")) == (401, wrong.body, wrong.header("www-authenticate"))


async def test_an_unknown_name_takes_as_long_as_a_wrong_password() -> None:
    """A server that takes its time for passwords alone; waiting has a least time, so that this holds on every machine."""

    def slow_to_bind(fake: Fake, connection: socket.socket) -> None:
        while True:
            number, tag, request = fake.read(connection)
            if tag == 0x63:
                found = entry(number, "uid=alice", uid="alice") if b"alice" in request else b""
                connection.sendall(found + result(number, SEARCH_DONE))
            elif b"wrong" not in request:
                connection.sendall(result(number, BIND))
            else:
                threading.Event().wait(0.3)
                connection.sendall(result(number, BIND, 49))

    with fake_server(slow_to_bind) as fake:
        async with client(searching({"servers": [fake.uri], "insecure": True})) as at:
            took = []
            for name in ("alice", "nobody"):
                began = time.monotonic()
                refused = await login(at, name, "wrong")
                assert (refused.status, message(refused)) == (401, WRONG)
                took.append(time.monotonic() - began)
            assert min(took) >= 0.29


async def test_who_somebody_is_comes_from_the_entry(directory: OpenLdap) -> None:
    more = {"attributes": {"more": {"department": "departmentNumber", "absent": "description"}}}
    async with client(searching(reached(directory, "plain"), **more)) as at:
        found = await principal(at, "ALICE")
        assert found == {
            "id": "alice", "name": "Alice Liddell", "email": "alice@example.com", "roles": [], "groups": [],
            "attributes": {"dn": ALICE, "department": "42"},
        }  # fmt: skip


async def test_an_entry_needs_just_one_id(directory: OpenLdap, caplog: pytest.LogCaptureFixture) -> None:
    async with client(searching(reached(directory, "plain"), attributes={"id": "departmentNumber"})) as at:
        assert (await principal(at, "alice"))["id"] == "42"
        refused = await login(at, "bob")
        assert (refused.status, message(refused)) == (502, "the directory answers badly")
        assert "departmentNumber" in caplog.text


@pytest.mark.parametrize("name", ["josé", "jose\u0301"])
async def test_names_are_normalised_and_passwords_are_not(directory: OpenLdap, name: str) -> None:
    password = "pässwörd ✓"
    async with client(searching(reached(directory, "plain"))) as at:
        assert (await login(at, name, password)).json()["id"] == "josé"
        assert (await login(at, name, "pa\u0308sswo\u0308rd ✓")).status == 401
        assert (await login(at, "padded", "  two spaces ")).status == 200
        assert (await login(at, "padded", "two spaces")).status == 401


@pytest.mark.parametrize("read", ["search", "member_of"])
async def test_groups_of_groups_count_and_cycles_end(directory: OpenLdap, read: str) -> None:
    async with client(searching(reached(directory, "plain"), groups={**GROUPS, "read": read})) as at:
        everything = {"admins", "staff", "company", "loop-a", "loop-b"}
        assert set((await principal(at, "alice"))["groups"]) - {"unique"} == everything
        assert (await principal(at, "bob"))["groups"] == ["readers"]  # `root` is below another base
        assert (await principal(at, "josé"))["groups"] == []


@pytest.mark.parametrize("read", ["search", "member_of"])
@pytest.mark.parametrize(("levels", "groups"), [(0, {"admins", "loop-a"}), (1, {"admins", "loop-a", "staff", "loop-b"})])
async def test_so_many_levels_of_groups_are_followed(directory: OpenLdap, read: str, levels: int, groups: set[str]) -> None:
    async with client(searching(reached(directory, "plain"), groups={**GROUPS, "read": read, "nested": levels})) as at:
        assert set((await principal(at, "alice"))["groups"]) - {"unique"} == groups


@pytest.mark.parametrize("read", ["search", "member_of"])
async def test_who_is_in_more_groups_than_may_be_cannot_log_in(directory: OpenLdap, caplog: pytest.LogCaptureFixture, read: str) -> None:
    async with client(searching(reached(directory, "plain"), groups={**GROUPS, "read": read, "max": 3})) as at:
        assert (await login(at, "alice")).status == 503
        assert "more than 3 groups" in caplog.text
        assert (await login(at, "bob")).status == 200


async def test_groups_that_name_their_members_by_user_name(directory: OpenLdap) -> None:
    groups = {**GROUPS, "filter": "(&(cn=readers)(member=uid={user},*))", "nested": 0}
    async with client(searching(reached(directory, "plain"), groups={**groups, "filter": "(&(cn=loop-a)(!(description={user})))"})) as at:
        assert (await principal(at, "bob"))["groups"] == ["loop-a"]


async def test_roles_come_from_groups_by_dn_or_name(directory: OpenLdap) -> None:
    roles = {f"CN=Admins, ou=Groups,{BASE}": ["admin", "writer"], "COMPANY": "employee", "readers": "reader", f"cn=staff,{BASE}": "other"}
    for names, admins in (("name", "admins"), ("dn", f"cn=admins,ou=groups,{BASE}")):
        async with client(searching(reached(directory, "plain"), groups={**GROUPS, "names": names}, roles=roles)) as at:
            found = await principal(at, "alice")
            assert found["roles"] == ["admin", "writer", "employee"]
            assert admins in found["groups"]
            assert (await principal(at, "bob"))["roles"] == ["reader"]


async def test_requests_without_basic_credentials_are_left_to_others(directory: OpenLdap) -> None:
    async with client(searching(reached(directory, "plain"))) as at:
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basically x"}):
            response = await at.get("/me", headers=headers)
            assert (response.status, response.json()["error"]) == (401, "Authentication required")
            assert response.header("www-authenticate") == 'Basic realm="mockforge", charset="UTF-8"'


async def test_challenges_name_the_configured_realm(directory: OpenLdap) -> None:
    async with client(searching(reached(directory, "plain"), realm="staff")) as at:
        for headers in ({}, basic("alice", ""), basic("alice", "wrong")):
            response = await at.get("/me", headers=headers)
            assert (response.status, response.header("www-authenticate")) == (401, 'Basic realm="staff", charset="UTF-8"')


async def test_an_anonymous_search_wants_to_be_said(directory: OpenLdap) -> None:
    reach = reached(directory, "plain")
    async with client({**reach, "users": {"base": BASE}, "search_anonymously": True}) as at:
        assert (await login(at, "alice")).status == 401  # this directory shows nothing to anybody
    with pytest.raises(RuntimeError, match="search_anonymously"):
        await started(client({**reach, "users": {"base": BASE}}))


async def test_an_account_that_the_directory_refuses_is_the_operators_fault(directory: OpenLdap, caplog: pytest.LogCaptureFixture) -> None:
    async with client(searching(reached(directory, "ldaps")), secret="not-the-password-77") as at:
        response = await login(at, "alice")
        assert (response.status, message(response)) == (503, "the directory is not available")
    assert f"refuses the account {SERVICE_DN}: Invalid credentials" in caplog.text and "secret 'ldap_password'" in caplog.text
    assert "not-the-password-77" not in caplog.text + response.text and PASSWORD not in caplog.text


@pytest.mark.parametrize("secret", ["", "  \n"])
async def test_an_empty_secret_would_be_an_anonymous_bind(directory: OpenLdap, secret: str) -> None:
    with pytest.raises(RuntimeError, match="anonymous bind"):
        await started(client(searching(reached(directory, "plain")), secret=secret))


async def test_the_cache_is_off_unless_said(own_directory: OpenLdap) -> None:
    async with client(searching(reached(own_directory, "plain"))) as off:
        async with client(searching(reached(own_directory, "plain"), cache={"seconds": 60})) as on:
            for at in (off, on):
                assert (await login(at, "alice")).status == 200
            own_directory.stop()
            assert ((await login(off, "alice")).status, (await login(on, "alice")).status) == (503, 200)
            assert (await login(on, "alice", "wrong")).status == 503
            assert (await login(on, "bob")).status == 503


async def started(at: Client) -> None:
    """Start and stop it."""
    async with at:
        await at.get("/me", headers=basic("alice"))
