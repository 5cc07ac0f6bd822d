"""The compiled-code cache under hardship: full and read-only disks, many processes at once, killed ones, files swapped meanwhile.

Whatever happens, the right code is loaded, and the cache is whole again as soon as it can be.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime import _bindings as ffi
from wasmtime.component import Component

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.events import Compiling
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.wasm.compiled.cache import CompiledCache, _Job, entry_name
from mockforge_asgi.wasm.compiled.compile import CompileLimits
from mockforge_asgi.wasm.compiled.entries import Entries
from mockforge_asgi.wasm.engine import config
from mockforge_asgi.wasm.inspect.limits import Caps
from tests.integration.cache_user import module
from tests.integration.canaries import keeper
from tests.wasm.compiled.test_compile import SLOW, children

ROOT = Path(__file__).resolve().parents[2]


def command(folder: Path, *steps: str) -> list[str]:
    return [sys.executable, "-B", "-m", "tests.integration.cache_user", str(folder / "compiled"), *steps]


@cache
def mounting() -> tuple[str, ...]:
    """The command that lets a process mount something for itself: in a user namespace, where everybody may, or as the system's root."""
    for way in (("unshare", "--user", "--map-root-user", "--mount"), ("unshare", "--mount")):
        if subprocess.run([*way, "mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True, check=False).returncode == 0:
            return way
    pytest.skip("nothing can be mounted here; full and read-only disks are tested by limits and modes alone")


def use(folder: Path, *steps: str, on_small_disk: str = "", is_bound_by_modes: bool = False) -> list[dict[str, Any]]:
    """What a process of its own got from a cache in that folder; `on_small_disk` is a mount's options, for the folder alone."""
    arguments = command(folder, *steps)
    if is_bound_by_modes and os.geteuid() == 0:
        arguments = ["setpriv", "--bounding-set", "-dac_override", *arguments]
    if on_small_disk:
        mount = f"mount -t tmpfs -o {on_small_disk} none {shlex.quote(str(folder / 'compiled'))}"
        arguments = [*mounting(), "sh", "-c", f"{mount} && exec {shlex.join(arguments)}"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_on_a_full_disk_code_is_used_and_the_cache_heals_once_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    folder.mkdir(mode=0o700)
    fill = f"head -c 10000000 /dev/zero > {shlex.quote(str(folder))}/filler 2>/dev/null || true"
    look = f"test -z \"$(find {shlex.quote(str(folder))} -name '.mockforge-new-*')\""
    free = f"rm {shlex.quote(str(folder))}/filler"
    steps = ("1", fill, "2", "1", look, free, "2", "2")
    one, full, kept, again, found = use(tmp_path, *steps, on_small_disk="size=256k,mode=0700")
    assert (one["compiled"], one["troubles"]) == (1, [])
    assert (full["compiled"], full["exports"]) == (1, ["f2"]) and "No space left" in full["troubles"][0]
    assert (kept["compiled"], kept["troubles"]) == (0, [])
    assert (again["compiled"], again["troubles"], found["compiled"], found["exports"]) == (1, [], 0, ["f2"])


def test_a_disk_that_was_full_from_the_beginning_heals_too(tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    folder.mkdir(mode=0o700)
    fill = f"head -c 10000000 /dev/zero > {shlex.quote(str(folder))}/filler 2>/dev/null || true"
    steps = (fill, "1", f"rm {shlex.quote(str(folder))}/filler", "close", "1", "1")
    full, again, found = use(tmp_path, *steps, on_small_disk="size=256k,mode=0700,nr_inodes=64")
    assert (full["compiled"], full["exports"], len(full["troubles"])) == (1, ["f1"], 1)
    assert (again["compiled"], again["troubles"], found["compiled"]) == (1, [], 0)


def test_a_read_only_cache_is_read_and_what_it_lacks_is_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    folder.mkdir(mode=0o700)
    steps = ("1", "close", f"mount -o remount,ro {shlex.quote(str(folder))}", "1", "2", "2")
    _, found, *missing = use(tmp_path, *steps, on_small_disk="size=1m,mode=0700")
    assert (found["compiled"], found["exports"], found["troubles"]) == (0, ["f1"], [])
    for one in missing:
        assert (one["compiled"], one["exports"]) == (1, ["f2"]) and "Read-only" in one["troubles"][0]


def test_on_a_disk_whose_files_may_not_run_compiled_code_is_found_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir(mode=0o700)
    results = use(tmp_path, "1", "1", "close", "1", on_small_disk="size=1m,mode=0700,noexec")
    assert [(one["compiled"], one["exports"], one["troubles"]) for one in results] == [(1, ["f1"], []), (0, ["f1"], []), (0, ["f1"], [])]


def test_an_entry_that_finds_no_room_is_told_and_the_cache_heals_once_there_is_some(tmp_path: Path) -> None:
    """As on a full disk, where nothing can be mounted: the compiler has room for its code, the entry with its checksum has not."""
    entry = f'"$(find {shlex.quote(str(tmp_path / "compiled"))} -type f -size +1k)"'
    limit = f"prlimit --pid $PPID --fsize=$(( $(stat -c %s {entry}) - 16 )):"
    look = f"test -z \"$(find {shlex.quote(str(tmp_path))} -name '.mockforge-new-*')\""
    one, full, kept, again, found = use(tmp_path, "1", limit, "2", look, "1", "prlimit --pid $PPID --fsize=unlimited:", "2", "2")
    assert (one["compiled"], one["troubles"]) == (1, [])
    assert (full["compiled"], full["exports"]) == (1, ["f2"]) and "could not be stored" in full["troubles"][0]
    assert "File too large" in full["troubles"][0]
    assert (kept["compiled"], kept["troubles"]) == (0, [])
    assert (again["compiled"], again["troubles"], found["compiled"], found["exports"]) == (1, [], 0, ["f2"])


def test_a_cache_that_may_not_be_written_is_read_and_what_it_lacks_is_compiled(tmp_path: Path) -> None:
    mode = f"chmod %s {shlex.quote(str(tmp_path / 'compiled'))}"
    _, found, *missing, last = use(tmp_path, "1", "close", mode % "0500", "1", "2", "2", mode % "0700", "2", is_bound_by_modes=True)
    assert (found["compiled"], found["exports"], found["troubles"]) == (0, ["f1"], [])
    for one in missing:
        assert (one["compiled"], one["exports"]) == (1, ["f2"]) and "Permission denied" in one["troubles"][0]
    assert (last["compiled"], last["troubles"]) == (1, [])


def test_a_compiler_that_may_not_write_so_much_is_told_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    limited = f"ulimit -f 16; exec {shlex.join(command(tmp_path, '1'))}"  # blocks of 512 bytes: not enough for code
    done = subprocess.run(["sh", "-c", limited], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "PluginRejected: plugin 'user' not loaded" in done.stderr and "File too large" in done.stderr
    assert [p.name for p in (tmp_path / "compiled").iterdir()] == ["locks"]
    assert [one["compiled"] for one in use(tmp_path, "1", "1")] == [1, 0]


def test_processes_at_once_compile_each_thing_once_and_spoil_nothing(tmp_path: Path) -> None:
    steps = [str(n) for n in range(4)]
    running = [
        subprocess.Popen(command(tmp_path, *(steps[n % 4 :] + steps[: n % 4])), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for n in range(5)
    ]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0] * 5
    assert sum(step["compiled"] for result in results for step in result) == 4
    assert [step["troubles"] for result in results for step in result] == [[]] * 20
    for n, result in enumerate(results):
        assert [step["exports"] for step in result] == [[f"f{(n + i) % 4}"] for i in range(4)]


def is_alive(pid: str) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_killed_while_it_compiles_leaves_no_lock_no_compiler_and_no_rubbish(tmp_path: Path) -> None:
    process = subprocess.Popen(command(tmp_path, "slow"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "compiling\n"
    compilers: list[str] = []
    deadline = time.monotonic() + 60
    while not compilers and time.monotonic() < deadline:
        started = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        compilers = [pid for pid in started if is_compiler(pid) and bounded(pid)]
    process.kill()
    process.communicate(timeout=60)
    assert compilers
    while any(map(is_alive, compilers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_alive, compilers))
    assert [p.name for p in (tmp_path / "compiled").iterdir()] == ["locks"]
    entries = Entries(tmp_path / "compiled")
    assert entries.try_lock(entry_name(hashlib.sha256(SLOW).hexdigest(), "core"))
    entries.close()


def is_compiler(pid: str) -> bool:
    """Whether the process compiles; one that has just ended does not."""
    try:
        return b"compiled.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def bounded(pid: str) -> bool:
    """Whether the compiler has limited itself already, and so ends with its parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().split()[18]) >= 5 and Path(f"/proc/{pid}/maps").read_text().count("wasmtime") > 0


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine(config("core"))


async def test_a_killed_compiler_is_told_in_words_and_the_next_load_compiles(tmp_path: Path, engine: wasmtime.Engine) -> None:
    cache = CompiledCache(tmp_path / "compiled")
    before = children()
    loading = asyncio.ensure_future(cache.load(engine, SLOW, wasmtime.Module, plugin="slow"))
    killed = False
    while not loading.done():
        for pid in () if killed else children() - before:
            if is_compiler(pid):
                os.kill(int(pid), signal.SIGKILL)
                killed = True
        await asyncio.sleep(0)
    with pytest.raises(PluginRejected, match="too costly to compile"):
        await loading
    assert [p.name for p in (tmp_path / "compiled").iterdir()] == ["locks"]
    loaded = await cache.load(engine, module(7), wasmtime.Module, plugin="seven")
    assert [e.name for e in loaded.exports] == ["f7"]
    cache.close()


async def test_entries_swapped_all_the_while_never_give_another_ones_code(tmp_path: Path, engine: wasmtime.Engine) -> None:
    cache = CompiledCache(tmp_path / "compiled")
    names = [entry_name(hashlib.sha256(module(n)).hexdigest(), "core") for n in (1, 2)]
    for n in (1, 2):
        await cache.load(engine, module(n), wasmtime.Module, plugin="user")
    one, two = (tmp_path / "compiled" / name for name in names)
    contents = [one.read_bytes(), two.read_bytes()]
    is_over = threading.Event()

    def swap() -> None:
        spare = tmp_path / "spare"
        n = 0
        while not is_over.is_set():
            n += 1
            place, content = (one, two)[n % 2], contents[n // 2 % 2]
            spare.write_bytes(content if n % 5 else content[: len(content) // 2])
            spare.chmod(0o600)
            os.replace(spare, place)
            if n % 7 == 0:
                place.unlink(missing_ok=True)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        given = 0
        for n in range(2000):
            number = 1 + n % 2
            wasm = module(number)
            code = cache._stored(_Job.of(engine, wasm, wasmtime.Module, "user", Caps(), CompileLimits()))
            given += code is not None
            assert code is None or (isinstance(code, wasmtime.Module) and [e.name for e in code.exports] == [f"f{number}"])
        assert given
    finally:
        is_over.set()
        swapping.join()
    loaded = [await cache.load(engine, module(n), wasmtime.Module, plugin="user") for n in (1, 2)]
    assert [[e.name for e in code.exports] for code in loaded] == [["f1"], ["f2"]]
    cache.close()


@pytest.fixture
def no_compiler_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every way into wasmtime's compiler and validator is shut in this process; lists the attempts."""
    attempts: list[str] = []
    for name in ("module_new", "module_validate", "component_new"):

        def refuse(*_: object, name: str = name) -> None:
            attempts.append(name)
            raise AssertionError(f"wasmtime_{name} in the serving process")

        monkeypatch.setattr(ffi, f"_wasmtime_{name}", refuse)
        monkeypatch.setattr(ffi, f"wasmtime_{name}", refuse)
    return attempts


def test_the_ways_into_the_compiler_are_the_ones_that_are_shut(no_compiler_here: list[str]) -> None:
    engine = wasmtime.Engine(config("component"))
    for attempt in (lambda: wasmtime.Module(engine, module(1)), lambda: Component(engine, "(component)"), lambda: validate(engine)):
        with pytest.raises(AssertionError, match="in the serving process"):
            attempt()
    assert no_compiler_here == ["module_new", "component_new", "module_validate"]
    found = {name for name in vars(ffi) if name.startswith("_wasmtime_") and name.endswith(("module_new", "component_new", "validate"))}
    assert found == {"_wasmtime_module_new", "_wasmtime_component_new", "_wasmtime_module_validate"}


def validate(engine: wasmtime.Engine) -> None:
    wasmtime.Module.validate(engine, module(1))


@pytest.mark.parametrize("runtime", ["python", "extism", "component"])
async def test_nothing_is_compiled_in_the_serving_process(tmp_path: Path, no_compiler_here: list[str], runtime: str) -> None:
    """From an empty cache (but for the Python component, which takes long), through load, call, reload and a new instance."""
    uses = {"keeper": {"use": str(keeper(tmp_path, "keeper", runtime)), "isolation": "per_request", "grants": {"kv": True}}}
    cache = None if runtime == "python" else tmp_path / "compiled"
    life = PluginRuntime({"version": 1, "dev": True, "plugins": uses}, cache_dir=cache)
    compiled: list[str] = []
    life.events.subscribe(lambda e: compiled.append(e.what) if isinstance(e, Compiling) and e.done else None)
    await life.start()
    for _ in range(3):
        await life.plugin("keeper").call_function(None, "keep", ["text"], {})
    (tmp_path / "keeper" / "README.md").write_text("an edit")
    await life.refresh()
    await life.plugin("keeper").call_function(None, "keep", ["text"], {})
    await life.stop()
    assert no_compiler_here == []
    if runtime != "python":
        kernel = {"the Extism kernel", "the Extism wasi"} if runtime == "extism" else set()
        assert set(compiled) == {"keeper"} | kernel and len(compiled) == len(set(compiled))
