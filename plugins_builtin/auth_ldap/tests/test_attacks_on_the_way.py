"""What somebody between the mock and its directory tries, and what comes of it.

The table for readers is in `docs/explanation/credentials-attacked.md`.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from plugins_builtin.auth_ldap.tests.fake_server import (
    BIND,
    EXTENDED,
    PROTOCOL_ERROR,
    Behaviour,
    Fake,
    carry,
    fake_server,
    result,
)
from plugins_builtin.auth_ldap.tests.mock import SHORT, TEMPLATE, UNAVAILABLE, client, login, reached, searching
from plugins_builtin.auth_ldap.tests.mock import message as told
from tests.support.certificates import Authority
from tests.support.openldap import PASSWORD, SERVICE_PASSWORD, OpenLdap, openldap


def relay_to(directory: OpenLdap, consent: bytes, *, then_plain: bool = False) -> Behaviour:
    """Somebody on the way, who answers StartTLS himself and carries everything else unencrypted."""

    def behave(fake: Fake, connection: socket.socket) -> None:
        number, _ = fake.request(connection)
        connection.sendall(result(number, EXTENDED) if not consent else consent)
        if not then_plain:
            while data := connection.recv(65536):
                fake.received += data
            return
        with socket.create_connection(("127.0.0.1", directory.port)) as server:
            threading.Thread(target=carry, args=(server, connection), daemon=True).start()
            while data := connection.recv(65536):
                fake.received += data
                server.sendall(data)

    return behave


STRIPPING = {
    "refused": result(1, EXTENDED, PROTOCOL_ERROR),
    "refused as unavailable": result(1, EXTENDED, 52),
    "refused as unwilling": result(1, EXTENDED, 53),
    "granted, then plain text": b"",
    "answered with a bind": result(1, BIND),
    "granted, with an injected bind": result(1, EXTENDED) + result(2, BIND) + result(3, BIND),
    "granted twice": result(1, EXTENDED) * 2,
}


@pytest.mark.parametrize("case", STRIPPING)
async def test_starttls_is_never_left_out(directory: OpenLdap, caplog: pytest.LogCaptureFixture, case: str) -> None:
    with fake_server(relay_to(directory, STRIPPING[case], then_plain=True)) as fake:
        config = searching({"servers": [fake.uri], "starttls": True, "ca_file": directory.ca_file}, **SHORT)
        async with client(config) as at:
            refused = await login(at, "alice")
            assert refused.status in (502, 503)
        assert fake.connections and SERVICE_PASSWORD.encode() not in fake.received and PASSWORD.encode() not in fake.received
    assert fake.uri in caplog.text


@pytest.mark.parametrize("injected", [result(2, BIND), b"".join(result(number, BIND) for number in range(1, 9))])
async def test_answers_injected_before_tls_do_not_count_within_it(directory: OpenLdap, injected: bytes) -> None:
    def behave(fake: Fake, connection: socket.socket) -> None:
        """Lets the real server consent, adds answers of its own, and carries what is encrypted."""
        with socket.create_connection(("127.0.0.1", directory.port)) as server:
            server.sendall(connection.recv(65536))
            connection.sendall(server.recv(65536) + injected)
            threading.Thread(target=carry, args=(server, connection), daemon=True).start()
            carry(connection, server)

    with fake_server(behave) as fake:
        config = {"servers": [fake.uri], "starttls": True, "ca_file": directory.ca_file}
        async with client({**config, "bind_as": TEMPLATE}) as at:
            assert (await login(at, "alice", "wrong")).status == 401
            assert (await login(at, "alice")).status == 200
        async with client(searching(config), secret="wrong") as at:
            assert (await login(at, "alice")).status == 503


async def test_a_listener_that_sees_plain_ldap_sees_passwords_so_it_must_be_asked_for(directory: OpenLdap) -> None:
    with pytest.raises(RuntimeError, match="anybody on the way can read"):
        async with client(searching({"servers": [directory.plain]})):
            pass


@pytest.mark.parametrize("way", ["starttls", "ldaps"])
@pytest.mark.parametrize(
    ("names", "days", "is_ours", "cause"),
    [
        (("localhost", "127.0.0.1"), (-1, 1), False, "unable to get local issuer certificate"),
        (("ldap.example",), (-1, 1), True, "not valid for"),
        (("127.0.0.2",), (-1, 1), True, "not valid for"),
        (("127.0.0.1",), (-3, -2), True, "certificate has expired"),
        (("127.0.0.1",), (2, 3), True, "certificate is not yet valid"),
    ],
)
async def test_a_certificate_that_proves_nothing_gets_no_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str, names: tuple[str, ...], days: tuple[float, float], is_ours: bool, cause: str
) -> None:
    ours, other = Authority(), Authority("somebody else's")
    certificate = (ours if is_ours else other).certificate(*names, from_days=days[0], to_days=days[1])
    with openldap(tmp_path / "slapd", authority=ours, certificate=certificate) as server:
        async with client(searching(reached(server, way))) as at:
            refused = await login(at, "alice")
            assert (refused.status, told(refused)) == UNAVAILABLE
    assert cause in caplog.text


async def test_the_environment_does_not_weaken_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDAPTLS_REQCERT", "never")
    monkeypatch.setenv("LDAPTLS_CACERT", "/dev/null")
    with openldap(tmp_path / "slapd", certificate=Authority("other").certificate("127.0.0.1")) as server:
        async with client(searching(reached(server, "ldaps"))) as at:
            assert (await login(at, "alice")).status == 503
