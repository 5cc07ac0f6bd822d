"""The compiled-code cache: hit, miss, damage, sharing."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime
from wasmtime.component import Component

from mockforge_asgi.errors import PluginRejected, UnsupportedPlatform
from mockforge_asgi.events import CacheTrouble, Compiling, Event, EventStream
from mockforge_asgi.wasm.compiled.cache import CompiledCache, Source, default_directory, entry_name
from mockforge_asgi.wasm.engine import config, config_digest
from mockforge_asgi.wasm.inspect.limits import TRUSTED, Caps
from mockforge_asgi.wasm.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[3]
SEVEN = bytes(wasmtime.wat2wasm('(module (func (export "f") (result i32) (i32.const 7)))'))
PARTS = bytes(wasmtime.wat2wasm("(component)"))


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine(config("core"))


class Caching:
    """A cache in a folder of its own, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.said: list[Event] = []
        self.folder = folder
        self.cache = CompiledCache(folder / "compiled", emit=self.said.append)

    @property
    def compiled(self) -> int:
        """How often something was compiled."""
        return sum(isinstance(e, Compiling) and e.done for e in self.said)

    @property
    def troubles(self) -> list[str]:
        """What went wrong with the cache."""
        return [e.what for e in self.said if isinstance(e, CacheTrouble)]

    @property
    def entry(self) -> Path:
        """The file of SEVEN."""
        return self.folder / "compiled" / entry_name(hashlib.sha256(SEVEN).hexdigest(), "core")


@pytest.fixture
def caching(tmp_path: Path) -> Caching:
    return Caching(tmp_path)


async def test_code_is_compiled_once_and_then_loaded(caching: Caching, engine: wasmtime.Engine) -> None:
    for _ in range(3):
        module = await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
        assert [e.name for e in module.exports] == ["f"]
    assert caching.compiled == 1
    again = Caching(caching.folder)
    await again.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert (again.compiled, again.troubles) == (0, [])


async def test_what_was_loaded_runs_after_the_cache_is_closed_and_gone(caching: Caching, engine: wasmtime.Engine) -> None:
    for _ in range(2):
        module = await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    caching.cache.close()
    shutil.rmtree(caching.folder)
    store = wasmtime.Store(engine)
    store.set_epoch_deadline(1)
    run = wasmtime.Instance(store, module, []).exports(store)["f"]
    assert isinstance(run, wasmtime.Func)
    assert run(store) == 7


async def test_components_have_entries_of_their_own(caching: Caching) -> None:
    engine = wasmtime.Engine(config("component"))
    for _ in range(2):
        assert isinstance(await caching.cache.load(engine, PARTS, Component, plugin="parts"), Component)
    assert caching.compiled == 1
    assert entry_name("00", "core") != entry_name("00", "component")


async def test_a_file_is_read_only_to_compile_it_and_must_be_what_was_announced(caching: Caching, engine: wasmtime.Engine) -> None:
    file = caching.folder / "seven.wasm"
    file.write_bytes(SEVEN)
    source = Source(file, hashlib.sha256(SEVEN).hexdigest())
    await caching.cache.load(engine, source, wasmtime.Module, plugin="seven")
    file.unlink()
    await caching.cache.load(engine, source, wasmtime.Module, plugin="seven")
    file.write_bytes(SEVEN + b"\0\1x")
    with pytest.raises(PluginRejected, match="another SHA-256"):
        await caching.cache.load(engine, Source(file, "00" * 32), wasmtime.Module, plugin="seven")


async def test_many_at_once_compile_once(caching: Caching, engine: wasmtime.Engine) -> None:
    other = Caching(caching.folder)
    await asyncio.gather(*(c.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven") for c in (caching, other) for _ in range(5)))
    assert caching.compiled <= 1 and other.compiled <= 1
    assert caching.entry.exists()


async def test_one_that_gives_up_does_not_spoil_it_for_the_others(caching: Caching, engine: wasmtime.Engine) -> None:
    first = asyncio.create_task(caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven"))
    second = asyncio.create_task(caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven"))
    while not caching.said:
        await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, wasmtime.Module)
    with pytest.raises(asyncio.CancelledError):
        await first


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, 100)


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize("harm", [damage, truncate, open_to_all])
async def test_a_harmed_entry_is_compiled_again(caching: Caching, engine: wasmtime.Engine, harm: object) -> None:
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert callable(harm)
    harm(caching.entry)
    for _ in range(2):
        await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert caching.compiled == 2


async def test_an_entry_that_wasmtime_refuses_is_compiled_again(caching: Caching, engine: wasmtime.Engine) -> None:
    """As if another version had written it under our name."""
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    foreign = bytearray(wasmtime.Module(wasmtime.Engine(), SEVEN).serialize())
    caching.cache._store(caching.entry.name, io.BytesIO(foreign))
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert caching.compiled == 2
    assert "made again" in caching.troubles[0]


async def test_code_of_another_version_is_never_looked_at(
    caching: Caching, engine: wasmtime.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    now = caching.entry
    monkeypatch.setattr("mockforge_asgi.wasm.engine.version", lambda name: "50.0.2")
    monkeypatch.setattr("mockforge_asgi.wasm.compiled.cache.config_digest", config_digest.__wrapped__)
    assert caching.entry != now
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert caching.compiled == 2 and now.exists() and caching.entry.exists()


async def test_without_a_usable_directory_code_is_compiled_each_time_and_the_reason_is_said(
    tmp_path: Path, engine: wasmtime.Engine
) -> None:
    (tmp_path / "compiled").write_text("a file is in the way")
    caching = Caching(tmp_path)
    for _ in range(2):
        await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert caching.compiled == 2
    assert len(caching.troubles) == 1
    assert "compiled code is not kept" in caching.troubles[0]


async def test_code_that_cannot_be_stored_is_used_all_the_same(caching: Caching, engine: wasmtime.Engine) -> None:
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    shutil.rmtree(caching.folder / "compiled")
    module = await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert [e.name for e in module.exports] == ["f"]
    assert "could not be stored" in caching.troubles[0]


async def test_what_was_compiled_within_wider_caps_is_no_answer_to_narrower_ones(caching: Caching, engine: wasmtime.Engine) -> None:
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven", caps=TRUSTED)
    with pytest.raises(PluginRejected, match="too large"):
        await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven", caps=Caps(file_bytes=10))


async def test_a_directory_that_can_be_used_after_all_is_used(caching: Caching, engine: wasmtime.Engine) -> None:
    (caching.folder / "compiled").write_text("a file is in the way")
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    (caching.folder / "compiled").unlink()
    for _ in range(2):
        await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert caching.compiled == 2 and caching.entry.exists()


async def test_where_descriptors_have_run_out_what_is_kept_stays_and_the_reason_is_said(caching: Caching, engine: wasmtime.Engine) -> None:
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(UnsupportedPlatform, match="Too many open files"):
            await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "could not be read and is made again: Too many open files" in caching.troubles[0]
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert caching.compiled == 1


async def test_a_process_that_stands_still_while_it_compiles_is_not_waited_for_for_ever(caching: Caching, engine: wasmtime.Engine) -> None:
    code = (
        "import sys; from pathlib import Path; from mockforge_asgi.wasm.compiled.entries import Entries;"
        "e = Entries(Path(sys.argv[1])); print(e.try_lock(sys.argv[2]), flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", code, str(caching.folder / "compiled"), caching.entry.name]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as other:
        assert other.stdout is not None and other.stdout.readline() == b"True\n"
        said = caching.said
        cache = CompiledCache(caching.folder / "compiled", patience_s=0.1, emit=said.append)
        assert isinstance(await cache.load(engine, SEVEN, wasmtime.Module, plugin="seven"), wasmtime.Module)
        other.communicate()
    assert caching.compiled == 1 and "for too long" in caching.troubles[0]


async def test_without_a_home_nothing_is_kept_and_that_is_said(monkeypatch: pytest.MonkeyPatch, engine: wasmtime.Engine) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    said: list[Event] = []
    cache = CompiledCache(emit=said.append)
    assert isinstance(await cache.load(engine, SEVEN, wasmtime.Module, plugin="seven"), wasmtime.Module)
    assert [e.what.partition(":")[0] for e in said if isinstance(e, CacheTrouble)] == ["compiled code is not kept"]
    Sandbox(asyncio.get_running_loop(), EventStream())


async def test_code_that_does_not_fit_this_process_is_not_kept(caching: Caching) -> None:
    """As after an upgrade beneath a running server: the compiler is the new one."""
    with pytest.raises(UnsupportedPlatform, match=r"'seven' not loaded: .* does not fit this process .* Start it again"):
        await caching.cache.load(wasmtime.Engine(), SEVEN, wasmtime.Module, plugin="seven")
    assert not caching.entry.exists()


async def test_a_load_that_is_given_up_while_its_code_is_stored_stores_it(caching: Caching, engine: wasmtime.Engine) -> None:
    loading = asyncio.ensure_future(caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven"))
    while not caching.compiled:
        await asyncio.sleep(0)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    while not caching.entry.exists():
        await asyncio.sleep(0)
    assert caching.troubles == []


async def test_caps_hold_before_anything_is_compiled(caching: Caching, engine: wasmtime.Engine) -> None:
    with pytest.raises(PluginRejected, match="too large"):
        await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven", caps=Caps(file_bytes=10))
    assert caching.said == []


async def test_no_descriptor_is_left_open(caching: Caching, engine: wasmtime.Engine) -> None:
    await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        await caching.cache.load(engine, SEVEN, wasmtime.Module, plugin="seven")
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # the module loaded last may keep its file


def test_code_is_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert default_directory() == tmp_path / "c" / "mockforge" / "compiled"
