"""Components: the same tricks in their own forms, and those of the component model itself."""
# ruff: noqa: E501 - a row of the table is a line

from __future__ import annotations

from dataclasses import replace

from tests.hostile import components
from tests.hostile.cases import Case, Later, later
from tests.hostile.components import HOST, of_functions
from tests.hostile.core import SPIN, unfolding_name

_CPU = "`cpu_ms`"
_STREAM = "(type $s (stream u8))"
_LIB = '(core module $lib (memory (export "memory") 1)) (core instance $lib (instantiate $lib))'
_REALLOC = "(return (i32.const {}))"


answers, asks_in, component, uses = (
    later(components.answers),
    later(components.asks_in),
    later(components.component),
    later(components.uses),
)
doubled_instances, doubled_types = later(components.doubled_instances), later(components.doubled_types)


def _waits(code: int, *, of_a_set: bool = False) -> Later:
    """A `call` of the asynchronous form, whose callback gives that code: 0 ends, 1 yields, 2 waits for one of a set."""
    gives = f"(i32.or (i32.const {code}) (i32.shl (call $new) (i32.const 4)))" if of_a_set else f"(i32.const {code})"
    functions = [f'(func (export "{name}") (param {"i32 " * n}) (result i32) {gives})' for name, n in (("acall", 4), ("again", 3))]
    return component(
        before="(core func $new (canon waitable-set.new))",
        imports='(import "" "new" (func $new (result i32)))',
        given='(with "" (instance (export "new" (func $new))))',
        more=" ".join(functions),
        kind="async",
        lifted="acall",
        options='async (callback (core func $i "again"))',
    )


CASES = [
    replace(row, runtime="component")
    for row in [
        Case("endless loop in a call", component(SPIN), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("endless loop in a start function", component(more=f"(func $s {SPIN}) (start $s)"), "LimitExceeded", "cpu_ms|timeout_ms", "load"),
        Case("endless loop in `describe`", component(describe=SPIN), "PluginRejected", "describe: over (cpu_ms|timeout_ms)", "load"),
        Case("endless loop in `realloc`", component(realloc=SPIN), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("endless loop in `post-return`", component(after=SPIN), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("yielding without end", uses("thread.yield", "(result i32)", "(loop $m (drop (call $f)) (br $m))"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("`memory.fill` without end", component("(drop (memory.grow (i32.const 400))) (loop $m (memory.fill (i32.const 1024) (i32.const 7) (i32.const 25000000)) (br $m))"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("endless recursion", component("(call $r)", more="(func $r (call $r))"), "PluginFailed", "recursed too deeply"),
        Case("a trap in a function whose C++ name unfolds to gigabytes", component(f"(call ${unfolding_name(40)})", more=f"(func ${unfolding_name(40)} (unreachable))"), "PluginFailed", "gave up", is_costly=True),
        Case("memory bomb", component("(loop $m (br_if $m (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)"), "PluginFailed", "gave up", budget="`memory_mb`"),
        Case("many memories", component(more="(memory 1)" * 6), "PluginRejected", "memory count too high", "load", budget="4 memories"),
        Case("many tables", component(more="(table 1 funcref)" * 20), "PluginRejected", "table count too high", "load", budget="16 tables"),
        Case("a thousand instances", doubled_instances(10), "PluginRejected", "instance count too high", "load", budget="64 instances"),
        Case("a million instances", doubled_instances(20), "PluginRejected", "costly to compile|compiler|too high", "load", budget="bounded compilation", is_costly=True),
        Case("a result of a hundred thousand results", doubled_types(17), "PluginRejected", "has the type", "load"),
        Case("garbage-collected objects", component("(drop (array.new_default $a (i32.const 1000000)))", more="(type $a (array (mut i64)))"), "PluginRejected", "gc", "load"),
        Case("exceptions", component("(throw $e)", more="(tag $e)"), "PluginRejected", "exceptions", "load"),
        Case("handles without end", uses("waitable-set.new", "(result i32)", "(loop $m (drop (call $f)) (br $m))"), "PluginFailed", "handle limit exceeded", limits={"cpu_ms": 2000}, many=False),
        Case("streams without end", uses("stream.new $s", "(result i64)", "(loop $m (drop (call $f)) (br $m))", before=_STREAM), "PluginFailed", "handle limit exceeded", limits={"cpu_ms": 2000}, many=False),
        Case("an asynchronous call that yields without end", _waits(1), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("an asynchronous call that ends without an answer", _waits(0), "PluginFailed", "failed to produce a result"),
        Case("an asynchronous call that waits for a set of nothing", _waits(2), "PluginFailed", "unknown handle|handle"),
        Case("an asynchronous call that waits for what never comes", _waits(2, of_a_set=True), "PluginFailed", "deadlock"),
        Case("a wild handle", uses("subtask.drop", "(param i32)", "(call $f (i32.const -1))"), "PluginFailed", "unknown handle"),
        Case("a wait for nothing", uses('waitable-set.wait (memory (core memory $lib "memory"))', "(param i32 i32) (result i32)", "(drop (call $f (i32.const 1) (i32.const 0)))", before=_LIB), "PluginFailed", "cannot block|unknown handle"),
        Case("a cancelled task that was not cancelled", uses("task.cancel", "", "(call $f)"), "PluginFailed", "not been cancelled"),
        Case("backpressure without end", uses("backpressure.inc", "", "(loop $m (call $f) (br $m))"), "PluginFailed", "overflow", limits={"cpu_ms": 500}),
        Case("`realloc` gives a place outside its memory", component(realloc=_REALLOC.format(-16)), "PluginFailed", "beyond end of memory"),
        Case("`realloc` gives one place for everything", component(realloc=_REALLOC.format(16)), "PluginFailed", "not JSON"),
        Case("`realloc` gives an odd place for UTF-16", component(realloc=_REALLOC.format(8193), options="string-encoding=utf16"), "PluginFailed", "not aligned"),
        Case("`realloc` traps", component(realloc="(unreachable)"), "PluginFailed", "gave up"),
        Case("`post-return` traps", component(after="(unreachable)"), "PluginFailed", "gave up"),
        Case("text of 4 GiB", answers((516, 16), (520, -1)), "PluginFailed", "out of bounds of memory"),
        Case("text of 2 GiB and more in latin-1 or UTF-16", answers((516, 16), (520, -2), options="string-encoding=latin1+utf16"), "PluginFailed", "out of bounds"),
        Case("text that wraps round its memory", answers((516, -8), (520, 16)), "PluginFailed", "out of bounds of memory"),
        Case("text that is no UTF-8", answers((16, -1), (516, 16), (520, 4)), "PluginFailed", "invalid utf-8"),
        Case("UTF-16 that is no UTF-16", answers((16, 0x0000D800), (516, 16), (520, 2), options="string-encoding=utf16"), "PluginFailed", "surrogate|utf-16|utf16"),
        Case("a result that is neither well nor ill", answers((512, 7), at=512), "PluginFailed", "discriminant 7"),
        Case("a result outside its memory", answers(at=-4), "PluginFailed", "out of bounds"),
        Case("a result at an odd place", answers(at=513), "PluginFailed", "not aligned"),
        Case("output bomb", component("(drop (memory.grow (i32.const 200))) (memory.fill (i32.const 1024) (i32.const 32) (i32.const 12000000)) (return (call $answer (i32.const 1024) (i32.const 12000000)))"), "LimitExceeded", "output_kb=64", budget="`output_kb`"),
        Case("an error of 12 MB", component("(drop (memory.grow (i32.const 200))) (memory.fill (i32.const 1024) (i32.const 32) (i32.const 12000000)) (drop (call $answer (i32.const 1024) (i32.const 12000000))) (i32.store8 (i32.const 512) (i32.const 1)) (return (i32.const 512))"), "LimitExceeded", "output_kb=64", budget="`output_kb`"),
        Case("a door from within a start function", asks_in("start"), "null"),
        Case("a door from within `realloc` (re-entrant)", asks_in("realloc"), "PluginFailed", "cannot leave component instance"),
        Case("a door from within `post-return` (after its answer)", asks_in("after"), "PluginFailed", "cannot leave component instance"),
        Case("WASI called", uses('lower (func $w "poll")', "", "(call $f)", before='(import "wasi:io/poll@0.2.0" (instance $w (export "poll" (func))))'), "PluginFailed", "unknown import|wasi:io/poll"),
        Case("WASI called by a name of sixty thousand digits", uses(f'lower (func $w "a{"1" * 60_000}")', "", "(call $f)", before=f'(import "wasi:io/poll@0.2.0" (instance $w (export "a{"1" * 60_000}" (func))))'), "PluginFailed", "unknown import"),
        Case("WASI of fifty thousand functions", component(before=of_functions("wasi:io/poll@0.2.0", 50_000)), "PluginRejected", "too many functions", "load", budget="500 in an interface"),
        Case("the host's interface with twenty thousand functions", component(host=of_functions("mockforge:plugin/host@0.1.0", 20_000)), "PluginRejected", "the most is 500", "load", budget="500 in an interface"),
        Case("nine thousand exports", component(last="".join(f'(export "e{n}" (type $s))' for n in range(9000)), before="(type $s (list u8))"), "PluginRejected", "the most is 500", "load", budget="500 exports"),
        Case("WASI imported as a module", component(before='(import "wasi:io/poll@0.2.0" (core module $w))'), "PluginRejected", "cannot be stood in for", "load"),
        Case("unknown import", component(before='(import "evil:host/shell@1.0.0" (func))'), "PluginRejected", "is not known to this host", "load"),
        Case("the host of another version", component(host=HOST.replace("0.1.0", "0.1.1")), "PluginRejected", "is not known to this host", "load"),
        Case("the door with another type", component(host=HOST.replace('(param "payload" string)', '(param "payload" u64)')), "PluginRejected", "has the type", "load"),
        Case("the door as an asynchronous function", component(host=HOST.replace("(func (param", "(func async (param")), "PluginRejected", "type mismatch|async", "load"),
        Case("`call` is the host's own door", component(last='(alias export $host "call" (func $h)) (export "describe2" (func $h))'), "PluginRejected", "reexport of an imported function", "load"),
        Case("WAT text as upload", "(component)", "PluginRejected", "is text, not a WebAssembly binary", "load"),
    ]
]  # fmt: skip
