"""An Extism plugin under the limits of its manifest and of its operator, as the product runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import LimitExceeded, PluginRejected
from mockforge_asgi.events import Event, GuestLogged
from mockforge_asgi.plugins.consistency import check_plugins
from mockforge_asgi.plugins.package.static_checks import check_code, validate
from mockforge_asgi.runtime import PluginRuntime
from tests.support.component_guests import COMPONENT
from tests.support.extism_guests import PLAIN, wat

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


ANSWERS = '(func (export "f") (result i32) (i32.const 0))'


def runtime_of(folder: Path, code: bytes, entry: str, limits: dict[str, int] | None = None, *, runtime: str = "extism") -> PluginRuntime:
    folder.mkdir()
    (folder / "plugin.yaml").write_text(
        MANIFEST.format(runtime=runtime, entry=entry).replace("vars_kb: 4" if runtime != "extism" else "", "")
    )
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


def _code(runtime: str, *memories: str) -> bytes:
    if runtime == "extism":
        return bytes(wasmtime.wat2wasm(f"(module {' '.join(memories)} {ANSWERS})"))
    modules = " ".join(f"(core module $m{i} {memory} {ANSWERS})" for i, memory in enumerate(memories))
    return bytes(wasmtime.wat2wasm(f"(component {modules})"))


_CASES = [
    ("extism", ["(memory 256)"], 16, None),
    ("extism", ["(memory 257)"], 16, 17),
    ("extism", ['(memory (export "memory") 272)'], 17, None),
    ("extism", ['(memory (export "memory") 273 65536)'], 17, 18),
    ("extism", ["(memory 1 65536)"], 1, None),
    ("extism", [""], 1, None),
    ("extism", ["(memory 65536)"], 512, 4096),
    ("component", ["(memory 100)", "(memory 256)"], 16, None),
    ("component", ["(memory 257)", "(memory 2)"], 16, 17),
]


def _folder(root: Path, runtime: str, memories: list[str], memory_mb: int) -> Path:
    entry = "{file: p.wasm, template: {f: f}}" if runtime == "extism" else "p.wasm"
    (folder := root / "keeper").mkdir()
    manifest = MANIFEST.format(runtime=runtime, entry=entry).replace("vars_kb: 4", f"memory_mb: {memory_mb}")
    (folder / "plugin.yaml").write_text(manifest)
    (folder / "p.wasm").write_bytes(_code(runtime, *memories))
    return folder


@pytest.mark.parametrize(("runtime", "memories", "memory_mb", "needed"), _CASES)
def test_memory_at_the_start_over_the_limit_is_found_before_anything_runs(
    tmp_path: Path, runtime: str, memories: list[str], memory_mb: int, needed: int | None
) -> None:
    folder = _folder(tmp_path, runtime, memories, memory_mb)
    if needed is None:
        assert validate(folder, "p").package.manifest.id == "keeper"
    else:
        with pytest.raises(PluginRejected, match=f"needs {needed} MiB of memory at the start. Set limits.memory_mb to {needed} or"):
            validate(folder, "p")


@pytest.mark.parametrize(("asked", "given", "is_enough"), [(16, 19, True), (32, None, True), (32, 18, False), (16, None, False)])
def test_check_holds_it_against_the_operators_limit_where_there_is_one(
    tmp_path: Path, asked: int, given: int | None, is_enough: bool
) -> None:
    folder = _folder(tmp_path, "extism", ["(memory 300)"], asked)
    use = {"use": str(folder), "limits": {"memory_mb": given} if given else {}}
    found = check_code(check_plugins(load_config({"version": 1, "plugins": {"keeper": use}})))
    assert ("keeper" in found.authorized) == is_enough
    assert is_enough or "Set limits.memory_mb to 19 or more" in str(found.refused["keeper"])


@pytest.mark.parametrize("runtime", ["extism", "component"])
async def test_memory_at_the_start_over_the_limit_names_the_setting_when_it_is_loaded(tmp_path: Path, runtime: str) -> None:
    code = _code("extism", "(memory 300)")
    if runtime == "component":
        code = bytes(wasmtime.wat2wasm(COMPONENT.replace('(memory (export "memory") 2)', '(memory (export "memory") 300)')))
    started = runtime_of(tmp_path / "keeper", code, "plugin.wasm", runtime=runtime)
    with pytest.raises(PluginRejected, match=r"needs 19 MiB of memory at the start\. Set limits\.memory_mb to 19 or more"):
        await started.start()
