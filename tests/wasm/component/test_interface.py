"""A component's imports and exports, by name and by type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mockforge_asgi.errors import PluginRejected
from tests.support.component_guests import COMPONENT, bench

ROOT = Path(__file__).resolve().parents[3]
DOOR = '(export "call" (func (param "door" string) (param "payload" string) (result (result string (error string)))))'
INTERFACE = "mockforge:plugin/host@0.1.0"


def importing(*exports: str) -> str:
    """A component that imports the host's interface with those functions, and has the exports it should."""
    at = COMPONENT.rindex(")")
    return COMPONENT[:at].replace(f'"{INTERFACE}"', '"wasi:none/none@0.1.0"') + f'(import "{INTERFACE}" (instance {" ".join(exports)})))'


@pytest.mark.parametrize(
    ("exports", "words"),
    [
        (['(export "call" (func))'], r"the type \(\) -> nothing, here it is \(string, string\) -> result<string, string>"),
        (['(export "call" (func (param "a" u64) (param "b" u64) (result u64)))'], r"\(u64, u64\) -> u64"),
        (['(export "call" (func (param "a" string) (param "b" string)))'], r"\(string, string\) -> nothing"),
        (['(export "call" (func (param "a" (list u8)) (param "b" string) (result (result string (error string)))))'], r"\(list, string\)"),
        (['(export "call" (func (param "a" string) (param "b" string) (result (result string))))'], r"result<string, _>"),
        ([DOOR, '(export "open" (func))'], "has no 'open'"),
    ],
)
async def test_a_door_of_another_type_is_refused(exports: list[str], words: str) -> None:
    async with bench() as stand:
        with pytest.raises(PluginRejected, match=words):
            stand.guest(importing(*exports))


async def test_the_host_interface_must_be_an_interface() -> None:
    async with bench() as stand:
        with pytest.raises(PluginRejected, match="something else than an interface"):
            stand.guest(
                COMPONENT[: COMPONENT.rindex(")")].replace(f'"{INTERFACE}"', '"wasi:none/none@0.1.0"') + f'(import "{INTERFACE}" (func)))'
            )


async def test_every_fault_is_told_at_once() -> None:
    text = """(component (import "evil:host/door@1.0.0" (func)) (core module $m (func (export "f"))) (core instance $i (instantiate $m))
      (func (export "describe") (canon lift (core func $i "f"))))"""
    async with bench() as stand:
        with pytest.raises(PluginRejected) as refused:
            stand.guest(text)
    assert [str(p).split(" ")[0:2] for p in refused.value.problems] == [
        ["import:", "evil:host/door@1.0.0"],
        ["export:", "'describe'"],
        ["export:", "the"],
    ]


CALLS_A_DOOR_OF_ITS_OWN_MAKING = """
import asyncio
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.wasm.component import guest as component
from tests.support.component_guests import bench

TEXT = '''(component (import "mockforge:plugin/host@0.1.0" (instance $h (export "call" (func TYPE))))
  (core func $d (canon lower (func $h "call")))
  (core module $m (import "h" "call" (func $d CORE)) (memory (export "memory") 1)
    (func (export "describe") (result i32) ARGS (call $d) DROP (i32.const 0)))
  (core instance $i (instantiate $m (with "h" (instance (export "call" (func $d))))))
  (func (export "describe") (result string) (canon lift (core func $i "describe") (memory (core memory $i "memory")))))'''
component.check_component = lambda *_: None

async def main():
    async with bench() as stand:
        for type_, core, args, drop in (
            ('', '', '', ''),
            ('(param "a" u64) (param "b" u64) (result u64)', '(param i64 i64) (result i64)', '(i64.const 64) (i64.const 65536)', '(drop)'),
        ):
            text = TEXT.replace("TYPE", type_).replace("CORE", core).replace("ARGS", args).replace("DROP", drop)
            instance = await stand.guest(text).instantiate(stand.fiber("load"))
            try:
                await instance.describe(stand.fiber("describe"))
            except PluginFailed as error:
                print(error)

asyncio.run(main())
"""


def test_even_then_the_door_reads_no_values_of_another_shape() -> None:
    done = subprocess.run([sys.executable, "-c", CALLS_A_DOOR_OF_ITS_OWN_MAKING], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.count("called with another type than its own")) == (0, 2), done.stderr


async def test_what_a_component_says_of_itself_is_told_in_bounds() -> None:
    lines = [f"(type $t{i} (result $t{i - 1} (error $t{i - 1})))" for i in range(1, 18)]
    types = f"(type $t0 (result string (error string))) {''.join(lines)}"
    head, text = "(component", COMPONENT.strip()
    taken = '(param "op" string) (param "payload" string)'
    doubled = head + types + text[len(head) :].replace(f"{taken} (result (result string (error string)))", f"{taken} (result $t17)")
    many = head + "".join(f'(import "evil:i{i}/x" (func))' for i in range(50)) + ")"
    async with bench() as stand:
        with pytest.raises(PluginRejected) as refused:
            stand.guest(doubled)
        assert "result<...>" in str(refused.value) and len(str(refused.value)) < 1000
        with pytest.raises(PluginRejected) as refused:
            stand.guest(many)
        assert len(refused.value.problems) == 20


@pytest.mark.parametrize("kind", ["(core module)", '(instance (export "m" (core module)))', '(instance (export "c" (component)))'])
async def test_an_import_that_no_trap_can_stand_in_for_is_refused(kind: str) -> None:
    async with bench() as stand:
        with pytest.raises(PluginRejected, match="cannot be stood in for: unable to define"):
            stand.guest(f'{COMPONENT[: COMPONENT.rindex(")")]} (import "wasi:odd/thing@0.1.0" {kind}))')
