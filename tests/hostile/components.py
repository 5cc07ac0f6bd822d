"""Hostile components in WebAssembly text. All say they answer requests; what `call` does, and what is around it, differs."""

from __future__ import annotations

import wasmtime

_DESCRIPTION = '{"contract":"0.1","ops":["response.generate"]}'
HOST = """(import "mockforge:plugin/host@0.1.0" (instance $host
  (export "call" (func (param "door" string) (param "payload" string) (result (result string (error string)))))))"""
RESULT = "(result string (error string))"
NULL = "(return (call $answer (i32.const 200) (i32.const 4)))"
_TEXT = """
(component {host} {before}
  (core module $m {imports} (memory (export "memory") {pages}) {more}
    (data (i32.const 16) "{description}") (data (i32.const 200) "null") (data (i32.const 220) "random.bytes{{\\22n\\22:1}}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc} (i32.const 8192))
    (func (export "describe") (result i32) {describe}
      (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const {length})) (i32.const 0))
    (func (export "after") (param i32) {after})
    (func $answer (param i32 i32) (result i32) (i32.store8 (i32.const 512) (i32.const 0))
      (i32.store (i32.const 516) (local.get 0)) (i32.store (i32.const 520) (local.get 1)) (i32.const 512))
    (func (export "call") (param i32 i32 i32 i32) (result i32) (local $i i32) {body} (call $answer (i32.const 200) (i32.const 4))))
  (core instance $i (instantiate $m {given}))
  (func (export "describe") (result string) (canon lift (core func $i "describe") (memory (core memory $i "memory"))))
  (func (export "call") {kind} (param "op" string) (param "payload" string) (result {result})
    (canon lift (core func $i "{lifted}") (memory (core memory $i "memory")) {options} (realloc (core func $i "realloc"))))
  {last})"""


def text_of(
    body: str = "", *, before: str = "", imports: str = "", given: str = "", more: str = "", realloc: str = "", describe: str = "",
    after: str = "", options: str = "", result: str = RESULT, last: str = "", pages: int = 1,
    host: str = HOST, kind: str = "", lifted: str = "call",
) -> str:  # fmt: skip
    """A component whose `call` runs that body, with these parts put in at their places."""
    if after:
        options += ' (post-return (core func $i "after"))'
    return _TEXT.format(
        body=body, before=before, imports=imports, given=given, more=more, realloc=realloc, describe=describe, after=after,
        options=options, result=result, last=last, pages=pages, host=host, kind=kind, lifted=lifted,
        description=_DESCRIPTION.replace('"', '\\"'), length=len(_DESCRIPTION),
    )  # fmt: skip


def component(body: str = "", **parts: object) -> bytes:
    """`text_of` as a binary."""
    return bytes(wasmtime.wat2wasm(text_of(body, **parts)))  # type: ignore[arg-type]  # texts and one number, by name


def uses(canon: str, type_: str, body: str, *, before: str = "") -> bytes:
    """A component that calls a built-in of the component model as `$f`."""
    return component(
        body,
        before=f"{before} (core func $f (canon {canon}))",
        imports=f'(import "" "f" (func $f {type_}))',
        given='(with "" (instance (export "f" (func $f))))',
    )


def asks_in(place: str) -> bytes:
    """A component that stands at a door from within `call`, `realloc`, `after` or `start`."""
    ask = "(call $f (i32.const 220) (i32.const 12) (i32.const 232) (i32.const 7) (i32.const 1024))"
    lib = '(core module $lib (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))'
    parts = {"more": f"(func $s {ask}) (start $s)"} if place == "start" else {} if place == "call" else {place: ask}
    return component(
        ask if place == "call" else "",
        before=f"""{lib} (core instance $lib (instantiate $lib))
          (core func $f (canon lower (func $host "call") (memory (core memory $lib "memory")) (realloc (core func $lib "realloc"))))""",
        imports='(import "" "f" (func $f (param i32 i32 i32 i32 i32)))',
        given='(with "" (instance (export "f" (func $f))))',
        **parts,
    )


def answers(*stores: tuple[int, int], at: int = 512, **parts: object) -> bytes:
    """A component that leaves these words in its memory and gives that address as its result."""
    words = " ".join(f"(i32.store (i32.const {where}) (i32.const {value}))" for where, value in stores)
    return component(f"{words} (return (i32.const {at}))", **parts)


def doubled_instances(depth: int) -> bytes:
    """Components that instantiate the one below twice: 2^depth core instances."""
    inner = "(component $c0 (core module $x) (core instance (instantiate $x)))"
    for i in range(1, depth):
        inner += f"(component $c{i} (alias outer 1 $c{i - 1} (component $z)) (instance (instantiate $z)) (instance (instantiate $z)))"
    return component(before=f"{inner} (instance (instantiate $c{depth - 1}))")


def doubled_types(depth: int) -> bytes:
    """A `call` whose result is a result of results of results, 2^depth of them."""
    types = f"(type $t0 {RESULT})" + "".join(f"(type $t{i} (result $t{i - 1} (error $t{i - 1})))" for i in range(1, depth))
    return component(before=types, result=f"$t{depth - 1}")


def of_functions(interface: str, count: int) -> str:
    """An import of an interface with that many functions."""
    return f'(import "{interface}" (instance {" ".join(f"""(export "f{n}" (func))""" for n in range(count))}))'
