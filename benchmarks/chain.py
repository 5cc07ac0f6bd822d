"""The chain under measurement: auth, response and template function, which answer alike in every runtime.

Each plugin answers with something of the request that it was asked about: auth with the caller's key, the response with
the path parameter, the function with its argument. So an answer shows that plugins saw the right request, and none can be used
for another one. In the full chain the response is also shown the caller that auth found and the body, and answers with both.
What a plugin computes is little: measured is the way to it and back.

The plugins' folders are written where asked. Nothing here knows the package from inside, so that another commit of it can be
measured with the same files; the digest that a native plugin is trusted by is asked of that commit's own command.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import wasmtime
import yaml

Runtime = Literal["native", "native_threads", "extism", "python"]

TEMPLATE = '{"message": {{ ("Hello, " ~ name) | tojson }}, "tag": {{ names.tag(name) | tojson }}}'
FULL_TEMPLATE = TEMPLATE.replace('"tag"', '"caller": {{ caller | tojson }}, "order": {{ order | tojson }}, "tag"')
FUNCTIONS = {"contract": "0.1", "ops": ["template.call"], "functions": [{"name": "tag", "parameters": [{"name": "name"}]}]}


@dataclass(frozen=True, slots=True)
class Found:
    """What follows these eight characters in the input, up to a quotation mark or a closing brace."""

    after: str


Part = str | Found


def _json(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def _answer(*, full: bool) -> list[Part]:
    more: list[Part] = ['","caller":"', Found(':{"id":"'), '","order":"', Found('order\\":')] if full else []
    head = '{"status":200,"headers":[["content-type","application/json"]],"template":"greeting.json","vars":{"name":"'
    return [head, Found('"/hello/'), *more, '"}}']


_ALLOW: list[Part] = ['{"allow":{"principal":{"id":"', Found('i-key","'), '","roles":["reader"]},"claims":{},"set_headers":[]}}']
_TAG: list[Part] = ['"<', Found('args":["'), '>"']

_GUEST = """
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_u64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "DATA")
  (global $out (mut i64) (i64.const 0))
  (global $end (mut i64) (i64.const 0))
  (func $begin (global.set $out (call $alloc (i64.const 1024))) (global.set $end (global.get $out)))
  (func $put (param $byte i32)
    (call $store (global.get $end) (local.get $byte))
    (global.set $end (i64.add (global.get $end) (i64.const 1))))
  (func $say (param $at i32) (param $to i32)
    (loop $next
      (call $put (i32.load8_u (local.get $at)))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $to)))))
  (func $find (param $wanted i64) (local $at i64) (local $byte i32)
    (block $found
      (loop $next
        (br_if $found (i64.eq (call $input_u64 (local.get $at)) (local.get $wanted)))
        (br_if $next (i64.lt_u (local.tee $at (i64.add (local.get $at) (i64.const 1))) (call $input_length))))
      (unreachable)) ;; it is not in the input: the request fails
    (local.set $at (i64.add (local.get $at) (i64.const 8)))
    (block $done
      (loop $next
        (local.set $byte (call $input_u8 (local.get $at)))
        (br_if $done (i32.or (i32.eq (local.get $byte) (i32.const 34)) (i32.eq (local.get $byte) (i32.const 125))))
        (call $put (local.get $byte))
        (br_if $next (i64.lt_u (local.tee $at (i64.add (local.get $at) (i64.const 1))) (call $input_length))))))
  (func $finish (call $output (global.get $out) (i64.sub (global.get $end) (global.get $out))))
  EXPORTS)
"""


def guest(exports: dict[str, list[Part]]) -> bytes:
    """An Extism guest; each export answers with its parts, one after the other."""
    data, functions = b"", ""
    for name, parts in exports.items():
        steps = ""
        for part in parts:
            if isinstance(part, Found):
                wanted = part.after.encode()
                assert len(wanted) == 8, part
                steps += f"(call $find (i64.const {int.from_bytes(wanted, 'little')}))"
            else:
                steps += f"(call $say (i32.const {len(data)}) (i32.const {len(data) + len(part.encode())}))"
                data += part.encode()
        functions += f'(func (export "{name}") (result i32) (call $begin) {steps} (call $finish) (i32.const 0))\n'
    text = "".join(f"\\{byte:02x}" for byte in data)
    return bytes(wasmtime.wat2wasm(_GUEST.replace("DATA", text).replace("EXPORTS", functions)))


_GUESTS: dict[str, dict[str, list[Part]]] = {
    "auth": {"auth_authenticate": _ALLOW},
    "greet": {"response_generate": _answer(full=False)},
    "names": {"template_call": _TAG, "describe": [_json(FUNCTIONS)]},
}
_SOURCES = {
    "auth": """
from mockforge_plugin import Allow, AuthPlugin, Principal

class Auth(AuthPlugin):
    async def authenticate(self, request):
        return Allow(Principal(request.header("x-api-key"), roles=("reader",)))
""",
    "greet": """
from mockforge_plugin import Response, ResponsePlugin

class Greet(ResponsePlugin):
    async def generate(self, request):
        name = request.path_params["name"]
        return Response.render("greeting.json", {"name": name}, headers={"content-type": "application/json"})
""",
    "names": """
from mockforge_plugin import TemplatePlugin, function

class Names(TemplatePlugin):
    @function
    async def tag(self, name):
        return f"<{name}>"
""",
}
_KINDS = {"auth": "auth", "greet": "response", "names": "template"}
PERMISSIONS: dict[str, dict[str, object]] = {"auth": {"request.headers": {"names": ["x-api-key"]}}}
GRANTS: dict[str, dict[str, object]] = {"auth": {"headers": ["x-api-key"]}}
FULL: tuple[dict[str, object], dict[str, object]] = ({"request.principal": {}, "request.body": {}}, {"principal": True, "body": True})
"""What the response plugin of the full chain asks for, and is granted."""


def code(name: str, runtime: Runtime, *, full: bool = False) -> bytes:
    """The file that the plugin's manifest names. Methods are `async def` where they run on the host's loop, else plain."""
    if runtime != "extism":
        return (_SOURCES[name] if runtime == "native" else _SOURCES[name].replace("async def", "def")).encode()
    return guest({"response_generate": _answer(full=True)} if name == "greet" and full else _GUESTS[name])


def digest(folder: Path) -> str:
    """The plugin's digest, as `mockforge plugin validate` of the installed package says it."""
    command = "import sys; from mockforge_asgi.cli import main; sys.argv[0] = 'mockforge'; main()"
    ran = subprocess.run(
        [sys.executable, "-c", command, "plugin", "validate", str(folder)], capture_output=True, text=True, check=False, timeout=120
    )
    found = re.search(r"sha256-[0-9a-f]{64}", ran.stdout)
    if ran.returncode or found is None:
        raise RuntimeError(f"no digest of {folder.name}: {ran.stdout}{ran.stderr}")
    return found[0]


def write(folder: Path, runtime: Runtime, *, full: bool = False) -> Path:
    """The plugins' folders and the configuration file; gives the file. Nothing is in development mode."""
    uses: dict[str, object] = {}
    for name, kind in _KINDS.items():
        place = folder / name
        place.mkdir(parents=True)
        file = "plugin.wasm" if runtime == "extism" else "plugin.py"
        (place / file).write_bytes(code(name, runtime, full=full))
        permissions, grants = FULL if full and name == "greet" else (PERMISSIONS.get(name, {}), GRANTS.get(name, {}))
        manifest = {"manifest_version": 1, "id": name, "version": "1.0.0", "contract": "0.1", "kinds": [kind]}
        manifest |= {"runtime": runtime.partition("_")[0], "entry": file, "permissions": permissions}
        (place / "plugin.yaml").write_text(yaml.safe_dump(manifest))
        use: dict[str, object] = {"use": f"./{name}"}
        if runtime in ("native", "native_threads"):
            use["native"] = {"trust": digest(place)}
        if grants:
            use["grants"] = {"request": grants}
        if kind == "response":
            use["templates"] = ["greeting.json"]
        uses[name] = use
    config = {
        "version": 1,
        "plugins": uses,
        "protect": [{"path": "/hello/**", "auth": ["auth"]}],
        "routes": [{"match": {"path": "/hello/{name}"}, "response": {"plugin": "greet"}}],
        "templates": {"inline": {"greeting.json": FULL_TEMPLATE if full else TEMPLATE}},
    }
    written = folder / "mockforge.yaml"
    written.write_text(yaml.safe_dump(config))
    return written
