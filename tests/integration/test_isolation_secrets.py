"""Secrets stay where they were granted: not in another guest, not in a log line, not in an error, not in an answer.

Planted are a secret of the operator's, the rest of the operator's environment, and parts of requests that no grant names.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.events import Event
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.plugins.package.package import read_package
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.telemetry.log import LogWriter
from mockforge_asgi.testing import Client, Response
from tests.integration.canaries import Canary, guest_memories, keeper, seen
from tests.support.extism_guests import wasm_of

GUARD = '''
import base64
from mockforge_plugin import Allow, AuthPlugin, Deny, Principal, log, secret


class Guard(AuthPlugin):
    """The one that was granted the secret; it is careless with it."""

    def init(self):
        self.key = secret("token")

    def authenticate(self, request):
        sent, mode = request.header("x-api-key"), request.header("x-mode")
        data = self.key.encode()
        spelt = [self.key, data.hex(), data.hex().upper(), repr(self.key), str({"k": self.key}), "".join(f"%{b:02x}" for b in data)]
        spelt += [base64.b64encode(b"." * n + data + b"." * m).decode() for n in range(3) for m in range(3)]
        if mode == "log":
            for text in spelt:
                log.warning(f"the key is {text}!")
            log.info(self.key * 200)
            log.info("x" * 8150 + self.key)
            print(self.key)
        if mode == "fail":
            raise RuntimeError(f"no luck with {spelt}")
        if mode == "wrong":
            return {"allow": self.key}
        return Allow(Principal("ada")) if sent else Deny(401, "send a key", "ApiKey")
'''
SPY = '''
import builtins, gc, json, os, sys
from mockforge_plugin import ResponsePlugin, Response, now, secret
from mockforge_plugin.failure import HostError


class Spy(ResponsePlugin):
    """Tells and logs whatever it can lay hands on."""

    def generate(self, request):
        found = [repr(request), repr(vars(request) if hasattr(request, "__dict__") else [getattr(request, n, None) for n in dir(request)])]
        found += [repr(dict(os.environ)), repr(sys.argv), repr(sys.path), repr(self.config), repr(sorted(vars(builtins)))]
        known = [list(o.values())[:50] for o in gc.get_objects() if type(o) is dict]
        found += [repr(values) for values in known if any("anary" in v for v in values if type(v) is str)]
        for ask in (lambda: secret("token"), lambda: secret("other"), lambda: request.read().result(), lambda: open("/proc/self/environ"),
                    lambda: os.getenv("MOCKFORGE_TOKEN"), lambda: os.popen("env")):
            try:
                found.append(repr(ask()))
            except Exception as error:
                found.append(repr(error))
        print(" ".join(found))
        if request.path.endswith("/fail"):
            raise RuntimeError(" ".join(found))
        if request.path.endswith("/spin"):
            while True:
                pass
        if request.path.endswith("/odd"):
            return Response(200, headers=((" ".join(found), "x\\r\\ny"),))
        return Response(200, body="\\n".join(found))
'''
ENVIRON = wasm_of(r"""(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "environ") (result i32) (local $i i32) (local $out i64)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (drop (call $environ (i32.const 16) (i32.const 4096)))
    (drop (call $args (i32.const 8192) (i32.const 16384)))
    (local.set $out (call $alloc (i64.const 65536)))
    (loop $copy
      (call $store (i64.add (local.get $out) (i64.extend_i32_u (local.get $i))) (i64.load (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $copy (i32.lt_u (local.get $i) (i32.const 65536))))
    (call $output (local.get $out) (i64.const 65536))
    (i32.const 0)))""")
HEAD = 'manifest_version: 1\nid: {id}\nversion: 1.0.0\ncontract: "0.1"\nkinds: [{kind}]\nruntime: {runtime}\nentry: {entry}\n'
LIMITS = "limits: {cpu_ms: 400, timeout_ms: 5000, output_kb: 512}\n"


class Mounted:
    """The whole product with the three of them, and everything it says."""

    def __init__(self, root: Path, *, dev: bool) -> None:
        permissions = "permissions: {request.headers: {names: [x-api-key, x-mode]}, secrets: {names: [token]}}\n"
        self.folder(root, "guard", HEAD.format(id="guard", kind="auth", runtime="python", entry="plugin.py") + permissions, GUARD.encode())
        seeing = "permissions: {request.headers: {names: [accept]}, secrets: {names: [token], optional: true}}\n"
        self.folder(root, "spy", HEAD.format(id="spy", kind="response", runtime="python", entry="plugin.py") + seeing, SPY.encode())
        entry = "{file: plugin.wasm, template: {environ: environ}}"
        self.folder(root, "environ", HEAD.format(id="environ", kind="template", runtime="extism", entry=entry), ENVIRON)
        uses: dict[str, Any] = {name: {"use": str(root / name)} for name in ("guard", "spy", "environ")}
        uses["guard"]["grants"] = {"request": {"headers": ["x-api-key", "x-mode"]}, "secrets": ["token"]}
        uses["spy"]["grants"] = {"request": {"headers": ["accept"]}}
        uses["keeper"] = {"use": str(keeper(root, "keeper", "extism")), "grants": {"kv": True}}
        for use in uses.values():
            use["digest"] = read_package(Path(use["use"])).digest
        pages = {f"/{page}": {"plugin": "spy"} for page in ("page", "fail", "spin", "odd")}
        pages |= {"/open/page": {"plugin": "spy"}, "/open/environ": {"template_text": "{{ environ.environ('') }}"}}
        pages |= {
            "/kept": {"template_text": "{{ keeper.keep('nothing') }}"},
            "/broken": {"template_text": "{{ environ.environ('') | int / 0 }}"},
        }
        self.runtime = PluginRuntime(
            {
                "version": 1,
                "dev": dev,
                "plugins": uses,
                "secrets": {"token": {"env": "MOCKFORGE_TOKEN"}},
                "protect": [{"path": path, "auth": ["guard"]} for path in ("/page", "/fail", "/spin", "/odd", "/kept", "/broken")],
                "routes": [{"match": {"path": path}, "response": response} for path, response in pages.items()],
            }
        )
        self.logs = {form: io.StringIO() for form in ("text", "json")}
        self.runtime.events.subscribe(LogWriter(self.logs["text"], level="debug"))
        self.runtime.events.subscribe(LogWriter(self.logs["json"], level="debug", format="json"))
        self.events: list[Event] = []
        self.runtime.events.subscribe(self.events.append)

    @staticmethod
    def folder(root: Path, name: str, manifest: str, code: bytes) -> None:
        (root / name).mkdir()
        (root / name / "plugin.yaml").write_text(manifest + LIMITS)
        (root / name / ("plugin.wasm" if code[:1] == b"\0" else "plugin.py")).write_bytes(code)

    def told_of(self, plugin: str) -> str:
        """The events of one plugin, as text."""
        return " ".join(repr(e) for e in self.events if getattr(e, "plugin", None) == plugin)


PATHS = ("/page", "/fail", "/spin", "/odd", "/kept", "/broken", "/open/page", "/open/environ", "/nowhere", "/page/", "/%2e%2e/page")


@pytest.mark.parametrize("dev", [True, False])
async def test_what_was_not_granted_turns_up_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, dev: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    secret, environment = Canary("secret"), Canary("environment")
    monkeypatch.setenv("MOCKFORGE_TOKEN", secret.text)
    monkeypatch.setenv("MOCKFORGE_UNRELATED", environment.text)
    parts = {name: Canary(name) for name in ("x-api-key", "authorization", "cookie", "x-secret", "query", "body", "crumb")}
    shown = Canary("shown")
    headers = {
        "x-api-key": parts["x-api-key"].text,
        "authorization": f"Bearer {parts['authorization'].text}",
        "cookie": f"session={parts['cookie'].text}; accept={parts['crumb'].text}",
        "x-secret": parts["x-secret"].text,
        "accept": shown.text,
    }
    mounted = Mounted(tmp_path, dev=dev)
    planted = [secret, environment, *parts.values()]
    answers: list[tuple[str, str, Response]] = []
    async with Client(MockForge(runtime=mounted.runtime)) as client:
        for mode in ("", "log", "fail", "wrong"):
            for path in PATHS:
                url = f"{path}?shown=1&token={parts['query'].text}"
                answer = await client.post(url, headers={**headers, "x-mode": mode}, body=parts["body"].text.encode())
                answers.append((mode, path, answer))
        memories = guest_memories()
        for mode, path, answer in answers:
            everything = answer.body + repr(answer.headers).encode()
            assert seen(everything, planted) == [], (mode, path, answer.status)
        reached = {(mode, path): answer for mode, path, answer in answers}
        assert shown.is_in(reached["", "/page"].body) and reached["", "/page"].status == 200
        assert (reached["", "/open/page"].status, reached["", "/open/environ"].status) == (200, 200)
        assert [reached["", path].status for path in ("/fail", "/spin", "/odd")] == [502, 504, 502]
        assert [reached[mode, "/page"].status for mode in ("log", "fail", "wrong")] == [200, 503, 503]
        # the guard's own instances hold what it was granted; no other guest's does
        assert any(seen(memory, [secret]) for memory in memories)
        for memory in memories:
            allowed = [secret, parts["x-api-key"]] if b"it is careless with it" in memory else []
            assert [canary for canary in seen(memory, planted) if canary not in allowed] == []
    for form, log in mounted.logs.items():
        assert "the key is [redacted]!" in log.getvalue() and "spy says: " in log.getvalue()
        assert seen(log.getvalue(), planted) == [], form
    assert seen(mounted.told_of("spy") + mounted.told_of("environ") + mounted.told_of("keeper"), planted) == []
    assert seen(caplog.text, planted) == []


CARELESS = '''
from mockforge_plugin import Response, ResponsePlugin, log, secret


class Careless(ResponsePlugin):
    """Was granted the secret, and loses it wherever it fails."""

    def generate(self, request):
        key, how = secret("token"), request.path.rpartition("/")[2]
        if how == "raise":
            raise RuntimeError(f"no luck with {key}")
        if how == "exit":
            raise SystemExit(key)
        if how == "spin":
            log.error(f"spinning with {key}")
            while True:
                pass
        if how == "ask":
            from mockforge_plugin import kv
            kv.get(key).result()
        if how == "status":
            return Response(key)
        if how == "header":
            return Response(200, headers=[["x-" + key, "a\\r\\n" + key]])
        return Response(200, template=key + ".txt")
'''
HOW = {"raise": 502, "exit": 502, "spin": 504, "ask": 502, "status": 502, "header": 502, "template": 502}


@pytest.mark.parametrize("dev", [True, False])
async def test_a_plugin_that_fails_with_its_secret_shows_it_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, dev: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = Canary("secret")
    monkeypatch.setenv("MOCKFORGE_TOKEN", secret.text)
    head = HEAD.format(id="careless", kind="response", runtime="python", entry="plugin.py")
    Mounted.folder(tmp_path, "careless", head + "permissions: {secrets: {names: [token]}}\n", CARELESS.encode())
    use = {"use": str(tmp_path / "careless"), "digest": read_package(tmp_path / "careless").digest, "grants": {"secrets": ["token"]}}
    config = {
        "version": 1,
        "dev": dev,
        "plugins": {"careless": {**use, "breaker": {"enabled": False}}},
        "secrets": {"token": {"env": "MOCKFORGE_TOKEN"}},
        "routes": [{"match": {"path": "/{how}"}, "response": {"plugin": "careless"}}],
    }
    life = PluginRuntime(config)
    events: list[Event] = []
    life.events.subscribe(events.append)
    async with Client(MockForge(runtime=life)) as client:
        answers = {how: await client.get(f"/{how}") for how in HOW}
    assert {how: answer.status for how, answer in answers.items()} == HOW
    assert not any(secret.is_in(answer.body + repr(answer.headers).encode()) for answer in answers.values())
    assert any("no luck with [redacted]" in repr(event) for event in events)
    assert [event for event in events if secret.is_in(repr(event))] == []
    assert not secret.is_in(caplog.text)
