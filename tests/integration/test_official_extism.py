"""The same plugin and the same input in the official Extism host and in ours: the same answer."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import extism
import pytest

from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.wasm.extism.guest import ExtismOptions
from tests.support.extism_guests import PLAIN, ExtismBench, extism_bench, wat


@pytest.fixture
async def stand() -> AsyncIterator[ExtismBench]:
    async with extism_bench() as made:
        yield made


@extism.host_fn(name="mockforge_door", namespace="extism:host/user")  # type: ignore[untyped-decorator]
def door(name: str, payload: str) -> str:
    """Our door, for the official host: it has none."""
    return "null"


def official(wasm: bytes, config: dict[str, str] | None = None, **manifest: Any) -> Any:
    """The same plugin in the official host."""
    return extism.Plugin({"wasm": [{"data": wasm}], **manifest}, config=config or {}, functions=[door])


def fetched(plugin: Any, export: str, data: bytes) -> bytes:
    """The official host's answer."""
    return bytes(plugin.call(export, data))


@pytest.mark.parametrize("data", [b"", b"a", b"Hello, World!", "päöü ☃ 𝄞".encode(), b"aeiou" * 5000, b"x" * 300_000])
async def test_the_plugin_counts_as_under_the_official_host(stand: ExtismBench, data: bytes) -> None:
    config = {"vowels": "aeiouäö"}
    theirs, ours = official(PLAIN.read_bytes(), config), await stand.instance(PLAIN.read_bytes(), ExtismOptions(config))
    for _ in range(3):
        assert await ours.invoke(stand.fiber(), "count_vowels", data) == fetched(theirs, "count_vowels", data)


@pytest.mark.parametrize("export", ["echo", "variables"])
@pytest.mark.parametrize("data", [b"", b"7 bytes", b"eight by", b"nine byte", bytes(range(32, 127)) * 20])
async def test_bytes_and_variables_come_back_as_under_the_official_host(stand: ExtismBench, export: str, data: bytes) -> None:
    theirs, ours = official(PLAIN.read_bytes()), await stand.instance(PLAIN.read_bytes())
    for _ in range(2):
        assert await ours.invoke(stand.fiber(), export, data) == fetched(theirs, export, data)


async def test_a_reported_error_has_the_official_hosts_words(stand: ExtismBench) -> None:
    ours = await stand.instance(PLAIN.read_bytes())
    with pytest.raises(extism.Error) as theirs:
        official(PLAIN.read_bytes()).call("fail", b"too late")
    with pytest.raises(PluginFailed) as failed:
        await ours.invoke(stand.fiber(), "fail", b"too late")
    assert str(theirs.value) in str(failed.value)
    assert failed.value.code == "internal"
    assert not ours.broken


class _Peer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])) + self.headers["x-asked"].encode()
        self.send_response(201)
        self.send_header("Content-Type", "text/x-test")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def peer() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Peer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/path"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_plugin_that_fetches_sees_what_it_sees_under_the_official_host(stand: ExtismBench, peer: str) -> None:
    theirs = json.loads(fetched(official(PLAIN.read_bytes(), allowed_hosts=["*"]), "fetch", peer.encode()))
    stand.doors.answer = {"status": 201, "headers": [["Content-Type", "text/x-test"]], "body": {"text": "sentyes"}}
    ours = await stand.instance(PLAIN.read_bytes())
    got = json.loads(await ours.invoke(stand.fiber(), "fetch", peer.encode()))
    assert got == {**theirs, "kind": "text/x-test"}  # the official host keeps headers back unless an option of its own is set
    assert stand.doors.asked == [
        ("http.request", {"method": "POST", "url": peer, "headers": [["X-Asked", "yes"]], "body": {"text": "sent"}})
    ]


_BLOCK = "(call $put (i64.const 0x3837363534333231))"
_NUMBER = "(call $output_set (call $put {}) (i64.const 8))"
ODD_CALLS = {
    "a key used twice": "(local.set $k BLOCK) (drop (call $config_get (local.get $k))) NUMBER(call $config_get (local.get $k))",
    "a variable's key used twice": "(local.set $k BLOCK) (call $var_set (local.get $k) BLOCK) NUMBER(call $var_get (local.get $k))",
    "a log line logged twice": "(local.set $k BLOCK) (call $log_info (local.get $k)) (call $log_info (local.get $k)) NUMBER(i64.const 1)",
    "output from inside a block": "(call $output_set (i64.add BLOCK (i64.const 2)) (i64.const 3))",
    "output beyond the end": "(call $output_set BLOCK (i64.const 100000))",
    "output without length": "(call $output_set BLOCK (i64.const 0))",
    "output at 0": "(call $output_set (i64.const 0) (i64.const 8))",
    "output set twice": "(call $output_set BLOCK (i64.const 8)) (call $output_set BLOCK (i64.const 4))",
    "nothing allocated": "NUMBER(call $alloc (i64.const 0))",
    "length of a freed block": "(local.set $k BLOCK) (call $free (local.get $k)) NUMBER(call $length (local.get $k))",
    "length of the middle of a block": "NUMBER(call $length (i64.add BLOCK (i64.const 4)))",
    "length of a wild handle": "NUMBER(call $length (i64.const 0x7fffffffffff))",
    "load from a wild address": "NUMBER(call $load_u64 (i64.const 0x7fffffffffff))",
    "load from 0": "NUMBER(call $load_u64 (i64.const 0))",
    "store to a wild address": "(call $store_u64 (i64.const 0x7fffffffffff) (i64.const 5)) NUMBER(i64.const 1)",
    "an error beside an output": "(call $error_set BLOCK) (call $output_set BLOCK (i64.const 8))",
    "an error taken back": "(call $error_set BLOCK) (call $error_set (i64.const 0)) (call $output_set BLOCK (i64.const 8))",
    "a wild error": "(call $error_set (i64.const 0x7ffffff0)) (call $output_set BLOCK (i64.const 8))",
    "setting 0": "NUMBER(call $config_get (i64.const 0))",
    "a wild setting": "NUMBER(call $config_get (i64.const 0x7ffffff0))",
    "variable 0": "NUMBER(call $var_get (i64.const 0))",
    "variable 0 set": "(call $var_set (i64.const 0) BLOCK) NUMBER(i64.const 1)",
    "log line 0": "(call $log_info (i64.const 0)) NUMBER(i64.const 1)",
    "a status before any request": "NUMBER(i64.extend_i32_s (call $http_status_code))",
    "headers before any request": "NUMBER(call $http_headers)",
    "a status returned": "(call $output_set BLOCK (i64.const 8)) (return (i32.const 4))",
}


@pytest.mark.parametrize("name", ODD_CALLS)
async def test_odd_calls_end_as_under_the_official_host(stand: ExtismBench, name: str) -> None:
    code = re.sub(r"NUMBER(\(.*\))$", lambda m: _NUMBER.format(m[1]), ODD_CALLS[name]).replace("BLOCK", _BLOCK)
    put = """(func $put (param $v i64) (result i64) (local $p i64)
      (local.set $p (call $alloc (i64.const 8))) (call $store_u64 (local.get $p) (local.get $v)) (local.get $p))"""
    used = set(re.findall(r"\$([a-z_0-9]+)", code)) - {"put", "k"} | {"alloc", "store_u64"}
    wasm = wat(f'{put} (func (export "f") (result i32) (local $k i64) {code} (i32.const 0))', *sorted(used))
    settings = {"12345678": "abc"}
    try:
        theirs: bytes | None = fetched(official(wasm, settings), "f", b"in")
    except extism.Error:
        theirs = None
    try:
        ours: bytes | None = await (await stand.instance(wasm, ExtismOptions(settings))).invoke(stand.fiber(), "f", b"in")
    except PluginFailed:
        ours = None
    assert ours == theirs


_LEAVE = "(call $proc_exit (i32.const {}))"
ENDS = {
    "output, then 0": (f'(func (export "f") (result i32) ANSWER {_LEAVE.format(0)} (i32.const 9))', ""),
    "0 and no output": (f'(func (export "f") (result i32) {_LEAVE.format(0)} (i32.const 9))', ""),
    "an export without result, then 0": (f'(func (export "f") ANSWER {_LEAVE.format(0)})', ""),
    "a command that returns": ('(func (export "_start") ANSWER)', ""),
    "a command that leaves with 0": (f'(func (export "_start") ANSWER {_LEAVE.format(0)})', ""),
    "output, then 3": (f'(func (export "f") (result i32) ANSWER {_LEAVE.format(3)} (i32.const 0))', "left with status 3$"),
    "output, then 256": (f'(func (export "f") (result i32) ANSWER {_LEAVE.format(256)} (i32.const 0))', "left with status 256$"),
    "no output, then 1": (f'(func (export "_start") {_LEAVE.format(1)})', "left with status 1$"),
    "an error, then 0": (f'(func (export "f") (result i32) ANSWER ERROR {_LEAVE.format(0)} (i32.const 0))', "12345678$"),
    "an error, then 3": (f'(func (export "f") (result i32) ERROR {_LEAVE.format(3)} (i32.const 0))', "12345678$"),
    "0 in the initialiser": (
        f'(func (export "_initialize") {_LEAVE.format(0)}) (func (export "f") (result i32) (i32.const 0))',
        "left with status 0$",
    ),
    "0 in the start function": (
        f'(func $s {_LEAVE.format(0)}) (start $s) (func (export "f") (result i32) (i32.const 0))',
        "left with status 0$",
    ),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_guest_that_leaves_is_a_success_or_a_failure_as_under_the_official_host(stand: ExtismBench, name: str) -> None:
    code, words = ENDS[name]
    code = code.replace("ANSWER", f"(call $output_set {_BLOCK} (i64.const 8))").replace("ERROR", f"(call $error_set {_BLOCK})")
    put = """(func $put (param $v i64) (result i64) (local $p i64)
      (local.set $p (call $alloc (i64.const 8))) (call $store_u64 (local.get $p) (local.get $v)) (local.get $p))"""
    wasm = wat(f"{put} {code}", "alloc", "store_u64", "output_set", "error_set", "proc_exit")
    export = "_start" if "_start" in code else "f"
    try:
        theirs: bytes | None = bytes(extism.Plugin({"wasm": [{"data": wasm}]}, wasi=True).call(export, b"in"))
    except extism.Error:
        theirs = None
    if words:
        assert theirs is None
        with pytest.raises(PluginFailed, match=words):
            await (await stand.instance(wasm)).invoke(stand.fiber(), export, b"in")
    else:
        ours = await stand.instance(wasm)
        assert await ours.invoke(stand.fiber(), export, b"in") == theirs
        assert ours.broken
