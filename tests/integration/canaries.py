"""Canaries: texts planted in one place and looked for in all others, in every spelling, in the memory of every live guest too.

The keepers are plugins of each sandboxed runtime that keep what they are given wherever they can, and tell all they find.
"""

from __future__ import annotations

import base64
import gc
import re
import secrets
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final

from wasmtime import wat2wasm

from tests.support.extism_guests import wat

RUNTIMES = ("python", "extism", "component")
_ZEROS: Final = re.compile(rb"\0{4096,}")
_GUARD_BYTES = 1 << 30
"""Behind (and before) the memory of a guest the process holds addresses that nobody may touch: at least so many."""


class Canary:
    """A text that occurs nowhere by chance."""

    def __init__(self, what: str = "") -> None:
        self.what, self.token = what, secrets.token_hex(12)

    @property
    def text(self) -> str:
        """What is planted."""
        return f"canary-{self.token}-end"

    def __repr__(self) -> str:
        return f"Canary({self.what})"

    @cached_property
    def _exact(self) -> list[bytes]:
        data = self.token.encode()
        packed = [base64.b64encode(bytes(n) + data)[-(-n * 8 // 6) : (n + len(data)) * 8 // 6] for n in range(3)]
        return [*packed, data[::-1], self.token.encode("utf-16-le"), self.token.encode("utf-16-be")]

    @cached_property
    def _in_lower_case(self) -> list[bytes]:
        data = self.token.encode()
        return [data, data.hex().encode(), b"".join(b"%%%02x" % byte for byte in data)]

    def is_in(self, data: str | bytes) -> bool:
        """Whether it is there: plain, reversed, in UTF-16, base64, hex or percent escapes, in either case."""
        found = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        lower = found.lower()
        return any(s in found for s in self._exact) or any(s in lower for s in self._in_lower_case)


def seen(data: str | bytes, canaries: Iterable[Canary]) -> list[Canary]:
    """Those of the canaries that are there."""
    return [canary for canary in canaries if canary.is_in(data)]


_others: set[tuple[int, int]] = set()


def forget_others() -> None:
    """Leave out of `guest_memories` from now on what is there: guests of other tests."""
    gc.collect()
    _others.clear()
    _others.update(_spans())


def guest_memories() -> list[bytes]:
    """The linear memory of every live guest of the test, whole but for runs of zeros, which are cut short."""
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        return [_ZEROS.sub(b"\0", _read(memory, *span)) for span in _spans() if span not in _others]


def _read(memory: BinaryIO, start: int, end: int) -> bytes:
    memory.seek(start)
    return memory.read(end - start)


def _spans() -> list[tuple[int, int]]:
    """What can be written and lies right before a guard region."""
    rows = []
    with open("/proc/self/maps", encoding="ascii", errors="replace") as listing:
        for line in listing:
            span, rights = line.split()[:2]
            start, end = (int(text, 16) for text in span.split("-"))
            rows.append((start, end, rights))
    found = []
    for i, (start, end, rights) in enumerate(rows):
        if not rights.startswith("---") or end - start < _GUARD_BYTES:
            continue
        first = start
        for before in reversed(rows[:i]):
            if before[1] != first or not before[2].startswith("rw"):
                break
            first = before[0]
        if first < start:
            found.append((first, start))
    return found


PYTHON_KEEPER = '''
import builtins, io, json, linecache, logging, os, sys
import mockforge_plugin
from mockforge_plugin import TemplatePlugin, function, kv, sleep

KEPT = []


class Keeper(TemplatePlugin):
    kept = []

    @function
    def keep(self, text: str, default=[]) -> str:
        """All that is still there from before; then this is kept in every place that outlives a call."""
        places = [KEPT, Keeper.kept, default]
        for space in (vars(builtins), vars(json), vars(sys), vars(os), vars(mockforge_plugin), vars(type(sys)("x")), self.__dict__):
            places.append(space.setdefault("kept_by_plugin", []))
        places.append(sys.modules.setdefault("kept_module", type(sys)("kept_module")).__dict__.setdefault("kept", []))
        places.append(os.environ)
        found = repr(places) + repr(linecache.cache) + repr(sys.argv) + repr(logging.root.__dict__)
        for place in places[:-1]:
            place.append(text)
        os.environ["KEPT"] = text
        linecache.cache["kept"] = (len(text), None, [text], "kept")
        logging.root.kept = text
        return found

    @function
    def spin(self, text: str) -> None:
        """Keeps it, and computes until it is ended."""
        self.keep(text)
        while True:
            pass

    @function
    async def wait(self, text: str) -> None:
        """Keeps it, and waits at a door until it is ended."""
        self.keep(text)
        await sleep(1000)

    @function
    def own(self, text: str) -> str:
        """What the key-value storage held under the key that every plugin uses; then it holds this."""
        found = kv.get("kept").result()
        kv.set("kept", text).result()
        return repr(found)
'''

EXTISM_KEEPER = wat(
    """
    (global $kept (mut i32) (i32.const 0))
    (func $key (result i64) (local $at i64)
      (local.set $at (call $alloc (i64.const 8))) (call $store_u8 (local.get $at) (i32.const 107)) (local.get $at))
    ;; the whole heap, with whatever lies beyond its end
    (func $tell (local $rest i64)
      (local.set $rest (call $alloc (i64.const 131072)))
      (call $output_set (call $input_offset) (i64.sub (i64.add (local.get $rest) (i64.const 131072)) (call $input_offset))))
    (func (export "look") (result i32) (call $tell) (i32.const 0))
    (func (export "fail") (result i32) (call $error_set (call $input_offset)) (call $tell) (i32.const 1))
    (func (export "flood") (result i32) (local $rest i64)
      (local.set $rest (call $alloc (i64.const 1100000)))
      (call $output_set (call $input_offset) (i64.sub (i64.add (local.get $rest) (i64.const 1100000)) (call $input_offset)))
      (i32.const 0))
    (func (export "keep") (result i32) (local $i i32) (local $own i64) (local $n i32)
      (drop (call $var_get (call $key)))
      (local.set $own (call $alloc (i64.const 65536)))
      (loop $copy
        (call $store_u64 (i64.add (local.get $own) (i64.extend_i32_u (local.get $i))) (i64.load (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 8)))
        (br_if $copy (i32.lt_u (local.get $i) (i32.const 65536))))
      (call $tell)
      (local.set $n (i32.wrap_i64 (call $input_length)))
      (if (i32.gt_u (local.get $n) (i32.const 60000)) (then (local.set $n (i32.const 60000))))
      (local.set $own (call $alloc (i64.extend_i32_u (local.get $n))))
      (local.set $i (i32.const 0))
      (loop $take
        (i32.store8 (i32.add (i32.const 2048) (local.get $i))
          (call $load_u8 (i64.add (call $input_offset) (i64.extend_i32_u (local.get $i)))))
        (call $store_u8 (i64.add (local.get $own) (i64.extend_i32_u (local.get $i)))
          (call $load_u8 (i64.add (call $input_offset) (i64.extend_i32_u (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $take (i32.lt_u (local.get $i) (local.get $n))))
      (call $var_set (call $key) (local.get $own))
      (i32.const 0))""",
    "alloc", "store_u8", "store_u64", "load_u8", "input_offset", "input_length", "output_set", "error_set", "var_get", "var_set",
)  # fmt: skip

_SAID = '{"contract":"0.1","ops":["template.call"],"functions":[{"name":"keep"}]}'
COMPONENT_KEEPER = bytes(
    wat2wasm(
        r"""
(component
  (core module $main
    (memory (export "memory") 7)
    (data (i32.const 1024) "DESCRIPTION")
    (global $top (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (if (i32.gt_u (global.get $top) (i32.const 90000)) (then (global.set $top (i32.const 4096))))
      (local.set $at (global.get $top))
      (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)) (i32.const -8)))
      (local.get $at))
    (func (export "describe") (result i32)
      (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const LENGTH)) (i32.const 0))
    (func $digit (param i32) (result i32)
      (i32.add (local.get 0) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get 0) (i32.const 10)))))
    ;; whatever it is called with lies in memory now, and stays there: the answer is the first 128 KiB of it, in hex
    (func (export "call") (param i32 i32 i32 i32) (result i32) (local $i i32) (local $to i32) (local $byte i32)
      (i32.store8 (i32.const 131072) (i32.const 34))
      (local.set $to (i32.const 131073))
      (loop $next
        (local.set $byte (i32.load8_u (local.get $i)))
        (i32.store8 (local.get $to) (call $digit (i32.shr_u (local.get $byte) (i32.const 4))))
        (i32.store8 (i32.add (local.get $to) (i32.const 1)) (call $digit (i32.and (local.get $byte) (i32.const 15))))
        (local.set $to (i32.add (local.get $to) (i32.const 2)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 131072))))
      (i32.store8 (local.get $to) (i32.const 34))
      (i32.store (i32.const 512) (i32.const 0))
      (i32.store (i32.const 516) (i32.const 131072)) (i32.store (i32.const 520) (i32.const 262146))
      (i32.const 512)))
  (core instance $main (instantiate $main))
  (func (export "describe") (result string) (canon lift (core func $main "describe") (memory (core memory $main "memory"))))
  (func (export "call") (param "op" string) (param "payload" string) (result (result string (error string)))
    (canon lift (core func $main "call") (memory (core memory $main "memory")) (realloc (core func $main "realloc")))))
""".replace("DESCRIPTION", _SAID.replace('"', '\\"')).replace("LENGTH", str(len(_SAID)))
    )
)

_MANIFEST = """manifest_version: 1
id: {id}
version: 1.0.0
contract: "0.1"
kinds: [template]
runtime: {runtime}
entry: {entry}
permissions: {{kv: {{reason: keeps what it is given}}}}
limits: {{cpu_ms: 2000, timeout_ms: 20000, output_kb: 1024}}
"""
_CODE: dict[str, tuple[str, str, bytes]] = {
    "python": ("plugin.py", "plugin.py", PYTHON_KEEPER.encode()),
    "extism": ("{file: plugin.wasm, template: {keep: keep, look: look, fail: fail, flood: flood}}", "plugin.wasm", EXTISM_KEEPER),
    "component": ("plugin.wasm", "plugin.wasm", COMPONENT_KEEPER),
}


def keeper(root: Path, name: str, runtime: str) -> Path:
    """The folder of a plugin that keeps all it is given, and tells all it finds: template function `keep(text)`."""
    folder = root / name
    folder.mkdir()
    entry, file, code = _CODE[runtime]
    (folder / "plugin.yaml").write_text(_MANIFEST.format(id=name, runtime=runtime, entry=entry))
    (folder / file).write_bytes(code)
    return folder
