"""What a plugin's source tells before it runs: modules that are not there, rights that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.consistency import check_plugins
from mockforge_asgi.plugins.package.static_checks import check_code, validate
from tests.support.plugin_packages import FILES, MANIFEST, folder, minimal

MINE = """
from mockforge_plugin import AuthPlugin, Request, http as web, kv, resource, secret

class Auth(AuthPlugin):
    async def authenticate(self, request: Request):
        await kv.get(request.client)
        secret("api_keys"), secret("other"), await resource("words.txt"), await web.get("https://a.example")
        request.header("X-API-Key"), request.headers["x-tenant"], "x-trace" in request.headers, request.header_values("x-more")
        return helper(request)

def helper(r: Request):
    return r.query.get("page"), r.query["page"], r.cookies.get("s"), r.principal, r.json(), r.headers, r.method, r.body.size
"""


def warnings(tmp_path: Path, code: str, manifest: str = MANIFEST) -> list[str]:
    return [str(w) for w in validate(folder(tmp_path, {"plugin.yaml": manifest, "plugin.py": code}), "p").warnings]


def test_what_the_code_uses_and_the_manifest_does_not_ask_for_is_a_warning(tmp_path: Path) -> None:
    told = warnings(tmp_path, MINE)
    assert [line.partition(", and the manifest")[0] for line in told] == [
        "p/plugin.py:6: uses kv",
        "p/plugin.py:6: uses request.client",
        "p/plugin.py:7: uses files 'words.txt'",
        "p/plugin.py:7: uses network",
        "p/plugin.py:7: uses secrets 'other'",
        "p/plugin.py:8: uses request.headers 'x-more'",
        "p/plugin.py:8: uses request.headers 'x-tenant'",
        "p/plugin.py:8: uses request.headers 'x-trace'",
        "p/plugin.py:12: uses request.body",
        "p/plugin.py:12: uses request.cookies 's'",
        "p/plugin.py:12: uses request.principal",
        "p/plugin.py:12: uses request.query 'page'",
    ]
    assert told[0].endswith("does not ask for it. Add `kv: {reason: …}` under `permissions:`, and grant it.")
    assert told[-1].endswith("it is never there. Add `request.query: {names: [page], reason: …}` under `permissions:`, and grant it.")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("request.query: {names: ['*']}", "def generate(request): return request.query.get('page')"),
        ("files: {read: ['data/*']}", "from mockforge_plugin import *\ndef generate(request): return resource('data/a.json').result()"),
        ("secrets: {names: [a]}", "from mockforge_plugin import secret\ndef generate(request, name): return secret(name)"),
        ("kv: {}", "from mockforge_plugin import kv as store\ndef generate(request): return store.get('a').result()"),
        ("kv: {}", "class kv: pass\ndef generate(r): return r.client"),
    ],
)
def test_what_is_asked_for_or_cannot_be_told_is_no_warning(tmp_path: Path, asked: str, code: str) -> None:
    manifest = minimal(
        "hello-auth",
        f"description: d\nlicense: MIT\npermissions:\n  {asked[:-1]}{', ' if asked[-2] != '{' else ''}reason: r}}",
        kinds="[response]",
    )
    assert warnings(tmp_path, code, manifest) == []


def test_native_code_asks_nobody(tmp_path: Path) -> None:
    told = warnings(tmp_path, MINE, MANIFEST.replace("runtime: python", "runtime: native"))
    assert len(told) == 1 and "unconfined" in told[0]


COPY = "a package of pure Python can be copied into its folder"
PART = "of the standard library it has what the reference of Python plugins lists"


def test_a_module_that_the_sandbox_does_not_have_is_refused_with_its_line(tmp_path: Path) -> None:
    code = (
        "import requests, json\nfrom numpy import array\nimport helper.words, mockforge_plugin\nfrom . import other\n" + FILES["plugin.py"]
    )
    code += "from mockforge_plugin import kv, funktion\nimport sqlite3, ctypes, mockforge_plugin.values\n"
    code += "try:\n    import yaml\nexcept ImportError:\n    import csv\ndef late():\n    import socket\n"
    last = code[: code.index("try:")].count("\n")
    with pytest.raises(PluginRejected) as raised:
        validate(folder(tmp_path, {**FILES, "plugin.py": code, "helper/words.py": "", "test_plugin.py": "import pytest\n"}), "p")
    assert [str(problem) for problem in raised.value.problems] == [
        "p/plugin.py:1: the sandbox has no module 'requests': for HTTP use `from mockforge_plugin import http`.",
        f"p/plugin.py:2: the sandbox has no module 'numpy', nor the plugin a file 'numpy.py': {COPY}.",
        f"p/plugin.py:{last - 1}: the kit has no 'funktion'. Did you mean 'function'?",
        f"p/plugin.py:{last}: the sandbox has no module 'sqlite3': for data use `from mockforge_plugin import data` or `kv`.",
        f"p/plugin.py:{last}: the sandbox has no module 'ctypes': {PART}.",
    ]


@pytest.mark.parametrize("dev", [True, False])
def test_check_tells_it_once_and_a_start_in_development_mode_too(tmp_path: Path, dev: bool) -> None:
    folder(tmp_path, {"plugin.yaml": minimal("a", "description: d"), "plugin.py": "def f(request): return request.client"}, name="a")
    (tmp_path / "mockforge.yaml").write_text(f"version: 1\ndev: {str(dev).lower()}\nplugins: {{a: {{use: ./a}}}}\n")
    looked = check_plugins(load_config(tmp_path / "mockforge.yaml"))
    assert len(looked.warnings) == int(dev)
    assert ["plugin.py:1: uses request.client" in str(w) for w in check_code(looked).warnings] == [True]
