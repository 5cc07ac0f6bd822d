"""The egress door against real servers: what is granted gets through, everything else does not."""

from __future__ import annotations

import asyncio
import base64
import errno
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.security.egress.client import Egress, EgressLimits
from tests.support.loopback_servers import (
    Answer,
    Authority,
    Server,
    allow,
    drip,
    get,
    make_authority,
    refused,
    reply,
    resolver,
    serving,
    silent,
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as made:
        yield made


@pytest.fixture
async def door(server: Server) -> AsyncIterator[Egress]:
    made = Egress([allow("127.0.0.1", server.port)], EgressLimits(timeout_s=5))
    yield made
    await made.close()


async def test_a_granted_place_answers(server: Server, door: Egress) -> None:
    answer = await door.request(get(f"http://127.0.0.1:{server.port}/x?y=z", headers=[["X-A", "é"]]))
    assert answer == {"status": 200, "headers": [["content-length", "5"]], "body": {"text": "hello"}}
    lines = server.heads[0].split("\r\n")
    assert lines[0] == "GET /x?y=z HTTP/1.1"
    assert {"host: " + f"127.0.0.1:{server.port}", "x-a: é", "accept-encoding: gzip, deflate"} <= {
        line[:1].lower() + line[1:] for line in lines
    }


async def test_a_body_is_sent_and_bytes_come_back_as_base64(server: Server, door: Egress) -> None:
    server.answers["/"] = reply(b"\xff\x00")
    answer = await door.request({"method": "POST", "url": f"http://127.0.0.1:{server.port}/", "body": {"text": "é"}})
    assert server.bodies == ["é".encode()]
    assert answer["body"] == {"base64": base64.b64encode(b"\xff\x00").decode()}


async def test_connections_are_used_again(server: Server, door: Egress) -> None:
    for _ in range(5):
        await door.request(get(f"http://127.0.0.1:{server.port}/"))
    assert server.connections == 1


async def test_a_connection_closed_by_the_server_is_not_used_again(server: Server, door: Egress) -> None:
    server.answers["/"] = reply(b"x", Connection="close")
    for _ in range(3):
        await door.request(get(f"http://127.0.0.1:{server.port}/"))
    assert server.connections == 3


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{other}/", "https://127.0.0.1:{port}/", "http://localhost:{port}/", "http://127.0.0.2:{port}/", "http://127.0.0.1/"],
)
async def test_what_no_rule_names_is_denied(server: Server, door: Egress, url: str) -> None:
    error = await refused(door, get(url.format(port=server.port, other=server.port + 1)))
    assert error.code == "denied"
    assert server.connections == 0


async def test_without_rules_nothing_is_reached(server: Server) -> None:
    assert (await refused(Egress([]), get(f"http://127.0.0.1:{server.port}/"))).code == "denied"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "[::]", "0.0.0.0", "169.254.169.254", "10.1.2.3", "[fd00:ec2::254]"]
)
async def test_an_address_inside_needs_private(host: str) -> None:
    error = await refused(Egress([allow(host, 80, private=False)]), get(f"http://{host}/"))
    assert error.code == "denied"
    assert "private: true" in error.message


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:10.0.0.1"], ["169.254.169.254"], ["64:ff9b::7f00:1"]]
)
async def test_a_name_that_leads_inside_is_denied(addresses: list[str]) -> None:
    egress = Egress([allow("idp.example", 80, private=False)], resolver=resolver(idp_example=addresses))
    assert (await refused(egress, get("http://idp.example/"))).code == "denied"


async def test_a_name_that_leads_back_to_a_public_address_of_this_machine_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall in front is no protection against what connects from within."""

    def bind(made: socket.socket, address: tuple[str, int]) -> None:
        if address != ("93.184.216.34", 0):
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(socket.socket, "bind", bind)
    for url in ("http://vendor.example/", "http://93.184.216.34/", "http://mapped.example/"):
        rules = [allow(host, 80, private=False) for host in ("vendor.example", "93.184.216.34", "mapped.example")]
        names = resolver(vendor_example=["93.184.216.34"], mapped_example=["::ffff:93.184.216.34"])
        assert "address inside" in (await refused(Egress(rules, resolver=names), get(url))).message


async def test_localhost_is_inside_whatever_its_dot() -> None:
    for url in ("http://localhost/", "http://localhost./"):
        assert "private" in (await refused(Egress([allow("localhost", 80, private=False)]), get(url))).message


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "fe80::1"])
async def test_even_a_private_name_may_not_lead_to_metadata(address: str) -> None:
    egress = Egress([allow("inside.example", 80)], resolver=resolver(inside_example=[address]))
    assert "link-local, metadata" in (await refused(egress, get("http://inside.example/"))).message


async def test_a_private_name_is_reached_by_its_checked_address(server: Server) -> None:
    egress = Egress([allow("idp.example", server.port)], resolver=resolver(idp_example=["127.0.0.1"]))
    answer = await egress.request(get(f"http://IDP.example.:{server.port}/"))
    await egress.close()
    assert answer["status"] == 200
    assert f"host: idp.example:{server.port}\r\n" in server.heads[0].lower()


async def test_a_name_is_looked_up_once_per_connection_so_it_cannot_change_in_between(server: Server) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    egress = Egress([allow("idp.example", server.port)], resolver=resolver(idp_example=answers))
    assert (await egress.request(get(f"http://idp.example:{server.port}/")))["status"] == 200
    assert answers == [["169.254.169.254"]]
    await egress.close()
    assert (await refused(egress, get(f"http://idp.example:{server.port}/"))).code == "denied"


async def test_connections_that_have_ended_make_room_for_others(server: Server) -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(reply(b"once"))
        await writer.drain()

    server.answers["/once"] = answer_once
    egress = Egress([allow("*.example", server.port)], resolver=resolver(**{f"n{n}_example": ["127.0.0.1"] for n in range(9)}))
    for n in range(8):
        await egress.request(get(f"http://n{n}.example:{server.port}/once"))
    while not all(connection.http.has_expired() for connection in egress._idle):
        await asyncio.sleep(0)
    await egress.request(get(f"http://n8.example:{server.port}/"))
    assert [connection.origin[1] for connection in egress._idle] == ["n8.example"]
    await egress.close()


async def test_requests_at_once_take_different_connections_though_some_have_ended(server: Server, door: Egress) -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(reply(b"once"))
        await writer.drain()

    server.answers["/once"] = answer_once
    await asyncio.gather(*(door.request(get(f"http://127.0.0.1:{server.port}/once")) for _ in range(6)))
    while not all(connection.http.has_expired() for connection in door._idle):
        await asyncio.sleep(0)
    answers = await asyncio.gather(*(door.request(get(f"http://127.0.0.1:{server.port}/")) for _ in range(6)))
    assert [answer["status"] for answer in answers] == [200] * 6


async def test_of_a_name_with_thousands_of_addresses_a_few_are_checked_and_connected_to(server: Server) -> None:
    many = ["127.0.0.1"] * 15 + ["127.0.0.77"] + [f"169.254.{n >> 8}.{n & 255}" for n in range(5000)]
    egress = Egress([allow("many.example", server.port)], resolver=resolver(many_example=many))
    assert (await egress.request(get(f"http://many.example:{server.port}/")))["status"] == 200
    await egress.close()


async def test_the_next_address_is_tried(server: Server) -> None:
    egress = Egress([allow("idp.example", server.port)], resolver=resolver(idp_example=["127.0.0.77", "127.0.0.1"]))
    assert (await egress.request(get(f"http://idp.example:{server.port}/")))["status"] == 200
    await egress.close()


@pytest.mark.parametrize(
    ("rule", "host", "allowed"),
    [("*.example.com", "a.example.com", True), ("*.example.com", "a.b.example.com", True), ("*.example.com", "example.com", False),
     ("*.example.com", "badexample.com", False), ("xn--bcher-kva.example", "bücher.example", True), ("example.com", "Example.com.", True)],
)  # fmt: skip
async def test_rules_cover_names(server: Server, rule: str, host: str, allowed: bool) -> None:
    async def anything(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    egress = Egress([allow(rule, server.port)], resolver=anything)
    if allowed:
        assert (await egress.request(get(f"http://{host}:{server.port}/")))["status"] == 200
        await egress.close()
    else:
        assert (await refused(egress, get(f"http://{host}:{server.port}/"))).code == "denied"


async def test_no_proxy_of_the_environment_is_used(server: Server, door: Egress, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await door.request(get(f"http://127.0.0.1:{server.port}/")))["status"] == 200


async def test_what_servers_say_is_in_no_log_of_the_library(server: Server, door: Egress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers["/?token=canary"] = reply(b"canary", "302 Found", Set_Cookie="session=canary", Location="/next?code=canary")
    headers = [["authorization", "canary"]]
    await door.request(get(f"http://127.0.0.1:{server.port}/?token=canary", headers=headers, follow_redirects=True))
    assert "canary" in server.heads[1] and "canary" not in caplog.text


async def test_who_asks_for_the_librarys_log_gets_it(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "httpcore2")
    egress = Egress([allow("127.0.0.1", server.port)])
    await egress.request(get(f"http://127.0.0.1:{server.port}/"))
    await egress.close()
    assert "receive_response_headers" in caplog.text


async def test_a_redirect_is_an_answer_unless_asked_to_follow(server: Server, door: Egress) -> None:
    server.answers["/"] = reply(b"", "302 Found", Location="/next")
    answer = await door.request(get(f"http://127.0.0.1:{server.port}/"))
    assert (answer["status"], ["location", "/next"] in answer["headers"]) == (302, True)
    followed = await door.request(get(f"http://127.0.0.1:{server.port}/", follow_redirects=True, headers=[["authorization", "secret"]]))
    assert followed["body"] == {"text": "hello"}
    assert "authorization: secret" in server.heads[-1]


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data/", "//127.0.0.1:9/", "http://localhost/", "https://127.0.0.1/"]
)
async def test_a_redirect_to_a_place_not_granted_is_denied(server: Server, door: Egress, location: str) -> None:
    server.answers["/"] = reply(b"", "302 Found", Location=location)
    assert (await refused(door, get(f"http://127.0.0.1:{server.port}/", follow_redirects=True))).code == "denied"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://user@h/", "http://127.1/", "gopher://h/"])
async def test_a_redirect_to_an_odd_url_is_refused(server: Server, door: Egress, location: str) -> None:
    server.answers["/"] = reply(b"", "302 Found", Location=location)
    assert (await refused(door, get(f"http://127.0.0.1:{server.port}/", follow_redirects=True))).code == "invalid_input"


async def test_credentials_never_go_to_another_host(server: Server) -> None:
    server.answers["/"] = reply(b"", "302 Found", Location=f"http://other.example:{server.port}/there")
    rules = [allow("idp.example", server.port), allow("other.example", server.port)]
    egress = Egress(rules, resolver=resolver(idp_example=["127.0.0.1"], other_example=["127.0.0.1"]))
    headers = [["Authorization", "secret"], ["Cookie", "secret"], ["X-Api-Key", "secret"], ["Accept", "text/plain"]]
    await egress.request(get(f"http://idp.example:{server.port}/", follow_redirects=True, headers=headers))
    await egress.close()
    assert server.heads[-1].startswith("GET /there")
    assert "secret" not in server.heads[-1]
    assert "accept: text/plain" in server.heads[-1]


async def test_a_body_never_goes_to_another_host(server: Server) -> None:
    server.answers["/"] = reply(b"", "307 Temporary Redirect", Location=f"http://other.example:{server.port}/there")
    rules = [allow("idp.example", server.port), allow("other.example", server.port)]
    egress = Egress(rules, resolver=resolver(idp_example=["127.0.0.1"], other_example=["127.0.0.1"]))
    payload = {"method": "POST", "url": f"http://idp.example:{server.port}/", "body": {"text": "client_secret=x"}, "follow_redirects": True}
    assert (await refused(egress, payload)).code == "denied"
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("status", "method", "follows"),
    [("301 Moved", "POST", "GET"), ("302 Found", "POST", "GET"), ("303 See Other", "PUT", "GET"), ("307 Temporary", "POST", "POST"),
     ("308 Permanent", "PUT", "PUT")],
)  # fmt: skip
async def test_the_method_after_a_redirect_is_as_the_rfc_says(server: Server, door: Egress, status: str, method: str, follows: str) -> None:
    server.answers["/"] = reply(b"", status, Location="/next")
    await door.request({"method": method, "url": f"http://127.0.0.1:{server.port}/", "body": {"text": "b"}, "follow_redirects": True})
    assert server.heads[-1].split(" ")[0] == follows
    assert server.bodies[-1] == (b"" if follows == "GET" else b"b")


async def test_redirects_end(server: Server, door: Egress) -> None:
    server.answers["/"] = reply(b"", "302 Found", Location="/")
    assert "5 redirects" in (await refused(door, get(f"http://127.0.0.1:{server.port}/", follow_redirects=True))).message
    assert len(server.heads) == 6


async def test_an_endless_body_is_cut(server: Server) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    server.answers["/"] = endless
    egress = Egress([allow("127.0.0.1", server.port)], EgressLimits(max_response_bytes=100_000))
    assert (await refused(egress, get(f"http://127.0.0.1:{server.port}/"))).code == "limit"


@pytest.mark.parametrize("answer", [silent, drip])
async def test_a_server_that_does_not_finish_is_timed_out(server: Server, door: Egress, answer: Answer) -> None:
    server.answers["/"] = answer
    error = await refused(door, get(f"http://127.0.0.1:{server.port}/", timeout_ms=60))
    assert (error.code, error.retryable) == ("timeout", True)


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nabc",
    ],
)
async def test_a_server_that_speaks_no_http_is_unavailable(server: Server, door: Egress, raw: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(raw)

    server.answers["/"] = answer
    assert (await refused(door, get(f"http://127.0.0.1:{server.port}/"))).code == "unavailable"


async def test_nobody_listening_is_unavailable_and_may_be_tried_again() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    error = await refused(Egress([allow("127.0.0.1", port)]), get(f"http://127.0.0.1:{port}/"))
    assert (error.code, error.retryable) == ("unavailable", True)


async def test_an_unknown_name_is_unavailable() -> None:
    error = await refused(Egress([allow("no.example", 80)], resolver=resolver()), get("http://no.example/"))
    assert "cannot be resolved" in error.message


async def test_requests_at_once_are_limited_and_none_is_lost(server: Server) -> None:
    now = most = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(20):
            await asyncio.sleep(0)
        now -= 1
        writer.write(reply(b"x", Connection="close"))

    server.answers["/"] = counting
    egress = Egress([allow("127.0.0.1", server.port)], EgressLimits(max_concurrent=3))
    await asyncio.gather(*(egress.request(get(f"http://127.0.0.1:{server.port}/")) for _ in range(12)))
    await egress.close()
    assert most == 3


async def test_a_cancelled_request_leaves_no_connection(server: Server, door: Egress) -> None:
    closed = asyncio.Event()

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        task.cancel()
        await reader.read()
        closed.set()

    server.answers["/"] = until_closed
    task = asyncio.ensure_future(door.request(get(f"http://127.0.0.1:{server.port}/")))
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(closed.wait(), 5)


async def test_what_is_answered_after_closing_leaves_no_connection(server: Server, door: Egress) -> None:
    asked, go_on, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        asked.set()
        await go_on.wait()
        writer.write(reply(b"late"))
        await reader.read()
        closed.set()

    server.answers["/"] = until_closed
    asking = asyncio.ensure_future(door.request(get(f"http://127.0.0.1:{server.port}/")))
    await asked.wait()
    await door.close()
    go_on.set()
    assert (await asking)["body"] == {"text": "late"}
    await asyncio.wait_for(closed.wait(), 5)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


@pytest.fixture
async def tls_server(authority: Authority) -> AsyncIterator[Server]:
    async with serving(authority) as made:
        yield made


async def test_tls_names_the_host_and_checks_its_certificate(tls_server: Server, authority: Authority) -> None:
    rules = [allow(host, tls_server.port, scheme="https") for host in ("idp.example", "other.example")]
    names = resolver(idp_example=["127.0.0.1"], other_example=["127.0.0.1"])
    egress = Egress(rules, resolver=names, ssl_context=authority.trust)
    assert (await egress.request(get(f"https://idp.example:{tls_server.port}/")))["status"] == 200
    assert authority.names_seen == ["idp.example"]
    assert (await refused(egress, get(f"https://other.example:{tls_server.port}/"))).code == "unavailable"


async def test_an_untrusted_certificate_is_refused(tls_server: Server) -> None:
    egress = Egress([allow("idp.example", tls_server.port, scheme="https")], resolver=resolver(idp_example=["127.0.0.1"]))
    assert "certificate" in (await refused(egress, get(f"https://idp.example:{tls_server.port}/"))).message.lower()


async def drip_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
    """A head that comes a byte at a time and has no end."""
    writer.write(b"HTTP/1.1 200 OK\r\nA: ")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.005)


async def test_a_head_that_drips_is_timed_out(server: Server, door: Egress) -> None:
    server.answers["/"] = drip_head
    assert (await refused(door, get(f"http://127.0.0.1:{server.port}/", timeout_ms=60))).code == "timeout"


async def test_waiting_for_a_slot_counts_as_waiting_for_the_answer(server: Server) -> None:
    server.answers["/silent"] = silent
    egress = Egress([allow("127.0.0.1", server.port)], EgressLimits(max_concurrent=1))
    first = asyncio.ensure_future(egress.request(get(f"http://127.0.0.1:{server.port}/silent")))
    while not server.heads:
        await asyncio.sleep(0)
    with pytest.raises(HostCallError, match="no answer"):
        await egress.request(get(f"http://127.0.0.1:{server.port}/", timeout_ms=40))
    first.cancel()
    await asyncio.wait([first])
    assert (await egress.request(get(f"http://127.0.0.1:{server.port}/")))["status"] == 200
    await egress.close()


async def test_one_plugins_slots_and_connections_are_not_anothers(server: Server) -> None:
    server.answers["/silent"] = silent
    one, other = (Egress([allow("127.0.0.1", server.port)], EgressLimits(max_concurrent=1)) for _ in range(2))
    await one.request(get(f"http://127.0.0.1:{server.port}/"))
    holding = asyncio.ensure_future(one.request(get(f"http://127.0.0.1:{server.port}/silent")))
    while len(server.heads) < 2:
        await asyncio.sleep(0)
    for _ in range(2):
        assert (await other.request(get(f"http://127.0.0.1:{server.port}/")))["status"] == 200
    assert server.connections == 2
    holding.cancel()
    await asyncio.wait([holding])
    await one.close()
    await other.close()


async def test_credentials_stay_away_for_the_rest_of_the_way_even_back_at_the_first_host(server: Server) -> None:
    server.answers["/"] = reply(b"", "302 Found", Location=f"http://other.example:{server.port}/there")
    server.answers["/there"] = reply(b"", "302 Found", Location=f"http://idp.example:{server.port}/back")
    rules = [allow("idp.example", server.port), allow("other.example", server.port)]
    egress = Egress(rules, resolver=resolver(idp_example=["127.0.0.1"], other_example=["127.0.0.1"]))
    headers = [["Authorization", "secret"], ["X-Signature", "secret"]]
    await egress.request(get(f"http://idp.example:{server.port}/", follow_redirects=True, headers=headers))
    await egress.close()
    assert [head.split(" ")[1] for head in server.heads] == ["/", "/there", "/back"]
    assert ["secret" in head for head in server.heads] == [True, False, False]


async def test_credentials_do_not_leave_tls_nor_go_to_another_port(server: Server, tls_server: Server, authority: Authority) -> None:
    rules = [allow("idp.example", tls_server.port, scheme="https"), allow("idp.example", server.port)]
    egress = Egress(rules, resolver=resolver(idp_example=["127.0.0.1"]), ssl_context=authority.trust)
    tls_server.answers["/"] = reply(b"", "302 Found", Location=f"http://idp.example:{server.port}/plain")
    headers = [["Authorization", "secret"], ["Cookie", "secret"]]
    await egress.request(get(f"https://idp.example:{tls_server.port}/", follow_redirects=True, headers=headers))
    await egress.close()
    assert "secret" in tls_server.heads[0] and "secret" not in server.heads[0]


async def test_a_redirect_to_a_name_that_leads_inside_is_denied_at_its_own_hop(server: Server) -> None:
    server.answers["/"] = reply(b"", "302 Found", Location="http://meta.example/latest")
    rules = [allow("idp.example", server.port), allow("meta.example", 80, private=False)]
    names = resolver(idp_example=["127.0.0.1"], meta_example=["169.254.169.254"])
    egress = Egress(rules, resolver=names)
    assert "address inside" in (await refused(egress, get(f"http://idp.example:{server.port}/", follow_redirects=True))).message
