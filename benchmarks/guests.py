"""Guests under measurement, as WebAssembly text and Python source: each answers `template.call` with its own input.

Beside the echoes: `spin` computes for ever, `fill` writes its whole memory for ever (which no epoch interrupts), `wait` asks
the host's door and waits for the answer.
"""

from __future__ import annotations

import wasmtime

RAW = """
(module (memory (export "memory") 2)
  (func (export "echo") (param $length i32) (result i32) (memory.copy (i32.const 65536) (i32.const 0) (local.get 0)) (local.get 0)))
"""

EXTISM = """
(module
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "template_call") (result i32) (call $output (call $offset) (call $length)) (i32.const 0))
  (memory (export "memory") 128 128)
  (func (export "response_generate") (result i32) BODY (i32.const 0)))
"""
SPIN = "(loop $forever (br $forever))"
WORK = """(local $left i32) (local.set $left (i32.const COUNT))
  (loop $on (br_if $on (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))"""
"""Counts down from `COUNT` and ends."""
FILL = "(loop $forever (memory.fill (i32.const 0) (i32.const 7) (i32.const 8388608)) (br $forever))"
FILL_64 = """(drop (memory.grow (i32.const 896)))
  (loop $forever (memory.fill (i32.const 0) (i32.const 7) (i32.const 67108864)) (br $forever))"""
"""The same over 64 MiB, in a module whose memory may grow."""

COMPONENT = r"""
(component
  (import "mockforge:plugin/host@0.1.0" (instance $host
    (export "call" (func (param "door" string) (param "payload" string) (result (result string (error string)))))))
  (core module $libc
    (memory (export "memory") 4)
    (global $top (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (global.get $top))
      (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)) (i32.const -8)))
      (local.get $at))
    (func (export "reset") (global.set $top (i32.const 4096))))
  (core instance $libc (instantiate $libc))
  (core func $door (canon lower (func $host "call") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $main
    (import "host" "call" (func $door (param i32 i32 i32 i32 i32)))
    (import "libc" "memory" (memory 4))
    (import "libc" "reset" (func $reset))
    (data (i32.const 1024) "DESCRIPTION")
    (func (export "describe") (result i32)
      (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const LENGTH)) (i32.const 0))
    (func (export "call") (param $op i32) (param $op_length i32) (param $payload i32) (param $length i32) (result i32)
      ;; an operation whose name begins with "w" waits at the door of that name; any other one echoes
      (if (i32.eq (i32.load8_u (local.get $op)) (i32.const 119))
        (then (call $door (local.get $op) (local.get $op_length) (local.get $payload) (local.get $length) (i32.const 512))
              (return (i32.const 512))))
      (i32.store8 (i32.const 512) (i32.const 0))
      (i32.store (i32.const 516) (local.get $payload)) (i32.store (i32.const 520) (local.get $length)) (i32.const 512))
    (func (export "after") (param i32) (call $reset)))
  (core instance $main (instantiate $main
    (with "host" (instance (export "call" (func $door)))) (with "libc" (instance $libc))))
  (func (export "describe") (result string) (canon lift (core func $main "describe") (memory (core memory $libc "memory"))))
  (func (export "call") (param "op" string) (param "payload" string) (result (result string (error string)))
    (canon lift (core func $main "call") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))
      (post-return (core func $main "after")))))
"""
_DESCRIPTION = r"{\"contract\":\"0.1\",\"ops\":[\"template.call\"]}"

PYTHON = '''"""Answers with its argument."""
from mockforge_plugin import TemplatePlugin, function


class Echo(TemplatePlugin):
    @function
    def echo(self, text):
        return text
'''

ASYNC_PYTHON = PYTHON.replace("def echo", "async def echo")

COMPUTING_PYTHON = PYTHON.replace("return text", "return sum(range(COUNT)) if COUNT else [None for _ in iter(int, 1)]")
"""Adds up COUNT numbers; with none it never ends."""

WAITING_PYTHON = '''"""Waits for the host."""
from mockforge_plugin import TemplatePlugin, function, http


class Wait(TemplatePlugin):
    @function
    async def wait(self):
        await http.get("http://127.0.0.1/")
        return "done"
'''


def wasm(text: str) -> bytes:
    """The binary of a guest's text."""
    length = str(len(_DESCRIPTION.replace("\\", "")))
    return bytes(wasmtime.wat2wasm(text.replace("DESCRIPTION", _DESCRIPTION).replace("LENGTH", length)))


def extism(body: str = "") -> bytes:
    """An Extism plugin that echoes template calls; `response.generate` runs the body."""
    text = EXTISM.replace("128 128", "128 1024") if body == FILL_64 else EXTISM
    return wasm(text.replace("BODY", body))
