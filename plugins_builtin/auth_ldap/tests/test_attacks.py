"""What an attacker on the client's side, on the way, or in the server's place tries, and what comes of it.

The table for readers is in `docs/explanation/credentials-attacked.md`.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import socket
import threading
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plugins_builtin.auth_ldap.tests.fake_server import (
    BIND,
    EXTENDED,
    PROTOCOL_ERROR,
    REFERRAL,
    SEARCH_DONE,
    SIZE_LIMIT,
    SUCCESS,
    Behaviour,
    Fake,
    entry,
    fake_server,
    length,
    message,
    result,
    tlv,
)
from plugins_builtin.auth_ldap.tests.mock import WRONG, basic, client, login, principal, reached, searching
from plugins_builtin.auth_ldap.tests.mock import message as told
from tests.support.certificates import Authority
from tests.support.openldap import BASE, PASSWORD, SERVICE_PASSWORD, OpenLdap, openldap

SHORT = {"timeouts": {"connect_s": 0.3, "login_s": 0.6, "retry_s": 0.1}}
"""For servers that answer late or never."""
UNAVAILABLE = (503, "the directory is not available")
BAD = (502, "the directory answers badly")
INVALID_CREDENTIALS = 49
TEMPLATE = f"uid={{user}},ou=people,{BASE}"


# --- The client ---------------------------------------------------------------------------------------------------------------------


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


# --- The way between ----------------------------------------------------------------------------------------------------------------


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
            threading.Thread(target=_carry, args=(server, connection), daemon=True).start()
            while data := connection.recv(65536):
                fake.received += data
                server.sendall(data)

    return behave


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


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
            threading.Thread(target=_carry, args=(server, connection), daemon=True).start()
            _carry(connection, server)

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


# --- The server's place -------------------------------------------------------------------------------------------------------------


def silent(fake: Fake, connection: socket.socket) -> None:
    """Accepts, and never answers."""
    while data := connection.recv(65536):
        fake.received += data


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


def answering(*searches: bytes, bind: bytes = b"") -> Behaviour:
    """Accepts every password, and answers every search with these messages, whose numbers are set."""

    def behave(fake: Fake, connection: socket.socket) -> None:
        while True:
            number, tag = fake.request(connection)
            if tag == 0x60:
                connection.sendall(result(number, BIND) if not bind else bind)
            elif tag == 0x63:
                for answer in searches:
                    connection.sendall(answer.replace(b"\x02\x04\xee\xee\xee\xee", b"\x02\x04" + number.to_bytes(4, "big")))

    return behave


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


# --- Too much at once ---------------------------------------------------------------------------------------------------------------


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
