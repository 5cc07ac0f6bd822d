"""Core modules that will not end, will not fit, or reach for what is not theirs."""
# ruff: noqa: E501 - a row of the table is a line

from __future__ import annotations

import wasmtime

from tests.hostile import core
from tests.hostile.cases import FAREWELL, Case, Later, later
from tests.hostile.core import ANSWERS_NULL, GOOD, SPIN, text_of, unfolding_name, wide

_CPU, _MEMORY = "`cpu_ms`", "`memory_mb`"
_SLEEP = "(i32.store8 (i32.const 8) (i32.const 0)) (i64.store (i32.const 24) (i64.const {ns}))"
_POLL = "(drop (call $poll_oneoff (i32.const 0) (i32.const 256) (i32.const {n}) (i32.const 512)))"
_TO_ITSELF = "(i64.store (i32.const 8) (i64.const 0)) (loop $m (memory.copy (i32.const 0) (i32.const 8) (i32.const 15000000)) (br $m))"
_PRINT = "(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 60000))"
_FLOOD = "(loop $m (local.set $a (call $alloc (i64.const {n}))) (call $log_info (local.get $a)) (br $m))"
_VARS = """(loop $m (call $store_u64 (local.tee $a (call $alloc (i64.const 8))) (local.tee $b (i64.add (local.get $b) (i64.const 1))))
  (call $var_set (local.get $a) (call $alloc (i64.const 900))) (br $m))"""
_KV = {"kv": {"max_keys": 10, "max_bytes": 1000, "reason": "to fill it"}}


asks, described, generates = later(core.asks), later(core.described), later(core.generates)
module, spins_in = later(core.module), later(core.spins_in)


def _handle(call: str, name: str) -> Later:
    return generates(call, name, "alloc")


NEVER_END = [
    Case("endless loop in a call", generates(SPIN), "LimitExceeded", "cpu_ms=", budget=_CPU),
    Case("endless loop in a start function", module(f"{ANSWERS_NULL} (func $s {SPIN}) (start $s)"), "LimitExceeded", "cpu_ms|timeout_ms", "load"),
    Case("endless loop in `_initialize`", module(f'{ANSWERS_NULL} (func (export "_initialize") {SPIN})'), "LimitExceeded", "cpu_ms|timeout_ms", "load"),
    Case("endless loop in `__wasm_call_ctors`", module(f'{ANSWERS_NULL} (func (export "__wasm_call_ctors") {SPIN})'), "LimitExceeded", "cpu_ms|timeout_ms", "load"),
    Case("endless loop in `hs_init`", module(f'{ANSWERS_NULL} (func (export "hs_init") (param i32 i32) {SPIN})'), "LimitExceeded", "cpu_ms|timeout_ms", "load"),
    Case("endless loop in `describe`", spins_in("describe"), "PluginRejected", "describe: over (cpu_ms|timeout_ms)", "load"),
    Case("endless loop in `validate_config`", spins_in("plugin_validate_config"), "PluginRejected", "over (cpu_ms|timeout_ms)", "load"),
    Case("endless loop in `init`", spins_in("plugin_init"), "LimitExceeded", "plugin.init: over (cpu_ms|timeout_ms)", "load"),
    Case("endless loop in `start`", spins_in("plugin_start"), "LimitExceeded", "plugin.start: over (cpu_ms|timeout_ms)", "load"),
    Case("endless loop in `stop`", spins_in("plugin_stop"), "LimitExceeded", "plugin.stop: over (cpu_ms|timeout_ms)", "stop"),
    Case("endless loop in `destroy`", spins_in("plugin_destroy"), "LimitExceeded", "plugin.destroy: over (cpu_ms|timeout_ms)", "stop", budget=FAREWELL),
    Case("`memory.fill` without end", generates("(drop (memory.grow (i32.const 235))) (loop $m (memory.fill (i32.const 0) (i32.const 7) (i32.const 15000000)) (br $m))"), "LimitExceeded", "cpu_ms=", budget=_CPU),
    Case("`memory.copy` onto itself without end", generates(f"(drop (memory.grow (i32.const 235))) {_TO_ITSELF}"), "LimitExceeded", "cpu_ms=", budget=_CPU),
    Case("`table.fill` without end", generates("(drop (table.grow $t (ref.null func) (i32.const 90000))) (loop $m (table.fill $t (i32.const 0) (ref.null func) (i32.const 90000)) (br $m))", more="(table $t 1 funcref)"), "LimitExceeded", "cpu_ms=", budget=_CPU),
    Case("a scan of its variables without end", generates("(loop $n (drop (call $var_get (call $alloc (i64.const 4)))) (br $n))", "alloc", "var_get"), "LimitExceeded", "cpu_ms=|memory_mb", budget=_CPU),
    Case("endless recursion", generates("(call $r)", more="(func $r (call $r))"), "PluginFailed", "recursed too deeply"),
    Case("endless recursion through a table", generates("(call $r)", more="(type $f (func)) (table funcref (elem $r)) (func $r (call_indirect (type $f) (i32.const 0)))"), "PluginFailed", "recursed too deeply"),
    Case("endless recursion in a start function", module(f"{ANSWERS_NULL} (func $s (call $s)) (start $s)"), "PluginRejected", "recursed too deeply", "load"),
    Case("sleeping through WASI for an hour", generates(f"{_SLEEP.format(ns=3_600_000_000_000)} {_POLL.format(n=1)}", "poll_oneoff"), "LimitExceeded", "timeout_ms=200", budget="`timeout_ms`", limits={"timeout_ms": 200}, many=False),
    Case("sleeping through WASI for longer than clocks count", generates(f"(loop $m {_SLEEP.format(ns=-1)} {_POLL.format(n=1)} (br $m))", "poll_oneoff"), "LimitExceeded", "cpu_ms|timeout_ms", budget=_CPU, many=False),
    Case("waiting for four thousand million events", generates(_POLL.format(n=-1), "poll_oneoff"), "null"),
    Case("a host call that waits an hour", asks("clock.sleep", '{"ns":3600000000000}'), "LimitExceeded", "timeout_ms=200", budget="`timeout_ms`", limits={"timeout_ms": 200}, many=False),
]  # fmt: skip
TOO_MUCH = [
    Case("memory bomb: own memory", generates("(loop $m (br_if $m (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)"), "PluginFailed", "gave up", budget=_MEMORY),
    Case("memory bomb: blocks of the kernel", generates("(loop $m (drop (call $alloc (i64.const 1000000))) (br $m))", "alloc"), "LimitExceeded", "memory_mb=16", budget=_MEMORY),
    Case("a block of 2 GiB, and one of less than nothing", generates("(drop (call $alloc (i64.const 0x7fffffff)))", "alloc"), "LimitExceeded", "memory_mb=16", budget=_MEMORY),
    Case("a block of negative length", _handle("(drop (call $alloc (i64.const -1)))", "length"), "LimitExceeded", "memory_mb=16", budget=_MEMORY),
    Case("more memory at the start than is allowed", generates("", memory='(memory (export "memory") 1000)'), "PluginRejected", "needs 63 MiB of memory at the start", "load", budget=_MEMORY),
    Case("many memories", generates("", memory='(memory (export "memory") 1) (memory 1)'), "PluginRejected", "multiple memories", "load"),
    Case("a trap in a function whose C++ name unfolds to gigabytes", generates(f"(call ${unfolding_name(40)})", more=f"(func ${unfolding_name(40)} (unreachable))"), "PluginFailed", "gave up", is_costly=True),
    Case("many tables", generates("", more="(table 1 funcref)" * 50), "PluginRejected", "table count too high", "load", budget="4 tables"),
    Case("a table of nine million", generates("", more="(table 9000000 funcref)"), "PluginRejected", "exceeds table limits", "load", budget="100,000 elements"),
    Case("table bomb", generates("(loop $m (br_if $m (i32.ne (table.grow $t (ref.null func) (i32.const 20000)) (i32.const -1)))) (unreachable)", more="(table $t 1 funcref)"), "PluginFailed", "gave up", budget="100,000 elements"),
    Case("output bomb", generates("(local.set $a (call $alloc (i64.const 8000000))) (call $output_set (local.get $a) (i64.const 8000000))", "alloc", "output_set"), "LimitExceeded", "output_kb=64", budget="`output_kb`"),
    Case("error bomb", generates("(local.set $a (call $alloc (i64.const 8000000))) (call $error_set (local.get $a))", "alloc", "error_set"), "PluginFailed", "failed in response.generate", budget="2,000 characters"),
    Case("log bomb: long lines", generates(_FLOOD.format(n=8000), "alloc", "log_info"), "LimitExceeded", "memory_mb|cpu_ms", budget=_CPU, many=False),
    Case("log bomb: short lines", generates(_FLOOD.format(n=1), "alloc", "log_info"), "LimitExceeded", "cpu_ms=|memory_mb", budget=_CPU),
    Case("log bomb: newlines printed", generates(f"(memory.fill (i32.const 0) (i32.const 10) (i32.const 65536)) (loop $m {_PRINT} (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $m))", "fd_write"), "LimitExceeded", "cpu_ms=", budget=_CPU),
    Case("log bomb: a line that never ends", generates(f"(memory.fill (i32.const 0) (i32.const 65) (i32.const 65536)) (loop $m {_PRINT} (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))) (br $m))", "fd_write"), "LimitExceeded", "cpu_ms=", budget=_CPU),
    Case("key-value bomb", asks("kv.set", '{"key":"k","value":"' + "x" * 2000 + '"}', again=True), "LimitExceeded", "cpu_ms=|memory_mb", budget="the grant's quota, then `cpu_ms`", asks=_KV),
    Case("a counter that is counted up without end", asks("kv.incr", '{"key":"k"}', again=True), "LimitExceeded", "cpu_ms=|memory_mb", budget=_CPU, asks=_KV),
    Case("variables bomb", generates(_VARS, "alloc", "store_u64", "var_set"), "LimitExceeded", "vars_kb=128", budget="`vars_kb`", limits={"cpu_ms": 200}),
    Case("randomness without end", asks("random.bytes", '{"n":65536}', again=True), "LimitExceeded", "cpu_ms=|memory_mb", budget=_CPU),
    Case("2 MiB of nothing but lists handed to a door", asks("kv.get", b"[" + b"[]," * 600_000 + b"1]"), "an answer", budget="20,000 values", limits={"cpu_ms": 1000}, many=False),
    Case("3 MiB handed to a door", asks("kv.get", b" " * 3_000_000 + b"{}"), "PluginFailed", "too much was sent|bytes sent to a host call", budget="2 MiB", limits={"cpu_ms": 1000}, many=False),
    Case("a hundred thousand levels handed to a door", asks("kv.get", b'{"key":' + b"[" * 100_000), "an answer", budget="100 levels", limits={"cpu_ms": 1000}, many=False),
]  # fmt: skip
NOT_THEIRS = [
    Case("an output outside the heap is no output", generates("(call $output_set (i64.const -1) (i64.const 100)) (call $output_set (i64.const 0) (i64.const 64)) (call $output_set (i64.const 65536) (i64.const -1))", "output_set"), "null"),
    Case("an input outside the heap is no input", generates("(call $input_set (i64.const -8) (i64.const 16)) (drop (call $input_load_u64 (i64.const -4)))", "input_set", "input_load_u64"), "null"),
    Case("the input as the output", generates("(call $output_set (call $input_offset) (call $input_length))", "output_set", "input_offset", "input_length"), "an answer"),
    Case("an output over the end of the heap", generates("(local.set $a (call $alloc (i64.const 16))) (call $output_set (local.get $a) (i64.const 17))", "alloc", "output_set"), "null"),
    Case("all words set, then the heap reset", generates("(local.set $a (call $alloc (i64.const 64))) (call $output_set (local.get $a) (i64.const 64)) (call $error_set (local.get $a)) (call $reset)", "alloc", "output_set", "error_set", "reset"), "null"),
    Case("a forged length of its error", generates("(local.set $a (call $alloc (i64.const 16))) (call $error_set (local.get $a)) (call $store_u64 (i64.sub (local.get $a) (i64.const 16)) (i64.const 0x4d464b32ffffffff))", "alloc", "error_set", "store_u64"), "PluginFailed", "failed in response.generate"),
    Case("reads and writes at every wild address", generates("(local.set $a (i64.const 1)) (loop $m (drop (call $load_u64 (local.get $a))) (call $store_u64 (i64.sub (i64.const 0) (local.get $a)) (i64.const -1)) (call $free (local.get $a)) (drop (call $length (local.get $a))) (call $log_info (local.get $a)) (call $error_set (local.get $a)) (local.set $a (i64.shl (local.get $a) (i64.const 1))) (br_if $m (i64.ne (local.get $a) (i64.const 0))))", "load_u64", "store_u64", "free", "length", "log_info", "error_set"), "null"),
    Case("a wild handle at `var_set`", generates("(call $var_set (i64.const 77) (i64.const -16))", "var_set"), "PluginFailed", "no live block"),
    Case("a wild handle at `config_get`", generates("(drop (call $config_get (i64.const 0x100000010)))", "config_get"), "PluginFailed", "no live block"),
    Case("a wild handle at `http_request`", generates("(drop (call $http_request (i64.const -1) (i64.const -1)))", "http_request"), "PluginFailed", "no live block"),
    Case("one block as both arguments of a door", generates("(local.set $a (call $alloc (i64.const 8))) (drop (call $door (local.get $a) (local.get $a)))", "alloc", "door"), "null"),
    Case("a freed block at a door", generates("(local.set $a (call $alloc (i64.const 8))) (call $free (local.get $a)) (drop (call $door (local.get $a) (i64.const 0)))", "alloc", "free", "door"), "PluginFailed", "no live block"),
    Case("an address outside its own memory", generates("(i32.store (i32.const -4) (i32.const 1))"), "PluginFailed", "outside its memory"),
    Case("WASI pointers outside its memory", generates("(drop (call $fd_write (i32.const 1) (i32.const -8) (i32.const 1000) (i32.const -1))) (drop (call $random_get (i32.const -1) (i32.const 65536))) (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const -2))) (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0)))", "fd_write", "random_get", "clock_time_get"), "null"),
    Case("its exported `memory` is a function", module(f'{ANSWERS_NULL} (func (export "memory"))', memory=""), "null"),
    Case("its operation is a global", module('(global (export "response_generate") (mut i32) (i32.const 0))'), "PluginRejected", "does not implement response.generate", "load"),
    Case("its operation takes arguments", module('(func (export "response_generate") (param i64) (result i32) (i32.const 0))'), "PluginRejected", "does not implement response.generate", "load"),
    Case("its operation gives two results", module('(func (export "response_generate") (result i32 i32) (i32.const 0) (i32.const 0))'), "PluginRejected", "does not implement response.generate", "load"),
    Case("leaving by `proc_exit`", generates("(call $proc_exit (i32.const 7))", "proc_exit"), "PluginFailed", "left with status 7"),
    Case("leaving by `proc_exit` with status 0", generates("(call $proc_exit (i32.const 0)) (unreachable)", "proc_exit"), "null"),
    Case("leaving with status 0 after an error", generates("(local.set $a (call $alloc (i64.const 8))) (call $error_set (local.get $a)) (call $proc_exit (i32.const 0))", "alloc", "error_set", "proc_exit"), "PluginFailed", "failed in response.generate"),
    Case("leaving with status 0 while it is loaded", module('(func (export "_initialize") (call $proc_exit (i32.const 0)))' + ANSWERS_NULL, "proc_exit"), "PluginRejected", "left with status 0", "load"),
    Case("import not granted: a secret", asks("secret.get", '{"name":"db"}'), "an answer", budget="the grant"),
    Case("import not granted: the network", asks("http.request", '{"url":"http://169.254.169.254/"}'), "an answer", budget="the grant"),
    Case("a door that is not there", asks("host.exit", "{}"), "an answer"),
    Case("unknown import", module(ANSWERS_NULL, memory='(import "env" "system" (func (param i32)))'), "PluginRejected", "env system is not known", "load"),
    Case("import of the kernel's memory", module(ANSWERS_NULL, memory='(import "extism:host/env" "memory" (memory 1))'), "PluginRejected", "memory is not known", "load"),
    Case("import of the kernel's own door", module(ANSWERS_NULL, memory='(import "extism:host/env" "door" (func (param i32) (result i64)))'), "PluginRejected", "door is not known", "load"),
    Case("import of a known function with another type", module(ANSWERS_NULL, memory='(import "extism:host/env" "alloc" (func (param i32) (result i32)))'), "PluginRejected", "has the type", "load"),
    Case("import of a table, a global, a tag", module(ANSWERS_NULL, memory='(import "env" "t" (table 1 funcref)) (import "env" "g" (global (mut i64)))'), "PluginRejected", "env t is not known", "load"),
    Case("shared memory", module(ANSWERS_NULL, memory='(memory (export "memory") 1 2 shared)'), "PluginRejected", "threads must be enabled|shared", "load"),
    Case("64-bit memory", module(ANSWERS_NULL, memory='(memory (export "memory") i64 1)'), "PluginRejected", "memory64", "load"),
    Case("tail calls", module(f"{ANSWERS_NULL} (func $f (return_call $f))"), "PluginRejected", "tail calls", "load"),
    Case("exceptions", module(f"{ANSWERS_NULL} (tag $e) (func (throw $e))"), "PluginRejected", "exceptions", "load"),
    Case("garbage-collected objects", module(f"{ANSWERS_NULL} (type $s (struct (field i32)))"), "PluginRejected", "gc|struct", "load"),
    Case("pages of one byte", module(ANSWERS_NULL, memory='(memory (export "memory") 1 (pagesize 1))'), "PluginRejected", "custom-page-sizes|custom page sizes|page size", "load"),
    Case("instructions whose result is the machine's affair", module(f"{ANSWERS_NULL} (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))"), "PluginRejected", "relaxed", "load"),
    Case("a stack of its own to switch to", module(f"{ANSWERS_NULL} (type $f (func)) (type $c (cont $f))"), "PluginRejected", "stack switching|continuation", "load"),
    Case("names with control characters", module(ANSWERS_NULL, memory=r'(import "\1b[2J" "\0a\u{202e}" (func))'), "PluginRejected", "is not known to this host", "load"),
    Case("WAT text as upload", text_of(ANSWERS_NULL), "PluginRejected", "is text, not a WebAssembly binary", "load"),
    Case("precompiled code offered as a plugin", Later(lambda: bytes(wasmtime.Module(wasmtime.Engine(), GOOD).serialize())), "PluginRejected", "Compiled code is never taken", "load"),
    Case("handlers with very long names and names of control characters", described({"ops": ["response.generate", "endpoint.call"], "endpoints": ["\x1b[2J\n", "e" * 50_000]}), "PluginRejected", "has no handler 'callback'", "load", manifest={"endpoints": [{"path": "/callback"}]}),
    Case("a description of ten thousand functions", described({"functions": [{"name": f"f{n}"} for n in range(10_000)]}), "PluginRejected", "functions: has 10,000 entries; the most is 500", "load", budget="500 entries"),
    Case("a description of another contract", described({"contract": "9.9\x1b[2J"}), "PluginRejected", "is unknown here", "load"),
    Case("a description that is no object", described([1]), "PluginRejected", "must answer a JSON object", "load"),
    Case("exports with a thousand arguments and results each", module(ANSWERS_NULL + wide(exports=900, values=500)), "null"),
    Case("a million empty sections", Later(lambda: core.module(ANSWERS_NULL) + b"\0\1\0" * 1_000_000), "PluginRejected", "more than 200,000 entries", "load", budget="200,000 entries"),
    Case("ten thousand exports", module(ANSWERS_NULL + "".join(f'(export "e{i}" (func 0))' for i in range(10_002))), "PluginRejected", "exports; the most is 10,000", "load", budget="10,000 names"),
]  # fmt: skip
CASES = [*NEVER_END, *TOO_MUCH, *NOT_THEIRS]
