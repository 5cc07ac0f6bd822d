"""HTTP requests of sandboxed guests through the whole product: every known way around an allow-list, against real servers."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from mockforge_asgi.errors import LimitExceeded, PluginFailed
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.security.egress.client import Egress
from mockforge_asgi.testing import Client, Conversation
from tests.support.extism_guests import wat
from tests.support.loopback_servers import Server, reply, serving, silent

PYTHON = '''
from mockforge_plugin import function, http
from mockforge_plugin.failure import HostError


@function
async def fetch(method: str, url: str, headers: list, follow: bool) -> object:
    """The status, or why there is none."""
    try:
        answer = await http.request(method, url, headers=headers, follow_redirects=follow)
    except HostError as error:
        return [error.code, str(error)]
    return [answer.status, answer.text]
'''
EXTISM = wat(
    """(func (export "fetch") (result i32) (local $body i64)
      (local.set $body (call $http_request (call $input_offset) (i64.const 0)))
      (call $output_set (local.get $body) (call $length (local.get $body))) (i32.const 0))""",
    "http_request", "input_offset", "output_set", "length",
)  # fmt: skip
MANIFEST = """manifest_version: 1
id: {name}
version: 1.0.0
contract: "0.1"
kinds: [template]
runtime: {runtime}
entry: {entry}
permissions: {{network: {{allow: ["http://*", "https://*"], reason: tries}}}}
limits: {{cpu_ms: 1000, timeout_ms: {timeout_ms}, output_kb: 6000}}
"""
ENTRIES = {"python": "plugin.py", "extism": "{file: plugin.wasm, template: {fetch: fetch}}"}
LIMITS = {"output_kb": 6000}
METADATA = "169.254.169.254"


class Names:
    """The resolver of the test: what each name leads to; a list of lists answers one after the other."""

    def __init__(self) -> None:
        self.rebinding = [["127.0.0.1"], [METADATA]]

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if host == "rebind.example":
            return self.rebinding.pop(0)
        known = {
            "idp.example": "127.0.0.1",
            "inside.example": "127.0.0.1",
            "localhost": "127.0.0.1",
            "a.wild.example": "127.0.0.1",
            "meta.example": METADATA,
        }
        if host not in known:
            raise OSError("Name or service not known")
        return [known[host]]


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every plugin's way out asks these names."""
    monkeypatch.setattr("mockforge_asgi.runtime.life._egress", lambda rules: Egress(rules, resolver=Names()))


def runtime_of(root: Path, port: int, *names: str, runtime: str, timeout_ms: int = 20_000, instances: int = 4) -> PluginRuntime:
    uses: dict[str, Any] = {}
    inside = [f"http://{host}:{port}" for host in ("127.0.0.1", "idp.example", "rebind.example")]
    network = [{"allow": place, "private": True} for place in (*inside, "http://meta.example")]
    public = [f"http://inside.example:{port}", "https://*.wild.example"]
    for name in names:
        folder = root / name
        folder.mkdir()
        (folder / "plugin.yaml").write_text(MANIFEST.format(name=name, runtime=runtime, entry=ENTRIES[runtime], timeout_ms=timeout_ms))
        (folder / ("plugin.py" if runtime == "python" else "plugin.wasm")).write_bytes(PYTHON.encode() if runtime == "python" else EXTISM)
        uses[name] = {
            "use": str(folder),
            "grants": {"network": [*network, *public]},
            "instances": {"max": instances, "warm": 0},
            "limits": LIMITS,
        }
    return PluginRuntime({"version": 1, "dev": True, "plugins": uses})


async def fetch(
    life: PluginRuntime, url: str, *, name: str = "out", method: str = "GET", headers: Any = (), follow: bool = False
) -> list[Any]:
    """[status or code of the refusal, text]."""
    plugin = life.plugin(name)
    if plugin.facts.runtime == "python":
        found: list[Any] = await plugin.call_function(None, "fetch", [method, url, [list(pair) for pair in headers], follow], {})
        return found
    request = orjson.dumps({"url": url, "method": method, "headers": dict(headers)}).decode()
    try:
        return [200, await plugin.call_function(None, "fetch", [request], {})]
    except LimitExceeded:
        raise
    except PluginFailed as error:
        return [error.code, str(error)]


LINE = "x\r\nx-injected: 1"
VECTORS: list[tuple[str, object]] = [
    ("http://127.0.0.1:{port}/", 200),
    ("http://127.0.0.1:{port}/#@evil.example/", 200),
    ("HTTP://IDP.Example.:{port}/", 200),
    ("http://ｉｄｐ。example:{port}/", 200),  # the same name after IDNA
    ("http://ıdp.example:{port}/", "denied"),  # not the same
    ("http://idp.example.evil.example:{port}/", "denied"),
    ("http://127.1:{port}/", "invalid_input"),
    ("http://0x7f.1:{port}/", "invalid_input"),
    ("http://0x7f000001:{port}/", "invalid_input"),
    ("http://2130706433:{port}/", "invalid_input"),
    ("http://0177.0.0.1:{port}/", "invalid_input"),
    ("http://127.0.0.1.:{port}/", 200),
    ("http://[::ffff:127.0.0.1]:{port}/", "denied"),
    ("http://[::ffff:7f00:1]:{port}/", "denied"),
    ("http://[::1]:{port}/", "denied"),
    ("http://[::]:{port}/", "denied"),
    ("http://0.0.0.0:{port}/", "denied"),
    ("http://127.0.0.2:{port}/", "denied"),
    ("http://inside.example:{port}/", "denied"),  # granted, but not as a name that leads inside
    ("http://inside.example.:{port}/", "denied"),
    ("http://localhost:{port}/", "denied"),
    ("http://localhost.:{port}/", "denied"),
    ("http://meta.example/", "denied"),  # granted as one inside, but nobody means metadata
    ("http://169.254.169.254/latest/meta-data/", "denied"),
    ("https://a.wild.example/", "denied"),
    ("https://wild.example/", "denied"),
    ("http://a.wild.example/", "denied"),
    ("http://user@127.0.0.1:{port}/", "invalid_input"),
    ("http://127.0.0.1:{port}@evil.example/", "invalid_input"),
    ("http://evil.example\\@127.0.0.1:{port}/", "invalid_input"),
    ("http://127.0.0.1:{port} /", "invalid_input"),
    ("http://127.0.0.1/", "denied"),
    ("http://127.0.0.1:{other}/", "denied"),
    ("https://127.0.0.1:{port}/", "denied"),
    ("http://127.0.0.1:{port}/" + LINE, "invalid_input"),
    ("http://127.0.0.1:{port}/?a=" + LINE, "invalid_input"),
    ("http://127.0.0.1:{port}\r\n/", "invalid_input"),
    ("http://127。0。0。1:{port}/", 200),
    ("http://１２７.0.0.1:{port}/", 200),
    ("http://%31%32%37.0.0.1:{port}/", "invalid_input"),
    ("http://127.0.0.1%2f.evil.example:{port}/", "invalid_input"),
    ("http://[fe80::1%25lo]:{port}/", "invalid_input"),
    ("http://[::ffff:0:7f00:1]:{port}/", "denied"),
    ("http://[64:ff9b::7f00:1]:{port}/", "denied"),
    ("http://[2002:7f00:1::]:{port}/", "denied"),
    ("http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:{port}/", "denied"),
    ("http://[::ffff:169.254.169.254]/latest/", "denied"),
    ("http://[fd00:ec2::254]/latest/", "denied"),
    ("http://127.0.0.1:0{port}/", "invalid_input"),
    ("http://127.0.0.1:-1/", "invalid_input"),
    ("unix:///var/run/docker.sock", "invalid_input"),
    ("http+unix://%2Fvar%2Frun%2Fdocker.sock/", "invalid_input"),
    ("file:///etc/passwd", "invalid_input"),
    ("ftp://127.0.0.1:{port}/", "invalid_input"),
    ("//127.0.0.1:{port}/", "invalid_input"),
    ("http://no.example:{port}/", "denied"),
    ("http://127.0.0.1:{port}/endless", "limit"),
    ("http://127.0.0.1:{port}/bomb", "limit"),
    ("http://127.0.0.1:{port}/brotli", "unavailable"),
    ("http://127.0.0.1:{port}/zstd", "unavailable"),
]


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
    """A body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        await writer.drain()


def prepare(server: Server) -> None:
    """What the server answers by path."""
    server.answers |= {
        "/endless": endless,
        "/bomb": reply(gzip.compress(bytes(30_000_000)), Content_Encoding="gzip"),
        "/brotli": reply(b"\x5b\xff\xff\x03" + bytes(100), Content_Encoding="br"),
        "/zstd": reply(b"\x28\xb5\x2f\xfd" + bytes(100), Content_Encoding="zstd"),
        "/silent": silent,
        "/meta": reply(b"", "302 Found", Location=f"http://{METADATA}/latest/meta-data/"),
        "/name": reply(b"", "307 Temporary Redirect", Location="http://meta.example/"),
        "/short": reply(b"", "301 Moved", Location=f"http://127.1:{server.port}/"),
        "/user": reply(b"", "302 Found", Location=f"http://a:b@127.0.0.1:{server.port}/"),
        "/wild": reply(b"", "302 Found", Location="https://a.wild.example/"),
        "/scheme": reply(b"", "302 Found", Location="file:///etc/passwd"),
        "/on": reply(b"", "302 Found", Location=f"http://idp.example:{server.port}/"),
        "/close": reply(b"x", Connection="close"),
    }


@pytest.mark.parametrize("runtime", ENTRIES)
async def test_only_what_is_granted_is_reached_however_it_is_written(tmp_path: Path, runtime: str) -> None:
    async with serving() as server:
        prepare(server)
        life = runtime_of(tmp_path, server.port, "out", runtime=runtime)
        await life.start()
        for url, expected in VECTORS:
            asked = len(server.heads)
            said = await fetch(life, url.format(port=server.port, other=server.port + 1))
            assert said[0] == expected, (url, said)
            reached = len(server.heads) - asked
            assert reached == (1 if expected in (200, "limit", "unavailable") else 0), url
        odd: list[dict[str, Any]] = [
            {"method": "GET / HTTP/1.1\r\nx-injected: 1\r\n"}, {"method": "CONNECT"}, {"method": "TRACE"},
            {"headers": {"x-a": LINE}}, {"headers": {LINE: "a"}}, {"headers": {"host": "evil.example"}},
            {"headers": {"transfer-encoding": "chunked"}}, {"headers": {"x-a": "b\0"}}, {"headers": {"proxy-authorization": "x"}},
        ]  # fmt: skip
        asked = len(server.heads)
        for more in odd:
            headers = more.pop("headers", {})
            said = await fetch(life, f"http://127.0.0.1:{server.port}/", headers=headers.items(), **more)
            assert said[0] == "invalid_input", (more, headers, said)
        assert len(server.heads) == asked
        assert not any("injected" in head for head in server.heads)
        await life.stop()


async def test_every_hop_of_a_redirect_is_checked(tmp_path: Path) -> None:
    async with serving() as server:
        prepare(server)
        life = runtime_of(tmp_path, server.port, "out", runtime="python")
        await life.start()
        place = f"http://127.0.0.1:{server.port}"
        found = {path: (await fetch(life, place + path, follow=True))[0] for path in server.answers if path[1:] in REDIRECTS}
        assert found == {f"/{name}": expected for name, expected in REDIRECTS.items()}
        secret = [("authorization", "secret"), ("x-token", "secret"), ("cookie", "secret")]
        assert (await fetch(life, f"{place}/on", follow=True, headers=secret))[0] == 200
        assert "secret" in server.heads[-2] and "secret" not in server.heads[-1]
        await life.stop()


REDIRECTS = {
    "meta": "denied", "name": "denied", "short": "invalid_input", "user": "invalid_input", "wild": "denied", "scheme": "invalid_input",
    "on": 200,
}  # fmt: skip


async def test_a_name_whose_address_changes_is_checked_at_each_connection(tmp_path: Path) -> None:
    async with serving() as server:
        prepare(server)
        life = runtime_of(tmp_path, server.port, "out", runtime="python")
        await life.start()
        url = f"http://rebind.example:{server.port}/close"
        assert [(await fetch(life, url))[0] for _ in range(2)] == [200, "denied"]
        await life.stop()


@pytest.mark.parametrize("runtime", ENTRIES)
async def test_waiting_for_a_server_counts_against_the_call_and_ends_with_it(tmp_path: Path, runtime: str) -> None:
    closed = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        await reader.read()
        closed.set()

    async with serving() as server:
        server.answers["/never"] = never
        life = runtime_of(tmp_path, server.port, "out", runtime=runtime, timeout_ms=400)
        await life.start()
        with pytest.raises(LimitExceeded) as caught:
            await fetch(life, f"http://127.0.0.1:{server.port}/never")
        assert caught.value.limit == "timeout_ms"
        await asyncio.wait_for(closed.wait(), 20)
        assert (await fetch(life, f"http://127.0.0.1:{server.port}/"))[0] == 200
        await life.stop()


PAGE = """
from mockforge_plugin import Response, ResponsePlugin, http


class Page(ResponsePlugin):
    async def generate(self, request):
        return Response(200, body=(await http.get(request.query["from"])).text)
"""


async def test_a_client_that_leaves_takes_the_request_of_the_plugin_along(tmp_path: Path) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        asked.set()
        await reader.read()
        closed.set()

    manifest = MANIFEST.format(name="page", runtime="python", entry="plugin.py", timeout_ms=20_000).replace("[template]", "[response]")
    manifest = manifest.replace(
        'network: {allow: ["http://*", "https://*"]', 'request.query: {names: [from]}, network: {allow: ["http://*"]'
    )
    (tmp_path / "plugin.yaml").write_text(manifest)
    (tmp_path / "plugin.py").write_text(PAGE)
    async with serving() as server:
        server.answers["/never"] = never
        place = f"http://127.0.0.1:{server.port}"
        grants = {"network": [{"allow": place, "private": True}], "request": {"query": ["from"]}}
        use = {"use": str(tmp_path), "grants": grants, "instances": {"max": 1, "warm": 0}, "limits": LIMITS}
        routes = [{"match": {"path": "/page"}, "response": {"plugin": "page"}}]
        async with Client(MockForge(config={"version": 1, "dev": True, "plugins": {"page": use}, "routes": routes})) as client:
            conversation = Conversation([{"type": "http.request", "body": b"", "more_body": False}])
            scope = client.scope("GET", f"/page?from={place}/never")
            request = asyncio.ensure_future(client.app(scope, conversation.receive, conversation.send))
            await asyncio.wait_for(asked.wait(), 20)
            conversation.leave()
            await asyncio.wait_for(request, 5)
            await asyncio.wait_for(closed.wait(), 5)
            assert not conversation.sent
            assert (await client.get(f"/page?from={place}/")).text == "hello"  # the one instance is free again


async def test_connections_are_not_shared_between_plugins(tmp_path: Path) -> None:
    async with serving() as server:
        life = runtime_of(tmp_path, server.port, "one", "two", runtime="extism")
        await life.start()
        for name in ("one", "two", "one", "two"):
            assert (await fetch(life, f"http://127.0.0.1:{server.port}/", name=name))[0] == 200
        assert server.connections == 2
        await life.stop()


async def test_requests_of_one_plugin_at_once_are_capped_and_hold_no_other_back(tmp_path: Path) -> None:
    now = most = 0
    full, go_on = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 16:
            full.set()
        await go_on.wait()
        now -= 1
        writer.write(reply(b"held", Connection="close"))

    async with serving() as server:
        server.answers["/hold"] = hold
        life = runtime_of(tmp_path, server.port, "one", "two", runtime="extism", instances=20)
        await life.start()
        held = [asyncio.ensure_future(fetch(life, f"http://127.0.0.1:{server.port}/hold", name="one")) for _ in range(20)]
        await asyncio.wait_for(full.wait(), 20)
        assert (await fetch(life, f"http://127.0.0.1:{server.port}/", name="two"))[0] == 200
        assert (now, most) == (16, 16)
        go_on.set()
        assert [said[0] for said in await asyncio.gather(*held)] == [200] * 20
        assert most == 16
        await life.stop()
