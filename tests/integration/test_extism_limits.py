"""An Extism plugin under the limits of its manifest and of its operator, as the product runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.errors import LimitExceeded, PluginRejected
from mockforge_asgi.events import Event, GuestLogged
from mockforge_asgi.runtime import PluginRuntime
from tests.wasm.extism_guests import PLAIN, wat

MANIFEST = """manifest_version: 1
id: keeper
version: 1.0.0
contract: "0.1"
kinds: [template]
runtime: {runtime}
entry: {entry}
limits: {{vars_kb: 4}}
"""
KEEPER = wat(
    """(func (export "keep") (result i32) (local $key i64)
      (local.set $key (call $alloc (i64.const 8)))
      (call $var_set (local.get $key) (call $alloc (i64.const 6000))) (i32.const 0))""",
    "alloc", "var_set",
)  # fmt: skip


def runtime_of(folder: Path, code: bytes, entry: str, limits: dict[str, int] | None = None) -> PluginRuntime:
    folder.mkdir()
    (folder / "plugin.yaml").write_text(MANIFEST.format(runtime="extism", entry=entry))
    (folder / "plugin.wasm").write_bytes(code)
    return PluginRuntime({"version": 1, "dev": True, "plugins": {"keeper": {"use": str(folder), "limits": limits or {}}}})


async def test_the_room_for_variables_is_the_manifests_and_the_operators(tmp_path: Path) -> None:
    entry = "{file: plugin.wasm, template: {keep: keep}}"
    asked = runtime_of(tmp_path / "asked", KEEPER, entry)
    await asked.start()
    with pytest.raises(LimitExceeded, match=r"limits\.vars_kb=4\. Raise it"):
        await asked.plugin("keeper").call_function(None, "keep", [], {})
    await asked.stop()
    raised = runtime_of(tmp_path / "raised", KEEPER, entry, {"vars_kb": 8})
    await raised.start()
    assert await raised.plugin("keeper").call_function(None, "keep", [], {}) == ""
    await raised.stop()


async def test_only_extism_plugins_have_variables(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "plugin.yaml").write_text(MANIFEST.format(runtime="python", entry="plugin.py"))
    (folder / "plugin.py").write_text("")
    runtime = PluginRuntime({"version": 1, "dev": True, "plugins": {"keeper": {"use": str(folder)}}})
    with pytest.raises(PluginRejected, match=r"limits\.vars_kb: variables are for the runtime 'extism' only"):
        await runtime.start()


async def test_debug_lines_reach_the_operator(tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "chatty", PLAIN.read_bytes(), "{file: plugin.wasm, template: {logs: logs}}")
    told: list[tuple[str, str]] = []

    def listen(event: Event) -> None:
        assert isinstance(event, GuestLogged)
        told.append((event.level, event.message))

    runtime.events.subscribe(listen, GuestLogged)
    await runtime.start()
    await runtime.plugin("keeper").call_function(None, "logs", ["x"], {})
    await runtime.stop()
    assert told == [("debug", "debug x"), ("info", "info x"), ("warning", "warn x"), ("error", "error x")]
