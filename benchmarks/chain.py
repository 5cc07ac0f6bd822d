"""The chain under measurement: auth, response and template function, the same answers native and sandboxed.

Each plugin's folder is written where asked. Sandboxed: Extism guests from WebAssembly text that answer with constants; so
what is measured is the way there and back, not what a plugin does with its time. Native: the same answers in Python,
in `async def` methods, which run on the loop; or in plain ones (`native_threads`), which run in threads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import yaml

from benchmarks import guests
from mockforge_asgi.plugins.package.package import read_package

KEY = {"X-API-Key": "demo-key"}
ALLOW = {"allow": {"principal": {"id": "demo", "roles": ["reader"]}, "claims": {}, "set_headers": []}}
ANSWER = {"status": 200, "headers": [["content-type", "application/json"]], "template": "greeting.json", "vars": {"name": "Ada Lovelace"}}
FUNCTION = {"contract": "0.1", "ops": ["template.call"], "functions": [{"name": "initials", "parameters": [{"name": "name"}]}]}
TEMPLATE = '{"message": {{ ("Hello, " ~ name) | tojson }}, "initials": {{ names.initials(name) | tojson }}}'

_SAYING = """
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "DATA")
  (func $say (param $from i32) (param $length i32) (local $at i64) (local $n i32)
    (local.set $at (call $alloc (i64.extend_i32_u (local.get $length))))
    (loop $next
      (call $store (i64.add (local.get $at) (i64.extend_i32_u (local.get $n))) (i32.load8_u (i32.add (local.get $from) (local.get $n))))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (local.get $length))))
    (call $output (local.get $at) (i64.extend_i32_u (local.get $length))))
  EXPORTS)
"""
_PLUGINS: dict[str, tuple[str, dict[str, object]]] = {
    "auth": ("auth", {"auth_authenticate": ALLOW}),
    "greet": ("response", {"response_generate": ANSWER}),
    "names": ("template", {"template_call": "AL", "describe": FUNCTION}),
}
_NATIVE = {
    "auth": """
from mockforge_plugin import Allow, AuthPlugin, Principal

class Auth(AuthPlugin):
    async def authenticate(self, request):
        return Allow(Principal("demo", roles=("reader",)))
""",
    "greet": """
from mockforge_plugin import Response, ResponsePlugin

class Greet(ResponsePlugin):
    async def generate(self, request):
        return Response.render("greeting.json", {"name": "Ada Lovelace"}, headers={"content-type": "application/json"})
""",
    "names": """
from mockforge_plugin import TemplatePlugin, function

class Names(TemplatePlugin):
    @function
    async def initials(self, name):
        return "AL"
""",
}
PERMISSIONS = {"request.headers": {"names": ["x-api-key"]}, "request.principal": {}}


def saying(exports: dict[str, object]) -> bytes:
    """An Extism guest whose exports answer with constants."""
    data, functions = "", ""
    for name, value in exports.items():
        text = json.dumps(value, separators=(",", ":"))
        functions += f'(func (export "{name}") (result i32) (call $say (i32.const {len(data)}) (i32.const {len(text)})) (i32.const 0))\n'
        data += text
    return guests.wasm(_SAYING.replace("DATA", data.replace("\\", "\\\\").replace('"', '\\"')).replace("EXPORTS", functions))


def write(folder: Path, runtime: Literal["native", "native_threads", "extism"]) -> Path:
    """The plugins' folders and the configuration file; gives the file."""
    uses: dict[str, object] = {}
    for name, (kind, exports) in _PLUGINS.items():
        place = folder / name
        place.mkdir()
        file = "plugin.wasm" if runtime == "extism" else "plugin.py"
        source = _NATIVE[name] if runtime == "native" else _NATIVE[name].replace("async def", "def")
        (place / file).write_bytes(saying(exports) if runtime == "extism" else source.encode())
        manifest = {"manifest_version": 1, "id": name, "version": "1.0.0", "contract": "0.1", "kinds": [kind]}
        permissions = PERMISSIONS if kind == "auth" else {}
        (place / "plugin.yaml").write_text(
            yaml.safe_dump({**manifest, "runtime": runtime.partition("_")[0], "entry": file, "permissions": permissions})
        )
        digest = read_package(place).digest
        use: dict[str, object] = {"use": f"./{name}", "digest": digest}
        if runtime != "extism":
            use["native"] = {"trust": digest}
        if kind == "auth":
            use["grants"] = {"request": {"headers": ["x-api-key"], "principal": True}}
        if kind == "response":
            use["templates"] = ["greeting.json"]
        uses[name] = use
    config = {
        "version": 1,
        "plugins": uses,
        "protect": [{"path": "/hello/**", "auth": ["auth"]}],
        "routes": [{"match": {"method": "GET", "path": "/hello/{name}"}, "response": {"plugin": "greet"}}],
        "templates": {"inline": {"greeting.json": TEMPLATE}},
    }
    file_path = folder / "mockforge.yaml"
    file_path.write_text(yaml.safe_dump(config))
    return file_path
