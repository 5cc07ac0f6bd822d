"""A guest that calls whatever it may import, in any order, with any arguments, in the production host.

The guest is a puppet: an input is its script, run inside the sandbox. However a call ends, it ends as a plugin's failure or with an
answer; nothing of it is left for the next call, and an instance that is not broken answers as ever.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import cache
from random import Random

import wasmtime

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import HostCallError, PluginFailed
from mockforge_asgi.wasm.extism.guest import ExtismOptions
from mockforge_asgi.wasm.extism.instance import ExtismInstance
from mockforge_asgi.wasm.extism.linking import ENV, USER
from tests.fuzz.fuzzing import Choices, Target
from tests.fuzz.said import MAX_FAILURE
from tests.support.extism_guests import ExtismBench, extism_bench

ROOM = asyncio.new_event_loop()
ANSWERS: tuple[Json | HostCallError, ...] = (
    {"status": 200, "headers": [["x-a", "b"], ["X-A", "c"]], "body": {"text": "there"}},
    {"status": 599, "headers": [], "body": {"base64": "AAEC"}},
    {"status": 200, "headers": [], "body": {"text": "x" * 300_000}},
    {"ok": 1},
    HostCallError("denied", "not granted"),
    HostCallError("unavailable", "not now", retryable=True),
)
PROBE = b"as ever"
SHIMS = frozenset(
    {"fd_write", "clock_time_get", "clock_res_get", "random_get", "args_sizes_get", "fd_fdstat_get", "poll_oneoff", "proc_exit", "abort"}
)
"""WASI functions that the host has a hand in, and the two that end a call."""
TEXTS = ('{"url": "http://h/", "method": "POST"}', "a", "kv.get", '{"key": "k", "n": 4}', "a line")
"""What every script finds in its slots, so that doors are reached in few steps."""
SCRIPT_AT, TEXTS_AT, SLOTS = 8192, 65536, 16


def puppet(functions: dict[tuple[str, str], str]) -> bytes:
    """The guest. A step of its script is a byte for the function and then each argument: a kind, and what belongs to it.

    Results are kept in slots, from which later arguments are taken, a little moved or not.
    """
    imports, steps = [], []
    for n, ((module, name), type_) in enumerate(sorted(functions.items())):
        wanted, given = ([t for t in side.strip("()").split(",") if t] for side in type_.split("->"))
        declared = " ".join([*(f"(param {p})" for p in wanted), *(f"(result {r})" for r in given)])
        imports.append(f'(import "{module}" "{name}" (func $f{n} {declared}))')
        arguments = " ".join("(call $argument)" if p == "i64" else "(i32.wrap_i64 (call $argument))" for p in wanted)
        call = f"(call $f{n} {arguments})"
        if given:
            call = f"(call $keep {call if given == ['i64'] else f'(i64.extend_i32_u {call})'})"
        steps.append(f"(if (i32.eq (local.get $op) (i32.const {n})) (then {call} (br $next)))")
    at, puts = TEXTS_AT, []
    for text in TEXTS:
        puts.append(f"(call $keep (call $put (i32.const {at}) (i32.const {len(text)})))")
        at += len(text)
    data = "".join(TEXTS).replace('"', '\\"')
    names = {name: n for n, (module, name) in enumerate(sorted(functions)) if module == ENV}
    return bytes(
        wasmtime.wat2wasm(f"""(module {" ".join(imports)}
      (memory (export "memory") 2 4) (global $at (mut i32) (i32.const 0)) (global $end (mut i32) (i32.const 0))
      (global $slot (mut i32) (i32.const 0)) (global $filled (mut i32) (i32.const 0))
      (func $byte (result i32)
        (if (i32.ge_u (global.get $at) (global.get $end)) (then (return (i32.const 0))))
        (global.set $at (i32.add (global.get $at) (i32.const 1)))
        (i32.load8_u (i32.sub (global.get $at) (i32.const 1))))
      (func $long (result i64)
        (global.set $at (i32.add (global.get $at) (i32.const 8)))
        (i64.load (i32.sub (global.get $at) (i32.const 8))))
      (func $place (result i32) (i32.shl (i32.rem_u (call $byte) (global.get $filled)) (i32.const 3)))
      (func $argument (result i64) (local $kind i32)
        (local.set $kind (i32.rem_u (call $byte) (i32.const 6)))
        (if (i32.eqz (local.get $kind)) (then (return (call $long))))
        (if (i32.eq (local.get $kind) (i32.const 1)) (then (return (i64.extend_i32_u (call $byte)))))
        (if (i32.eq (local.get $kind) (i32.const 2)) (then
          (return (i64.add (i64.load (call $place)) (i64.extend8_s (i64.extend_i32_u (call $byte)))))))
        (if (i32.eq (local.get $kind) (i32.const 3)) (then (return (i64.shl (i64.const 1) (i64.extend_i32_u (call $byte))))))
        (i64.load (call $place)))
      (func $keep (param i64)
        (i64.store (i32.shl (global.get $slot) (i32.const 3)) (local.get 0))
        (global.set $slot (i32.rem_u (i32.add (global.get $slot) (i32.const 1)) (i32.const {SLOTS})))
        (if (i32.lt_u (global.get $filled) (global.get $slot)) (then (global.set $filled (global.get $slot)))))
      (data $texts "{data}")
      (func $put (param $from i32) (param $n i32) (result i64) (local $block i64)
        (local.set $block (call $f{names["alloc"]} (i64.extend_i32_u (local.get $n))))
        (loop $more
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (call $f{names["store_u8"]} (i64.add (local.get $block) (i64.extend_i32_u (local.get $n)))
            (i32.load8_u (i32.add (local.get $from) (local.get $n))))
          (br_if $more (local.get $n)))
        (local.get $block))
      (func (export "echo") (result i32)
        (call $f{names["output_set"]} (call $f{names["input_offset"]}) (call $f{names["input_length"]})) (i32.const 0))
      (func (export "run") (result i32) (local $op i32) (local $n i32)
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 131072))
        (memory.init $texts (i32.const {TEXTS_AT}) (i32.const 0) (i32.const {len("".join(TEXTS))}))
        (global.set $slot (i32.const 0)) (global.set $filled (i32.const 0)) (global.set $at (i32.const {SCRIPT_AT}))
        (local.set $n (i32.wrap_i64 (call $f{names["input_length"]})))
        (global.set $end (i32.add (global.get $at) (local.get $n)))
        (block $copied (loop $more
          (br_if $copied (i32.eqz (local.get $n)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (i32.store8 (i32.add (i32.const {SCRIPT_AT}) (local.get $n)) (call $f{names["input_load_u8"]} (i64.extend_i32_u (local.get $n))))
          (br $more)))
        (call $keep (call $f{names["alloc"]} (i64.const 40)))
        (call $keep (call $f{names["input_offset"]}))
        {" ".join(puts)}
        (loop $next
          (if (i32.ge_u (global.get $at) (global.get $end)) (then (return (i32.const 0))))
          (local.set $op (i32.rem_u (call $byte) (i32.const {len(steps) + 1})))
          {" ".join(steps)})
        (call $byte)))""")
    )


class Stand:
    """The host, and an instance of the puppet as long as it is whole."""

    def __init__(self) -> None:
        self._entered: AbstractAsyncContextManager[ExtismBench] = extism_bench()
        self.bench = ROOM.run_until_complete(self._entered.__aenter__())
        functions = self.bench.kernel.functions
        chosen = {name: type_ for name, type_ in functions.items() if name[0] in (ENV, USER) or name[1] in SHIMS}
        self.arities = [chosen[name].split("->")[0].count("i") for name in sorted(chosen)]
        code = puppet(chosen)
        self._guest = self.bench.guest(code, ExtismOptions({"a": "b"}, vars_bytes=2048, log_level=0), memory_bytes=2 << 20)
        self._instance: ExtismInstance | None = None

    async def instance(self) -> ExtismInstance:
        """One that is whole."""
        if self._instance is not None and self._instance.broken:
            self._instance.close()
            self._instance = None
        if self._instance is None:
            self._instance = await self._guest.instantiate(self.bench.fiber("plugin.load"))
        return self._instance


@cache
def stand() -> Stand:
    """One for all inputs."""
    return Stand()


def check(data: bytes) -> None:
    """Run the script, then see whether all is as before."""
    ROOM.run_until_complete(_run(stand(), Choices(data)))


def mutate(data: bytes, random: Random) -> bytes:
    """Puts in or takes out whole steps, most of them with arguments from the slots."""
    at = random.randrange(1, len(data) + 1) if data else 0
    if random.random() < 0.25:
        return data[:at] + data[at + random.randrange(1, 6) :]
    made = bytearray()
    for _ in range(random.choice((1, 1, 2, 3))):
        n = random.randrange(len(stand().arities))
        made.append(n)
        for _ in range(stand().arities[n]):
            kind = random.choice((4, 4, 4, 4, 2, 1, 3, 0))
            made += bytes([kind]) + (random.randbytes(8) if kind == 0 else bytes([random.randrange(SLOTS if kind == 4 else 256)]))
            made += random.randbytes(1) if kind == 2 else b""
    return data[:at] + made + data[at:]


async def _run(used: Stand, choices: Choices) -> None:
    doors, instance = used.bench.doors, await used.instance()
    doors.answer = choices.one_of(ANSWERS)
    doors.asked.clear()
    doors.log.clear()
    try:
        output = await instance.invoke(used.bench.fiber(cpu_s=0.1, timeout_s=5, output_bytes=8192), "run", choices.rest()[:4096])
        assert len(output) <= 8192
    except PluginFailed as error:
        assert error.plugin == "guest" and len(str(error)) < MAX_FAILURE and str(error).encode()
    assert all(isinstance(name, str) for name, _ in doors.asked)
    assert all(isinstance(message, str) and len(message) <= 9000 for _, message in doors.log)
    if not instance.broken:
        view = bytes(instance.memory.view)
        assert view.count(0, instance.memory.heap) == len(view) - instance.memory.heap, "something of the call is left"
    sound = await used.instance()
    assert await sound.invoke(used.bench.fiber(), "echo", PROBE) == PROBE


TARGET = Target(check, 2_000, tuple(Random(n).randbytes(40 * n) for n in range(1, 20)), mutate, max_bytes=1024)
