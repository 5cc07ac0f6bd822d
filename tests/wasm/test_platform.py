"""The check of the platform: what it refuses, in which words."""

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
from mockforge_asgi.wasm.platform import check_interpreter, check_wheel, refuse_wheel
from mockforge_asgi.wasm.sandbox import GuestSpec, Sandbox
from tests.support.extism_guests import ECHO, PluginHostCalls


def test_this_wheel_and_this_interpreter_will_do() -> None:
    check_wheel()
    refuse_wheel("50.7.1")
    for release in [(3, 11, 0), (3, 12, 1), (3, 13, 0), (3, 14, 2), (3, 15, 0)]:
        check_interpreter("cpython", release)


@pytest.mark.parametrize("release", [(3, 14, 0), (3, 14, 1)])
def test_an_interpreter_that_refuses_fibers_is_named(release: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedPlatform, match=r"do not run on cpython 3\.14\.[01]: it refuses .* Use 3\.14\.2 or newer"):
        check_interpreter("cpython", release)


def test_another_implementation_is_named() -> None:
    with pytest.raises(UnsupportedPlatform, match=r"CPython only, and this is pypy 3\.11\.13"):
        check_interpreter("pypy", (3, 11, 13))


@pytest.mark.parametrize("installed", ["49.0.0", "51.0.0", "5.0.0"])
def test_another_major_of_wasmtime_is_refused(installed: str) -> None:
    with pytest.raises(UnsupportedPlatform, match=rf"wasmtime {re.escape(installed)} is installed\. Install 'wasmtime>=50\.0\.1,<51'"):
        refuse_wheel(installed)


async def test_the_sandbox_loads_nothing_where_guests_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_REFUSES_FIBERS", frozenset({tuple(sys.version_info[:3])}))
    sandbox = Sandbox(asyncio.get_running_loop(), EventStream(), cache_dir=tmp_path / "compiled")
    options, spec = HostOptions("guest", "1", {}, Budget()), GuestSpec("extism", "a.wasm", {"a.wasm": ECHO}, 16)
    with pytest.raises(UnsupportedPlatform, match="do not run on cpython"):
        await sandbox.host(options, spec, PluginHostCalls())
    await sandbox.close()
    assert not (tmp_path / "compiled").exists()
