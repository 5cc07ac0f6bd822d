"""The self-check: what it refuses, in which words."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.events import EventStream
from mockforge_asgi.wasm import platform as selfcheck
from mockforge_asgi.wasm.fiber import Budget
from mockforge_asgi.wasm.host import HostOptions
from mockforge_asgi.wasm.platform import check_platform, check_wheel, refuse_interpreter, refuse_wheel
from mockforge_asgi.wasm.sandbox import GuestSpec, Sandbox
from tests.wasm.extism_guests import ECHO, PluginHostCalls


def test_this_wheel_and_this_interpreter_will_do() -> None:
    check_wheel()
    refuse_wheel("50.7.1")
    for release in [(3, 11, 0), (3, 12, 1), (3, 13, 0), (3, 14, 2), (3, 15, 0)]:
        refuse_interpreter("cpython", release)


@pytest.mark.parametrize("release", [(3, 14, 0), (3, 14, 1)])
def test_an_interpreter_that_refuses_fibers_is_named(release: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedPlatform, match=r"do not run on cpython 3\.14\.[01]: it refuses .* Use 3\.14\.2 or newer"):
        refuse_interpreter("cpython", release)


def test_another_implementation_is_named() -> None:
    with pytest.raises(UnsupportedPlatform, match=r"CPython only, and this is pypy 3\.11\.13"):
        refuse_interpreter("pypy", (3, 11, 13))


@pytest.mark.parametrize("installed", ["49.0.0", "51.0.0", "5.0.0"])
def test_another_major_of_wasmtime_is_refused(installed: str) -> None:
    with pytest.raises(UnsupportedPlatform, match=rf"wasmtime {re.escape(installed)} is installed\. Install 'wasmtime>=50\.0\.1,<51'"):
        refuse_wheel(installed)


async def test_a_trial_that_goes_well_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await check_platform(tmp_path / "folder")
    assert len(list((tmp_path / "folder").glob("mockforge-platform-*"))) == 1
    await check_platform(tmp_path / "folder", module="no.such.module")
    with pytest.raises(UnsupportedPlatform):
        await check_platform(tmp_path / "other", module="no.such.module")


async def test_where_nothing_can_be_remembered_it_is_made_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    await check_platform(tmp_path / "file")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"ended by signal SIGSEGV\. This is Python 3"),
        ("raise RuntimeError('a stack of its own is refused')", r"failed with status 1 \(RuntimeError: a stack of its own is refused\)"),
        ("import time; time.sleep(600)", r"did not end within 0\.5 s"),
    ],
)
async def test_a_trial_that_fails_is_told_in_words_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    (tmp_path / "bad_trial.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    if "sleep" in code:
        monkeypatch.setattr(selfcheck, "TRIAL_S", 0.5)
    for _ in range(2):
        with pytest.raises(UnsupportedPlatform, match=words):
            await check_platform(tmp_path / "folder", module="bad_trial")
    assert not (tmp_path / "folder").exists()


async def test_a_program_that_is_no_interpreter_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    await check_platform(tmp_path, module="no.such.module")


async def test_the_sandbox_loads_nothing_where_guests_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_REFUSES_FIBERS", frozenset({tuple(sys.version_info[:3])}))
    sandbox = Sandbox(asyncio.get_running_loop(), EventStream(), cache_dir=tmp_path / "compiled")
    options, spec = HostOptions("guest", "1", {}, Budget()), GuestSpec("extism", "a.wasm", {"a.wasm": ECHO}, 16)
    with pytest.raises(UnsupportedPlatform, match="do not run on cpython"):
        await sandbox.host(options, spec, PluginHostCalls())
    await sandbox.close()
    assert not (tmp_path / "compiled").exists()
