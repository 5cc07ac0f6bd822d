"""Sandboxed Python under its budgets, as the product runs it: what never ends is ended, with words, and the rest goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginRejected
from mockforge_asgi.runtime import PluginRuntime
from tests.support.plugin_packages import minimal

LIMITS = "limits: {memory_mb: 64, cpu_ms: 50, timeout_ms: 2000, output_kb: 1}"
SOURCE = """import random
from mockforge_plugin import TemplatePlugin, function

class Bounds(TemplatePlugin):
    def init(self):
        {init}

    @function
    def spin(self):
        while True:
            pass

    @function
    def hoard(self):
        held = []
        while True:
            held.append(bytes(1 << 20))

    @function
    def chatter(self):
        return "x" * 5000

    @function
    def chance(self):
        return random.random()
"""


def runtime_of(folder: Path, *, init: str = "pass", isolation: str = "reused") -> PluginRuntime:
    folder.mkdir()
    (folder / "plugin.yaml").write_text(minimal("bounds", LIMITS))
    (folder / "plugin.py").write_text(SOURCE.format(init=init))
    return PluginRuntime({"version": 1, "dev": True, "plugins": {"bounds": {"use": str(folder), "isolation": isolation}}})


async def call(runtime: PluginRuntime, name: str) -> Any:
    return await runtime.plugin("bounds").call_function(None, name, [], {})


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [("spin", LimitExceeded, "cpu_ms=50"), ("hoard", PluginFailed, "MemoryError|cpu_ms"), ("chatter", LimitExceeded, "output_kb=1")],
)
async def test_a_call_over_its_budget_ends_with_words_and_the_next_one_is_answered(
    tmp_path: Path, function: str, kind: type[PluginFailed], words: str
) -> None:
    runtime = runtime_of(tmp_path / "bounds")
    await runtime.start()
    with pytest.raises(kind, match=words):
        await call(runtime, function)
    assert 0 <= await call(runtime, "chance") < 1
    await runtime.stop()


async def test_a_byte_order_mark_before_the_source_is_skipped(tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "bounds")
    file = tmp_path / "bounds" / "plugin.py"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    await runtime.start()
    assert 0 <= await call(runtime, "chance") < 1
    await runtime.stop()


@pytest.mark.parametrize(("told", "words"), [("{}['x']", "KeyError: 'x'"), ("{'a': object()}", "is an object, which is not JSON")])
async def test_a_plugin_that_cannot_describe_itself_is_refused_with_its_line(tmp_path: Path, told: str, words: str) -> None:
    runtime = runtime_of(tmp_path / "bounds")
    (tmp_path / "bounds" / "plugin.py").write_text(SOURCE.format(init=f"pass\n    def capabilities(self):\n        return {told}"))
    with pytest.raises(PluginRejected, match=words):
        await runtime.start()


async def test_an_init_that_never_ends_refuses_the_start(tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "bounds", init="while True: pass")
    with pytest.raises(LimitExceeded, match="cpu_ms|timeout_ms"):  # whichever ends first on a busy machine
        await runtime.start()
    assert not runtime.is_ready


async def test_two_instances_of_one_plugin_draw_different_numbers(tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "bounds", isolation="per_request")
    await runtime.start()
    drawn = {await call(runtime, "chance") for _ in range(20)}  # more than there are instances: each is given back
    assert len(drawn) == 20
    await runtime.stop()
