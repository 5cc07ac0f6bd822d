"""What somebody in the directory's place tries, and what comes of it.

The table for readers is in `docs/explanation/credentials-attacked.md`.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import socket
import threading
from typing import Any

import pytest

from plugins_builtin.auth_ldap.tests.fake_server import (
    BIND,
    EXTENDED,
    REFERRAL,
    SEARCH_DONE,
    SIZE_LIMIT,
    Behaviour,
    Fake,
    answering,
    entry,
    fake_server,
    length,
    message,
    result,
    silent,
    tlv,
)
from plugins_builtin.auth_ldap.tests.mock import SHORT, TEMPLATE, UNAVAILABLE, WRONG, client, login, reached, searching
from plugins_builtin.auth_ldap.tests.mock import message as told
from tests.support.openldap import BASE, PASSWORD, OpenLdap

BAD = (502, "the directory answers badly")


def closing(fake: Fake, connection: socket.socket) -> None:
    """Closes in the middle of an answer."""
    number, _ = fake.request(connection)
    connection.sendall(result(number, BIND)[:5])


def resetting(fake: Fake, connection: socket.socket) -> None:
    """Ends with a reset."""
    fake.request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def farewell(fake: Fake, connection: socket.socket) -> None:
    """Says that it goes (RFC 4511 §4.4.1)."""
    fake.request(connection)
    body = tlv(0x0A, b"\x34") + tlv(0x04, b"") + tlv(0x04, b"") + tlv(0x8A, b"1.3.6.1.4.1.1466.20036")
    connection.sendall(message(0, tlv(EXTENDED, body)))


def dripping(fake: Fake, connection: socket.socket) -> None:
    """Answers a byte now and then, so that no single wait is long."""
    fake.request(connection)
    for byte in itertools.chain(b"\x30\x84\x00\x00\x10\x00", itertools.repeat(0x02)):
        connection.sendall(bytes([byte]))
        if threading.Event().wait(0.05):
            return


@pytest.mark.parametrize("behaviour", [silent, closing, resetting, farewell, dripping])
@pytest.mark.parametrize("scheme", ["plain", "starttls", "ldaps"])
async def test_a_server_that_does_not_answer_is_unavailable(
    directory: OpenLdap, caplog: pytest.LogCaptureFixture, behaviour: Behaviour, scheme: str
) -> None:
    with fake_server(behaviour) as fake:
        reaches: dict[str, dict[str, Any]] = {
            "plain": {"servers": [fake.uri], "insecure": True},
            "starttls": {"servers": [fake.uri], "starttls": True, "ca_file": directory.ca_file},
            "ldaps": {"servers": [fake.uri.replace("ldap:", "ldaps:")], "ca_file": directory.ca_file},
        }
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        async with client(searching(reaches[scheme], **SHORT)) as at:
            for _ in range(2):
                response = await login(at, "alice")
                assert (response.status, told(response)) == UNAVAILABLE
            assert (await at.get("/open")).text == "open"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 5  # none of them spins
        assert PASSWORD.encode() not in fake.received and "127.0.0.1" in caplog.text


GARBAGE = {
    "no BER at all": b"\xff" * 200,
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nulls": b"\0" * 100,
    "an indefinite length": b"\x30\x80\x02\x01\x01\x00\x00",
    "a negative number": tlv(0x30, tlv(0x02, b"\xff\xff\xff\xff") + tlv(BIND, b"")),
    "nothing in it": tlv(0x30, b""),
    "an answer without a code": message(1, tlv(BIND, b"")),
    "nested without end": b"\x30\x80" * 5000,
    "an answer to something else": result(1, SEARCH_DONE) + result(1, EXTENDED),
    "controls of garbage": tlv(
        0x30,
        tlv(0x02, b"\1")
        + tlv(BIND, tlv(0x0A, b"\0") + tlv(0x04, b"") + tlv(0x04, b""))
        + tlv(0xA0, tlv(0x30, tlv(0x04, b"1.3.6.1.4.1.42.2.27.8.5.1") + tlv(0x04, b"\x30\x84\xff\xff\xff\xff\x81"))),
    ),
}


@pytest.mark.parametrize("case", GARBAGE)
async def test_garbage_lets_nobody_in(caplog: pytest.LogCaptureFixture, case: str) -> None:
    def behave(fake: Fake, connection: socket.socket) -> None:
        fake.request(connection)
        connection.sendall(GARBAGE[case])
        silent(fake, connection)

    with fake_server(behave) as fake:
        for config in (searching({}), {"bind_as": TEMPLATE}):
            async with client({**config, "servers": [fake.uri], "insecure": True, **SHORT}) as at:
                response = await login(at, "alice")
                assert response.status in (502, 503), response.text
        assert "Traceback" not in caplog.text


N = 0xEEEEEEEE


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ((entry(N, "", uid="alice"), result(N, SEARCH_DONE)), (401, WRONG)),
        ((entry(N, "uid=alice", uid="alice"), entry(N, "uid=b", uid="b"), result(N, SEARCH_DONE)), (401, WRONG)),
        ((*(entry(N, f"uid={i}", uid="x" * 1000) for i in range(50)), result(N, SEARCH_DONE)), (401, WRONG)),
        ((*(entry(N, f"uid={i}", uid="x" * 60_000) for i in range(200)), result(N, SEARCH_DONE)), BAD),
        ((entry(N, "uid=alice", uid="x" * (8 << 20)), result(N, SEARCH_DONE)), BAD),
        ((entry(N, "uid=alice", uid="x" * 2000), result(N, SEARCH_DONE)), BAD),
        ((entry(N, "uid=alice", cn="no id"), result(N, SEARCH_DONE)), BAD),
        ((message(N, tlv(0x64, tlv(0x04, b"uid=\xff\xfe") + tlv(0x30, b""))), result(N, SEARCH_DONE)), BAD),
        ((message(N, tlv(0x73, tlv(0x04, b"ldap://192.0.2.1/"))), result(N, SEARCH_DONE)), (401, WRONG)),
        ((result(N, SEARCH_DONE, 50),), UNAVAILABLE),
        ((entry(N, "uid=alice", uid="alice"), result(N, SEARCH_DONE, SIZE_LIMIT)), UNAVAILABLE),
        ((entry(N, "uid=alice", uid="alice"), result(N, SEARCH_DONE, 3)), UNAVAILABLE),
        ((result(N, SEARCH_DONE, 1),), UNAVAILABLE),
        ((result(N, SEARCH_DONE, 32),), (401, WRONG)),
        ((b"\x30\x84\x7f\xff\xff\xff\x02\x04\xee\xee\xee\xee",), UNAVAILABLE),
    ],
)
async def test_answers_that_are_odd_huge_or_wrong_let_nobody_in(answers: tuple[bytes, ...], outcome: tuple[int, str]) -> None:
    with fake_server(answering(*answers)) as fake:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with client(searching({"servers": [fake.uri], "insecure": True}, **SHORT)) as at:
            response = await login(at, "alice")
            assert (response.status, told(response)) == outcome
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


async def test_an_answer_without_end_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    def behave(fake: Fake, connection: socket.socket) -> None:
        number, _ = fake.request(connection)
        connection.sendall(b"\x30" + length(1 << 30) + tlv(0x02, number.to_bytes(4, "big")))
        while True:
            connection.sendall(b"\x04" * 65536)

    with fake_server(behave) as fake:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with client(searching({"servers": [fake.uri], "insecure": True})) as at:
            assert (await login(at, "alice")).status in (502, 503)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
        assert "more than 4 MiB" in caplog.text


async def test_referrals_are_not_followed(directory: OpenLdap, own_directory: OpenLdap) -> None:
    with fake_server(silent) as elsewhere:
        referral = f"objectClass: referral\nobjectClass: extensibleObject\nref: {elsewhere.uri}/ou=people,{BASE}"
        own_directory.stop()
        own_directory.add(f"dn: ou=moved,{BASE}\nou: moved\n{referral}", f"dn: uid=gone,ou=people,{BASE}\nuid: gone\n{referral}")
        own_directory.start()
        async with client(searching(reached(own_directory, "plain"))) as at:
            assert (await login(at, "alice")).status == 200  # the search meets both
            assert (await login(at, "gone")).status == 401
        async with client({**reached(own_directory, "plain"), "bind_as": TEMPLATE}) as at:
            assert (await login(at, "gone")).status in (401, 503)
        refers = result(N, SEARCH_DONE, REFERRAL, referral=elsewhere.uri + "/")
        for behaviour in (answering(refers), answering(bind=result(1, BIND, REFERRAL, referral=elsewhere.uri + "/"))):
            with fake_server(behaviour) as fake:
                async with client(searching({"servers": [fake.uri], "insecure": True}, **SHORT)) as at:
                    assert (await login(at, "alice")).status == 503
        assert elsewhere.connections == 0


async def test_slow_logins_hold_up_nothing_else_and_the_rest_is_told_at_once() -> None:
    with fake_server(silent) as fake:
        pool = {"threads": 2, "queue": 3}
        config = searching({"servers": [fake.uri], "insecure": True}, pool=pool, timeouts={"connect_s": 1, "login_s": 1})
        async with client(config) as at:
            logins = [asyncio.ensure_future(login(at, "alice")) for _ in range(40)]
            open_ones = [await at.get("/open") for _ in range(50)]
            assert {response.text for response in open_ones} == {"open"} and not all(each.done() for each in logins)
            answers = await asyncio.gather(*logins)
            assert {(a.status, told(a)) for a in answers} <= {UNAVAILABLE, (503, "too many logins at once")}
            assert sum(told(a) == "too many logins at once" for a in answers) >= 35
        assert len([t for t in threading.enumerate() if t.name.startswith("auth-ldap")]) <= 2
