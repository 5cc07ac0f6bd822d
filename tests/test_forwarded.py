"""Where a request comes from: what trusted proxies tell is read from its end, and what anybody else writes is not read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Decision, Deny
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.forwarded import MAX_HOPS, Header, Origin, TrustedProxies, network
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.types import Receive, Scope, Send
from tests.support.auth_plugins import Decider
from tests.support.plain_host import PlainRuntime

INSIDE = (network("10.0.0.0/8"), network("fd00::/8"))


def origin(*pairs: tuple[str, str], peer: str | None = "10.0.0.1", header: Header = "x-forwarded-for", kind: str = "http") -> Origin:
    headers = tuple((name.encode(), value.encode("latin-1")) for name, value in pairs)
    return TrustedProxies(INSIDE, header).origin(peer, headers, kind)


def xff(*values: str, **more: Any) -> str | None:
    return origin(*(("x-forwarded-for", value) for value in values), **more).client


@pytest.mark.parametrize(
    ("told", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
        (["1.2.3.4", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["1.2.3.4, 203.0.113.7, 10.9.9.9,10.0.0.2"], "203.0.113.7"),
        (["10.1.1.1, 10.0.0.2"], "10.1.1.1"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:DB8::7]"], "2001:db8::7"),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        (["203.0.113.7, fd00::2"], "203.0.113.7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, ::ffff:10.0.0.2"], "203.0.113.7"),
        (["\t203.0.113.7 "], "203.0.113.7"),
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["unknown"], "10.0.0.1"),
        (["203.0.113.7, unknown"], "10.0.0.1"),
        (["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"),
        (["203.0.113.7,"], "10.0.0.1"),
        (["localhost"], "10.0.0.1"),
        (["203.0.113.007"], "10.0.0.1"),
        (["203.0.113"], "10.0.0.1"),
        (["3405803783"], "10.0.0.1"),
        (["0x7f.1"], "10.0.0.1"),
        (["fe80::1%eth0"], "10.0.0.1"),
        (["203.0.113.7 10.0.0.2"], "10.0.0.1"),
        (["203.0.113.7;10.0.0.2"], "10.0.0.1"),
        (["2001:db8::7:443:1:2:3:4:5:6"], "10.0.0.1"),
        (["<script>, 203.0.113.7"], "203.0.113.7"),
        (['"203.0.113.7"'], "10.0.0.1"),
        (["203.0.113.7\x00"], "10.0.0.1"),
        (["²03.0.113.7"], "10.0.0.1"),
    ],
)
def test_x_forwarded_for_is_read_from_its_end_past_trusted_proxies(told: list[str], client: str) -> None:
    assert xff(*told) == client


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "::1", "", "testclient", "2001:db8::1", None])
def test_nobody_else_is_believed(peer: str | None) -> None:
    told = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1;proto=https"), ("x-forwarded-proto", "https")]
    assert origin(*told, peer=peer) == origin(*told, peer=peer, header="forwarded") == Origin(peer)


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1"])
def test_a_trusted_peer_is_known_in_any_clothes(peer: str) -> None:
    assert xff("203.0.113.7", peer=peer) == "203.0.113.7"


@pytest.mark.parametrize(
    ("told", "client", "scheme"),
    [
        ("for=203.0.113.7", "203.0.113.7", None),
        ("For=203.0.113.7;Proto=HTTPS;by=10.0.0.1", "203.0.113.7", "https"),
        ('for="[2001:db8::7]:4711"; proto=https', "2001:db8::7", "https"),
        ('for="203.0.113.7:80"', "203.0.113.7", None),
        ("for=1.2.3.4, for=203.0.113.7;proto=http, for=10.0.0.2;proto=https", "203.0.113.7", "http"),
        ('for="1.2.3.4, for=203.0.113.7', "203.0.113.7", None),
        ('for=", for=203.0.113.7', "203.0.113.7", None),
        ("for=_hidden", "10.0.0.1", None),
        ("for=unknown;proto=https", "10.0.0.1", "https"),
        ("proto=https", "10.0.0.1", "https"),
        ("for=203.0.113.7;for=1.2.3.4", "10.0.0.1", None),
        ("for=203.0.113.7;proto=ftp", "203.0.113.7", None),
        ("for=[2001:db8::7]", "2001:db8::7", None),
        ("203.0.113.7", "10.0.0.1", None),
        ("for=203.0.113.7;", "10.0.0.1", None),
        ("for = 203.0.113.7", "10.0.0.1", None),
        ("", "10.0.0.1", None),
    ],
)
def test_forwarded_is_read_likewise(told: str, client: str, scheme: str | None) -> None:
    assert origin(("forwarded", told), header="forwarded") == Origin(client, scheme)


def test_only_the_header_that_the_operator_names_is_read() -> None:
    both = (("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.1"))
    assert origin(*both).client == "203.0.113.7" and origin(*both, header="forwarded").client == "198.51.100.1"
    assert origin(both[1]).client == origin(both[0], header="forwarded").client == "10.0.0.1"


@pytest.mark.parametrize(
    ("told", "proto", "scheme"),
    [
        ("203.0.113.7", "https", "https"),
        ("203.0.113.7", "HTTP", "http"),
        ("203.0.113.7, 10.0.0.2", "https", "https"),
        ("203.0.113.7, 10.0.0.2", "https, http", "https"),
        ("1.2.3.4, 203.0.113.7, 10.0.0.2", "https, http", None),
        ("203.0.113.7", "https, http", None),
        ("203.0.113.7", "javascript", None),
        ("203.0.113.7", "", None),
    ],
)
def test_the_scheme_is_that_which_the_client_used(told: str, proto: str, scheme: str | None) -> None:
    assert origin(("x-forwarded-for", told), ("x-forwarded-proto", proto)).scheme == scheme


def test_a_websocket_has_the_scheme_of_websockets() -> None:
    told = ("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https")
    assert origin(*told, kind="websocket").scheme == "wss"


def test_of_a_long_header_the_end_is_read() -> None:
    assert xff("9.9.9.9, " * 10_000 + "203.0.113.7") == "203.0.113.7"
    assert xff("203.0.113.7" + ", 10.0.0.2" * (MAX_HOPS - 1)) == "203.0.113.7"
    assert xff("203.0.113.7" + ", 10.0.0.2" * MAX_HOPS) == "10.0.0.2"
    assert xff("1" * 100_000) == "10.0.0.1"


@given(some.text(max_size=200), some.text(max_size=50), some.sampled_from(["x-forwarded-for", "forwarded"]))
def test_whatever_a_client_writes_a_proxy_that_appends_the_address_is_believed(told: str, proto: str, header: Header) -> None:
    mine = "203.0.113.7" if header == "x-forwarded-for" else "for=203.0.113.7"
    value = f"{told.encode('latin-1', 'replace').decode('latin-1')}, {mine}"
    assert origin((header, value), ("x-forwarded-proto", proto.encode("latin-1", "replace").decode("latin-1")), header=header).client == (
        "203.0.113.7"
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (["10.0.0.1/8"], "trusted_proxies.networks[0]: '10.0.0.1/8' has bits set beside the network; it would be 10.0.0.0/8."),
        (["0.0.0.0/0"], "is everybody"),
        (["::/0"], "is everybody"),
        (["proxy.example"], "is neither an address nor a network"),
        (["*"], "is neither an address nor a network"),
        ([10], "must be text"),
        ({"networks": ["10.0.0.0/8"], "header": "x-real-ip"}, "is not one of x-forwarded-for, forwarded"),
        ({"header": "forwarded"}, "`networks` is missing"),
    ],
)
def test_what_cannot_be_trusted_is_told(written: Any, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config({"version": 1, "trusted_proxies": written})
    assert words in str(raised.value)


def test_the_key_is_not_one_of_the_server() -> None:
    with pytest.raises(ConfigError, match="`trusted_proxies` stands at the top of the file"):
        load_config({"version": 1, "server": {"trusted_proxies": ["10.0.0.1"]}})


async def who(exchange: Exchange) -> Decision:
    return Deny(401, f"{exchange.snapshot.client} {exchange.snapshot.scheme}")


CONFIG = {"version": 1, "trusted_proxies": ["10.0.0.0/8"], "protect": [{"path": "/**", "auth": "who", "backoff": False}]}
TOLD = {"x-forwarded-for": "1.1.1.1, 203.0.113.7", "x-forwarded-proto": "https"}


async def test_plugins_see_the_client_that_a_trusted_proxy_tells() -> None:
    runtime = PlainRuntime(CONFIG, Decider(who, name="who"))
    for app in (MockForge(runtime=runtime), AuthMiddleware(nothing, runtime=runtime, rules=[ProtectRule("/**", ("who",), backoff=None)])):
        assert (await Client(app, client="10.0.0.9").get("/", headers=TOLD)).json()["message"] == "203.0.113.7 https"
        assert (await Client(app, client="192.0.2.1").get("/", headers=TOLD)).json()["message"] == "192.0.2.1 http"


async def test_by_default_nobody_is_believed() -> None:
    runtime = PlainRuntime({"version": 1, "protect": CONFIG["protect"]}, Decider(who, name="who"))
    for client in ("127.0.0.1", "::1", "10.0.0.9"):
        assert (await Client(MockForge(runtime=runtime), client=client).get("/", headers=TOLD)).json()["message"] == f"{client} http"


async def test_templates_see_it_too_and_the_wrapped_app_gets_its_request_as_the_server_told_it() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await nothing(scope, receive, send)

    routes = [{"match": {"path": "/x"}, "response": {"template_text": "{{ request.client }} {{ request.scheme }}"}}]
    client = Client(MockForge(app, {**CONFIG, "protect": [], "routes": routes}), client="10.0.0.9")
    assert (await client.get("/x", headers=TOLD)).text == "203.0.113.7 https"
    await client.get("/other", headers=TOLD)
    assert seen[0]["client"][0] == "10.0.0.9" and seen[0]["scheme"] == "http"


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
