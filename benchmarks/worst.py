"""The worst that clients send and that guests make the host do: the configuration, its plugins, and the requests.

Each guest answers with a text of eight signs, repeated: rows for a template, a failure whose message is a list. What is over a bound is
asked for as well: that it is over has to be found out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks import guests
from mockforge_asgi.plugins.package.package import read_package

MIB = 1 << 20
_REPEATING = """
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "HEAD") (data (i32.const 1024) "UNIT") (data (i32.const 2048) "TAIL")
  (func $copy (param $to i64) (param $from i32) (param $n i32) (result i64)
    (loop $next (if (local.get $n) (then
      (call $u8 (local.get $to) (i32.load8_u (local.get $from)))
      (local.set $to (i64.add (local.get $to) (i64.const 1)))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $next))))
    (local.get $to))
  (func (export "response_generate") (result i32) (local $text i64) (local $at i64) (local $n i32)
    (local.set $text (call $alloc (i64.const LENGTH)))
    (local.set $at (call $copy (local.get $text) (i32.const 0) (i32.const HEAD_N)))
    (local.set $n (i32.const TIMES))
    (loop $next
      (call $u64 (local.get $at) (i64.load (i32.const 1024)))
      (local.set $at (i64.add (local.get $at) (i64.const 8)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (drop (call $copy (local.get $at) (i32.const 2048) (i32.const TAIL_N)))
    THEN))
"""
_OUTPUT = "(call $output_set (local.get $text) (i64.const LENGTH)) (i32.const 0)"
_ERROR = "(call $error_set (local.get $text)) (i32.const 1)"
_LOG = """(local.set $n (i32.const 16)) (loop $again (call $log_info (local.get $text))
  (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (i32.const 0)"""

_ROWS = ('{"status":200,"template":"TEMPLATE","vars":{"rows":[', '{"n":1},', '{"n":2}]}}')
_GUESTS: Mapping[str, tuple[tuple[str, str, str], int, str]] = {
    "rows": (_ROWS, 4_900, _OUTPUT),
    "more-rows": (_ROWS, 19_000, _OUTPUT),
    "lists": (('{"status":200,"headers":[],"body":[', "[],[],[]", "]}"), 120_000, _OUTPUT),
    "failure": (('{"error":{"message":[', "1,1,1,1,", "1]}}"), 12_000, _ERROR),
    "logs": (("", "eyJ-eyJ-", ""), 4_000, _LOG),
    "dashes": (("", "--------", ""), 4_000, _LOG),
}
_PYTHON = {
    "fetch": """
from mockforge_plugin import Response, ResponsePlugin, http

class Fetch(ResponsePlugin):
    async def generate(self, request):
        return Response.text(str(len((await http.get("URL")).body)))
""",
    "file": """
from mockforge_plugin import Response, ResponsePlugin, resource

class File(ResponsePlugin):
    async def generate(self, request):
        return Response.text(str(len(await resource("large.bin"))))
""",
}
_TEMPLATES = {
    "rows.txt": "{% for row in rows %}{{ row.n }},{% endfor %}{{ rows | map(attribute='n') | sum }}{{ rows | json }}",
    "urls.txt": "{{ request.text | urlencode | urlencode }}",
    "text.json": '{"t": "{{ request.text }}"}',
    "json.json": "{{ request.json | json }}",
    "sort.json": "{{ request.json | sort | json }}",
}


@dataclass(frozen=True, slots=True)
class Attack:
    """One request, sent again and again."""

    method: str
    target: str
    body: bytes = b""

    def message(self, host: str) -> bytes:
        """Its bytes."""
        head = f"{self.method} {self.target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(self.body)}\r\nconnection: close\r\n\r\n"
        return head.encode() + self.body


ATTACKS: Mapping[str, Attack] = {
    "path_of_tokens": Attack("GET", "/" + "eyJ-" * 8_000),
    "path_of_dashes": Attack("GET", "/" + "-" * 32_000),
    "guest_logs_tokens": Attack("GET", "/logs"),
    "guest_logs_dashes": Attack("GET", "/dashes"),
    "json_lists": Attack("POST", "/condition", b"[" + b"[]," * (MIB // 3 - 2) + b"[]]"),
    "json_most": Attack("POST", "/condition", b"{" + b",".join(b'"%x":1' % n for n in range(29_900)) + b"}"),
    "json_long_numbers": Attack("POST", "/condition", b"[" + b",".join([b"18446744073709551617"] * 19_000) + b"]"),
    "query_fields": Attack("GET", "/query?" + "&".join(["a"] * 30_000)),
    "query_most": Attack("GET", "/query?" + "&".join(["%41=%42"] * 1_000)),
    "template_json": Attack("POST", "/json", b"[" + b"1," * 49_000 + b"1]"),
    "template_sort": Attack("POST", "/sort", b"[" + b"2,1," * 4_900 + b"1]"),
    "template_text": Attack("POST", "/text", b'"' * (MIB - 1)),
    "template_urls": Attack("POST", "/urls", b"\0" * (MIB - 1)),
    "template_urls_most": Attack("POST", "/urls", b"\0" * 21_000),
    "guest_rows": Attack("GET", "/rows"),
    "guest_more_rows": Attack("GET", "/more-rows"),
    "guest_lists": Attack("GET", "/lists"),
    "guest_failure": Attack("GET", "/failure"),
    "server_control_characters": Attack("GET", "/fetch"),
    "file_of_4_mib": Attack("GET", "/file"),
}


def write(folder: Path, url: str) -> Path:
    """The plugins' folders and the configuration file; gives the file. `url` is that of `hostile_apps.control_characters`."""
    uses: dict[str, Any] = {}
    limits = {"memory_mb": 64, "cpu_ms": 500, "timeout_ms": 10_000, "output_kb": 1024}
    for name in (*_GUESTS, *_PYTHON):
        place = folder / name
        place.mkdir()
        is_python = name in _PYTHON
        file = "plugin.py" if is_python else "plugin.wasm"
        (place / file).write_bytes(_PYTHON[name].replace("URL", url).encode() if is_python else _guest(*_GUESTS[name]))
        (place / "large.bin").write_bytes(bytes(4 * MIB if name == "file" else 0))
        asked = {"network": {"allow": [url]}} if name == "fetch" else {"files": {"read": ["*.bin"]}} if name == "file" else {}
        manifest = {"manifest_version": 1, "id": name, "version": "1.0.0", "contract": "0.1", "kinds": ["response"]}
        runtime = "python" if is_python else "extism"
        (place / "plugin.yaml").write_text(yaml.safe_dump({**manifest, "runtime": runtime, "entry": file, "permissions": asked}))
        granted = {"network": [{"allow": url, "private": True}]} if name == "fetch" else {"files": ["*.bin"]} if name == "file" else {}
        more = {"memory_mb": 128, "cpu_ms": 5_000} if is_python else {}
        uses[name] = {"use": f"./{name}", "digest": read_package(place).digest, "grants": granted, "limits": {**limits, **more}}
    uses["rows"]["templates"] = uses["more-rows"]["templates"] = ["rows.txt"]
    routes = [
        {"match": {"path": "/health"}, "response": {"json": {"status": "ok"}}},
        {"match": {"path": "/condition", "body": {"kind": "x"}}, "response": {"text": "x"}},
        {"match": {"path": "/query", "query": {"b": "x"}}, "response": {"text": "x"}},
        *({"match": {"path": f"/{name.partition('.')[0]}"}, "response": {"template": name}} for name in _TEMPLATES if name != "rows.txt"),
        *({"match": {"path": f"/{name}"}, "response": {"plugin": name}} for name in uses),
    ]
    pem = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n" * 20 + "-----END PRIVATE KEY-----\n"
    (folder / "key.pem").write_text(pem)
    config = {
        "version": 1,
        "plugins": uses,
        "routes": routes,
        "templates": {"inline": _TEMPLATES},
        "secrets": {"key": {"file": "key.pem"}},
        "limits": {"pool_memory_mb": 4096},
    }
    file_path = folder / "mockforge.yaml"
    file_path.write_text(json.dumps(config))
    return file_path


def _guest(texts: tuple[str, str, str], times: int, then: str) -> bytes:
    head, unit, tail = (text.replace("TEMPLATE", "rows.txt") for text in texts)
    body = _REPEATING.replace("THEN", then)
    for name, text in (("HEAD", head), ("TAIL", tail)):
        body = body.replace(f"{name}_N", str(len(text)))
        body = body.replace(f'"{name}"', '"' + text.replace('"', '\\"') + '"')
    body = body.replace('"UNIT"', '"' + unit.replace('"', '\\"') + '"').replace("TIMES", str(times))
    return guests.wasm(body.replace("LENGTH", str(len(head) + 8 * times + len(tail))))
