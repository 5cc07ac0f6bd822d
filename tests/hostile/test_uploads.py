"""Files offered as plugins, by the product's own road: a process compiles them, and nothing of it is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.wasm.compiled import cache
from mockforge_asgi.wasm.compiled.compile import CompileLimits, compile_wasm
from tests.hostile.arena import LATE_S, Arena, arena
from tests.hostile.core import ANSWERS_NULL, GOOD


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Arena]:
    async with arena(tmp_path) as made:
        yield made


def costly(branches: int = 20_000, locals_: int = 400) -> bytes:
    """One loop of many branches in which every local stays alive: minutes of work for a compiler that takes its time."""
    step = "(if (i64.eqz (local.get {0})) (then (local.set {1} (i64.add (local.get {2}) (local.get {0})))))"
    body = "".join(step.format(n % locals_, 7 * n % locals_, 13 * n % locals_) for n in range(branches))
    return bytes(wasmtime.wat2wasm(f"(module {ANSWERS_NULL} (func (local {'i64 ' * locals_}) (loop $l {body} (br $l))))"))


def within(limits: CompileLimits) -> Any:
    """The product's compiler under lower limits than its own."""

    async def compiled(wasm: bytes, kind: Any, *, plugin: str, limits: object, on_progress: Any, lower: CompileLimits) -> Any:
        return await compile_wasm(wasm, kind, plugin=plugin, limits=lower, on_progress=on_progress)

    return partial(compiled, lower=limits)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (CompileLimits(cpu_s=1), "processor time"),
        (CompileLimits(timeout_s=0.5), "takes longer than"),
        (CompileLimits(memory_mb=200), "memory"),
    ],
)
async def test_code_that_takes_too_much_to_compile_is_refused_beside_other_requests(
    ground: Arena, monkeypatch: pytest.MonkeyPatch, limits: CompileLimits, words: str
) -> None:
    monkeypatch.setattr(cache, "compile_wasm", within(limits))
    before = await ground.settle()
    async with ground.probed():
        with pytest.raises(PluginRejected, match=words):
            await ground.load(costly(), "extism", {})
    assert ground.slowest_s < LATE_S
    assert not (await ground.settle(before)).beyond(before)


def test_the_products_own_bounds_of_a_compilation() -> None:
    assert CompileLimits() == CompileLimits(memory_mb=2048, cpu_s=60, timeout_s=120.0)


async def test_twenty_costly_uploads_at_once(ground: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "compile_wasm", within(CompileLimits(timeout_s=1.0)))
    before = await ground.settle()
    uploads = [costly(5000 + n) for n in range(20)]
    async with ground.probed():
        said = await asyncio.gather(*(ground.load(wasm, "extism", {}) for wasm in uploads), return_exceptions=True)
    assert {type(error) for error in said} == {PluginRejected}
    assert not (await ground.settle(before)).beyond(before)


@pytest.mark.parametrize("wasm", [GOOD[: len(GOOD) // 2], GOOD[:9], GOOD[:-1], bytes([*GOOD[:30], GOOD[30] ^ 0xFF, *GOOD[31:]])])
async def test_a_damaged_file_is_refused_in_words(ground: Arena, wasm: bytes) -> None:
    with pytest.raises(PluginRejected, match="damaged|refused by the compiler|not what its manifest says"):
        await ground.load(wasm, "extism", {})
    assert (await ground.client.get("/good")).text == "good"
