"""A Python without wasmtime serves mocks, templates and native plugins; a sandboxed plugin says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.plugin_packages import minimal

BLOCKED = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "wasmtime":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""
SERVING = (
    BLOCKED
    + """
import asyncio
from mockforge_asgi import MockForge
from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.testing import Client

ROUTES = [
    {"match": {"path": "/static"}, "response": {"text": "static"}},
    {"match": {"path": "/rendered"}, "response": {"template_text": "{{ words.word() }} {{ request.path }}"}},
]
NATIVE = {"words": {"use": "./native", "native": {"trust": "path"}, "templates": ["*"]}}

async def main():
    async with Client(MockForge(config={"version": 1, "dev": True, "routes": ROUTES, "plugins": NATIVE})) as client:
        for path in ("/static", "/rendered"):
            print((await client.get(path)).text)
    try:
        async with Client(MockForge(config={"version": 1, "plugins": {"words": {"use": "./sandboxed"}}})) as client:
            pass
    except Exception as error:
        print(error)

asyncio.run(main())
assert "wasmtime" not in sys.modules
"""
)
SOURCE = """from mockforge_plugin import TemplatePlugin, function

class Words(TemplatePlugin):
    @function
    def word(self) -> str:
        return "native"
"""


def test_mocks_templates_and_native_plugins_need_no_wasmtime(tmp_path: Path) -> None:
    for runtime in ("native", "sandboxed"):
        folder = tmp_path / runtime
        folder.mkdir()
        (folder / "plugin.py").write_text(SOURCE)
        manifest = minimal("words", "")
        (folder / "plugin.yaml").write_text(manifest.replace("runtime: python", f"runtime: {runtime}") if runtime == "native" else manifest)
    ran = subprocess.run([sys.executable, "-c", SERVING], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    static, rendered, refused = ran.stdout.splitlines()
    assert (static, rendered) == ("static", "native /rendered")
    assert "sandboxed plugins run on wasmtime, which is not installed: pip install 'wasmtime>=50.0.1,<51'" in refused


def test_a_mock_without_plugins_is_served_without_loading_wasmtime(tmp_path: Path) -> None:
    code = "import sys\nfrom mockforge_asgi import MockForge\nMockForge(config={'version': 1})\nsys.exit('wasmtime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
