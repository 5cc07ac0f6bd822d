"""A plugin's WebAssembly file: facts, or a refusal; and whatever wasmtime accepts was read by us as wasmtime reads it."""

from __future__ import annotations

from functools import cache
from random import Random

import wasmtime
from wasmtime.component import Component

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.wasm.engine import config
from mockforge_asgi.wasm.inspect.limits import Caps, inspect
from mockforge_asgi.wasm.inspect.sections import COMPONENT_HEADER, CORE_HEADER, WasmFacts
from tests.fuzz.fuzzing import ROOT, Target
from tests.fuzz.said import in_bounds

CAPS = Caps(file_bytes=65_536, names=100)
TEXTS = (
    """(module (import "env" "log" (func (param i32))) (import "env" "mem" (memory 2 4)) (import "e" "t" (table 1 funcref))
      (import "e" "g" (global (mut i64))) (table 5 funcref) (func $start) (start $start)
      (func (export "big") (param i32) (result i32) (i32.add (i32.const 1) (i32.mul (local.get 0) (i32.const 1000000))))
      (global (export "x") i32 (i32.const 1)) (data (i32.const 0) "hello") (elem (i32.const 0) $start))""",
    """(module (memory (export "memory") 3 9) (func (export "_initialize")) (func (export "run") (result i32) (i32.const 0)))""",
    """(component (import "mockforge:plugin/host@0.1.0" (instance (export "call" (func (param "door" string) (result string)))))
      (import "plain" (func (param "a" u32))) (core module $m (memory 1) (func (export "f") (result i32) (i32.const 1)))
      (core instance $i (instantiate $m)) (func (export "answer") (result s32) (canon lift (core func $i "f"))))""",
    """(component (component $inner (core module (func) (memory 5))) (type (resource (rep i32))) (import "r" (type (sub resource)))
      (import "c" (component)) (import "m" (core module)) (instance (instantiate $inner)))""",
)
SEEDS = (
    *(bytes(wasmtime.wat2wasm(text)) for text in TEXTS), (ROOT / "tests/fixtures/extism/plain.wasm").read_bytes()[:60_000],
    b"(module)", b"\x7fELF\x02", b"\x1f\x8b\x08", b"",
)  # fmt: skip


@cache
def engines() -> dict[str, wasmtime.Engine]:
    """As the product makes them."""
    return {"core": wasmtime.Engine(config("core")), "component": wasmtime.Engine(config("component"))}


def check(data: bytes) -> None:
    """Inspect it; ask wasmtime; compare."""
    try:
        facts = inspect(data, plugin="guest", caps=CAPS)
    except PluginRejected as error:
        in_bounds(error, in_guests_words=True)
        if "damaged" in str(error):
            assert not _is_valid(data), str(error)
        return
    if data[:8] == CORE_HEADER and _is_valid(data):
        _as_wasmtime_reads(facts, wasmtime.Module(engines()["core"], data))


def _is_valid(data: bytes) -> bool:
    """Whether wasmtime would run it."""
    try:
        if data[:8] == COMPONENT_HEADER:
            Component(engines()["component"], data)
        elif data[:8] == CORE_HEADER:
            wasmtime.Module.validate(engines()["core"], data)
        else:
            return False
    except wasmtime.WasmtimeError:
        return False
    return True


def _as_wasmtime_reads(facts: WasmFacts, module: wasmtime.Module) -> None:
    assert (facts.imports, facts.exports) == (len(module.imports), len(module.exports))
    exported = [e.type.limits.min for e in module.exports if isinstance(e.type, wasmtime.MemoryType)]
    imported = [i for i in module.imports if isinstance(i.type, wasmtime.MemoryType)]
    assert not exported or imported or facts.memory_pages >= max(exported)


def mutate(data: bytes, random: Random) -> bytes:
    """Changes sections as sections: their sizes still tell the truth, mostly."""
    if len(data) < 8:
        return random.choice(SEEDS)
    sections, at = [], 8
    while at < len(data):
        number, (size, start) = data[at], _leb(data, at + 1)
        sections.append((number, data[start : start + size]))
        at = start + size
    for _ in range(random.choice((1, 1, 2, 3))):
        if not sections:
            break
        n = random.randrange(len(sections))
        number, content = sections[n]
        match random.randrange(6):
            case 0:
                del sections[n]
            case 1:
                sections.insert(random.randrange(len(sections) + 1), (number, content))
            case 2:
                sections[n] = (random.randrange(16), content)
            case 3:
                sections.append((0, b"\x04name" + random.randbytes(random.randrange(8))))
            case _ if content:
                place = random.randrange(len(content))
                sign = random.choice((random.randbytes(1), b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff\xff\xff\xff\x0f", b"\x60", b""))
                sections[n] = (number, content[:place] + sign + content[place + random.randrange(2) :])
            case _:
                pass
    return data[:8] + b"".join(bytes([number]) + _written(len(content)) + content for number, content in sections)


def _leb(data: bytes, at: int) -> tuple[int, int]:
    """(number, where it ends)"""
    value = shift = 0
    while at < len(data) and shift < 35:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            break
    return value, at


def _written(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


TARGET = Target(check, 4_000, SEEDS, mutate, max_bytes=4096)
