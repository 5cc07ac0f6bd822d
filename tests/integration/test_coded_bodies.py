"""Bodies that a client sends with gzip or deflate: seen without it by conditions, templates and plugins, passed to the app as they came."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from mockforge_asgi.exact_json import loads
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client, Conversation
from mockforge_asgi.types import Receive, Scope, Send
from mockforge_plugin import Request, Response, ResponsePlugin

BODY = b'{"kind": "x", "text": "' + b"long " * 400 + b'"}'


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def members(data: bytes) -> bytes:
    return gzip.compress(data[:9]) + gzip.compress(data[9:])


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("GZip", gzip.compress),
    ("x-gzip", members),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
]
CONFIG = {
    "version": 1,
    "limits": {"max_body_kb": 4},
    "routes": [
        {"match": {"path": "/if", "body": {"kind": "x"}}, "response": {"text": "yes"}},
        {"match": {"path": "/json"}, "response": {"template_text": "{{ request.json.kind }} {{ request.text | length }}"}},
        {"match": {"path": "/plugin"}, "response": {"plugin": "looks"}},
        {"match": {"path": "/raw"}, "response": {"plugin": "looks"}},
    ],
}


class Looks(ResponsePlugin):
    """Says what it sees."""

    def generate(self, request: Request) -> Response:
        """Its body and the headers that speak of it."""
        if request.path == "/raw":
            return Response(body=request.read_raw().result())
        told = [name for name, _ in request.headers if name.startswith("content-")]
        return Response.json([request.json().result()["kind"], len(request.read().result()), told])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the body that it got, and its coding."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    coding = dict(scope["headers"]).get(b"content-encoding", b"")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-coding", coding)]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def served() -> MockForge:
    return MockForge(app, config=CONFIG, plugins=[Looks()])


@pytest.mark.parametrize(("coding", "pack"), CODINGS)
async def test_everybody_here_sees_the_body_without_its_coding(served: MockForge, coding: str, pack: Callable[[bytes], bytes]) -> None:
    headers, packed = {"content-encoding": coding, "content-type": "application/json"}, pack(BODY)
    async with Client(served) as client:
        assert (await client.post("/if", headers=headers, body=packed)).text == "yes"
        assert (await client.post("/json", headers=headers, body=packed)).text == f"x {len(BODY)}"
        assert (await client.post("/plugin", headers=headers, body=packed)).json() == ["x", len(BODY), ["content-type"]]


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: data + b"broken", lambda data: b""])
async def test_a_plugin_that_checks_signatures_gets_the_body_as_it_came(served: MockForge, pack: Callable[[bytes], bytes]) -> None:
    async with Client(served) as client:
        assert (await client.post("/raw", headers={"content-encoding": "gzip"}, body=pack(BODY))).body == pack(BODY)


@pytest.mark.parametrize(("coding", "pack"), [*CODINGS, ("br", bytes), ("gzip, gzip", bytes), ("gzip", lambda data: data + b"broken")])
async def test_the_app_gets_the_body_as_it_came(served: MockForge, coding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(BODY.replace(b'"x"', b'"y"'))
    async with Client(served) as client:
        for path in ("/", "/if"):
            if path == "/if" and packed.endswith(b"broken"):
                continue
            answer = await client.post(path, headers={"content-encoding": coding}, body=packed)
            assert (answer.body, answer.header("x-coding")) == (packed, coding)


@pytest.mark.parametrize("path", ["/if", "/json", "/plugin"])
@pytest.mark.parametrize(
    ("coding", "packed", "status", "why"),
    [
        ("gzip", gzip.compress(bytes(5000)), 413, "more than 4096 bytes"),
        ("deflate", zlib.compress(bytes(4_000_000)), 413, "more than 4096 bytes"),
        ("gzip", BODY, 400, "the body cannot be decoded"),
        ("gzip", gzip.compress(BODY)[:-5], 400, "ends in the middle"),
        ("gzip", gzip.compress(BODY) + b"more", 400, "the body cannot be decoded"),
        ("deflate", b"\xff" * 50, 400, "the body cannot be decoded"),
    ],
    ids=["too much", "bomb", "plain", "cut", "more", "noise"],
)
async def test_what_cannot_be_decoded_or_is_too_much_is_refused(
    served: MockForge, path: str, coding: str, packed: bytes, status: int, why: str
) -> None:
    async with Client(served) as client:
        answer = await client.post(path, headers={"content-encoding": coding}, body=packed)
    if path == "/plugin":  # the door tells the plugin, which fails
        assert answer.status in (400, 413, 502)
    else:
        assert (answer.status, why in answer.text) == (status, True)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "identity", ""])
async def test_other_codings_are_left_as_they_are(served: MockForge, coding: str) -> None:
    async with Client(served) as client:
        assert (await client.post("/if", headers={"content-encoding": coding}, body=BODY)).text == "yes"


async def test_a_document_never_tells_the_length_of_what_was_sent() -> None:
    packed = gzip.compress(BODY)
    talk = Conversation([{"type": "http.request", "body": packed, "more_body": False}])
    headers = [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(packed)), (b"x-a", b"1")]
    one = Exchange({"type": "http", "method": "POST", "path": "/", "headers": headers}, talk.receive, talk.send)
    view = RequestView(headers=None, body=True)
    assert (loads(one.document(view))["body"], loads(one.document(view))["headers"]) == ({"available": -1}, [["x-a", "1"]])
    await one.fingerprint()
    assert loads(one.document(view))["body"] == {"available": -1}
    assert await one.body() == await one.read_body("request") == one.body_now == BODY
    assert loads(one.document(view))["body"] == {"text": BODY.decode()}
    assert len(loads(one.document(RequestView(headers=None)))["headers"]) == 3
