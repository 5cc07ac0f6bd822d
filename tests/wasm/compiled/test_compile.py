"""Compiling in a limited subprocess."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime

from mockforge_asgi.errors import PluginRejected, UnsupportedPlatform
from mockforge_asgi.events import Compiling
from mockforge_asgi.wasm.compiled.compile import CompileLimits, _wait, compile_wasm
from mockforge_asgi.wasm.compiled.interpreter import command, environment
from mockforge_asgi.wasm.engine import config

ROOT = Path(__file__).resolve().parents[3]
SEVEN = bytes(wasmtime.wat2wasm('(module (func (export "f") (result i32) (i32.const 7)))'))


def slow(branches: int, locals_: int) -> bytes:
    """A module that takes long to compile: one loop of many branches, in which every local stays alive."""
    step = "(if (i64.eqz (local.get {0})) (then (local.set {1} (i64.add (local.get {2}) (local.get {0})))))"
    body = "".join(step.format(n % locals_, 7 * n % locals_, 13 * n % locals_) for n in range(branches))
    return bytes(wasmtime.wat2wasm(f"(module (func (local {'i64 ' * locals_}) (loop $l {body} (br $l))))"))


SLOW = slow(20_000, 400)


def children() -> set[str]:
    """Process ids of this process's children."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_the_code_runs_and_progress_is_reported() -> None:
    seen: list[Compiling] = []
    with await compile_wasm(SEVEN, "core", plugin="seven", on_progress=seen.append) as code:
        engine = wasmtime.Engine(config("core"))
        module = wasmtime.Module.deserialize_file(engine, f"/proc/self/fd/{code.fileno()}")
    assert [e.name for e in module.exports] == ["f"]
    assert [e for e in seen if e.begins] == seen[:1]
    assert [(e.what, e.size_bytes, e.done) for e in (seen[0], seen[-1])] == [("seven", len(SEVEN), False), ("seven", len(SEVEN), True)]


async def test_a_refusal_by_the_compiler_reaches_the_author() -> None:
    invalid = SEVEN.replace(b"\x41\x07\x0b", b"\x42\x07\x0b")  # i64.const where i32 is promised
    with pytest.raises(PluginRejected, match="type mismatch"):
        await compile_wasm(invalid, "core", plugin="bad")


async def test_a_component_is_not_compiled_as_a_module() -> None:
    with pytest.raises(PluginRejected):
        await compile_wasm(bytes(wasmtime.wat2wasm("(component)")), "core", plugin="bad")


async def test_processor_time_is_bounded() -> None:
    with pytest.raises(PluginRejected, match="processor time"):
        await compile_wasm(SLOW, "core", plugin="greedy", limits=CompileLimits(cpu_s=1))


async def test_wall_time_is_bounded() -> None:
    with pytest.raises(PluginRejected, match="takes longer than"):
        await compile_wasm(SLOW, "core", plugin="slow", limits=CompileLimits(timeout_s=0.3))


async def test_memory_is_bounded() -> None:
    with pytest.raises(PluginRejected, match="MB of memory"):
        await compile_wasm(SLOW, "core", plugin="big", limits=CompileLimits(memory_mb=150))


ONCE = """
import asyncio
from mockforge_asgi.wasm.compiled.compile import compile_wasm
from tests.wasm.compiled.test_compile import SEVEN

async def once():
    with await compile_wasm(SEVEN, "core", plugin="seven") as code:
        print(len(code.read()) > 1000)

%s
asyncio.run(once())
"""


def compile_elsewhere(before: str) -> subprocess.CompletedProcess[str]:
    """Compile in a process that does something else before."""
    return subprocess.run([sys.executable, "-c", ONCE % before], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_CPU"])
def test_a_system_that_gives_less_than_our_own_limits_is_no_hindrance(kind: str) -> None:
    """As systemd's LimitAS and LimitCPU, or `ulimit -Hv`: a limit once lowered may not be raised."""
    most = {"RLIMIT_AS": 1500 << 20, "RLIMIT_CPU": 30}[kind]
    as_user = "import ctypes; ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)"  # what root starts may not raise it either: no CAP_SYS_RESOURCE
    done = compile_elsewhere(f"{as_user}\nimport resource; resource.setrlimit(resource.{kind}, ({most}, {most}))")
    assert done.stdout == "True\n", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of Linux")
def test_where_memory_may_not_be_made_executable_that_is_said(tmp_path: Path) -> None:
    """As under systemd's MemoryDenyWriteExecute."""
    done = compile_elsewhere("import ctypes, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) and sys.exit('no such setting')")
    if done.stderr == "no such setting\n":
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert "UnsupportedPlatform: plugin 'seven' not loaded: this process may not make memory executable" in done.stderr


async def test_a_process_that_cannot_be_started_is_told_in_words() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    last, filled = max(map(int, os.listdir("/proc/self/fd"))), list[int]()
    while not filled or filled[-1] < last:  # the limit is on the numbers: those that other tests have given back are free
        filled.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(last, *filled) + 2, hard))
    try:
        with pytest.raises(UnsupportedPlatform, match="'seven' cannot be compiled now: no process for it can be started .*Too many open"):
            await compile_wasm(SEVEN, "core", plugin="seven")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in filled:
            os.close(number)


def test_a_compiler_whose_parent_has_ended_before_it_could_notice_compiles_nothing(tmp_path: Path) -> None:
    (tmp_path / "seven").write_bytes(SEVEN)
    with (tmp_path / "seven").open("rb") as source, (tmp_path / "made").open("wb") as target:
        numbers = (source.fileno(), target.fileno(), 2048, 60)
        for parent, status, made in ((os.getppid(), -signal.SIGKILL, False), (os.getpid(), 0, True)):
            arguments = command("mockforge_asgi.wasm.compiled.worker", "core", *map(str, (*numbers, parent)))
            assert subprocess.run(arguments, env=environment(), pass_fds=numbers[:2], check=False).returncode == status
            assert bool((tmp_path / "made").stat().st_size) == made


async def test_cancelling_ends_the_subprocess_and_leaves_no_descriptor() -> None:
    before, descriptors = children(), len(os.listdir("/proc/self/fd"))
    task = asyncio.create_task(compile_wasm(SLOW, "core", plugin="slow"))
    while not children() - before:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while children() - before:
        await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1


async def test_the_subprocess_sees_nothing_of_the_operators_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELLO_KEYS", "planted-secret")
    seen: set[bytes] = set()
    before = children()
    task = asyncio.create_task(compile_wasm(slow(5_000, 100), "core", plugin="slow"))
    while not task.done():
        for pid in children() - before:
            try:
                seen.add(
                    Path(f"/proc/{pid}/environ").read_bytes() if b"compiled.worker" in Path(f"/proc/{pid}/cmdline").read_bytes() else b""
                )
            except OSError:
                continue  # it ended between the look and the read
        await asyncio.sleep(0)
    (await task).close()
    assert seen - {b""}
    assert not any(b"planted-secret" in environment for environment in seen)


async def test_the_last_words_of_a_compiler_are_heard_however_much_it_says() -> None:
    script = "head -c 100000 /dev/zero | tr '\\0' x >&2; echo out of memory >&2; exit 5"
    process = await asyncio.create_subprocess_exec("sh", "-c", script, stderr=asyncio.subprocess.PIPE)
    code, words = await _wait(process, CompileLimits(), lambda: None)
    assert code == 5 and words is not None
    assert words.endswith("xout of memory") and len(words) <= 16 * 1024
