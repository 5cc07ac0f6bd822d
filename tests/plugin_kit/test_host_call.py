"""Host calls: together, changed, used once, forgotten."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_plugin import kv
from mockforge_plugin.context import entered
from mockforge_plugin.host_call import settled
from tests.plugin_kit.conftest import Load
from tests.support.memory_host_calls import HostCalls
from tests.support.native_kit_harness import DirectContext


def test_several_calls_can_be_awaited_together() -> None:
    async def both() -> list[int]:
        return list(await asyncio.gather(_incr("a"), _incr("a")))

    async def _incr(key: str) -> int:
        return await kv.incr(key)

    with entered(DirectContext(HostCalls())):
        assert sorted(asyncio.run(both())) == [1, 2]


def test_a_call_can_be_changed_before_it_is_made() -> None:
    with entered(DirectContext(HostCalls())):
        assert kv.incr("n").then(lambda n: n * 10).then(str).result() == "10"
    assert settled(3).then(lambda n: n + 1).result() == 4


def test_a_call_is_used_once() -> None:
    with entered(DirectContext(HostCalls())):
        call = kv.incr("n")
        assert call.result() == 1
        with pytest.raises(RuntimeError, match="used once"):
            call.result()


FORGETFUL = """import warnings
from mockforge_plugin import *

class P(TemplatePlugin):
    @function
    async def told(self):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            kv.incr("n")
            await kv.incr("m")
            kv.incr("k").then(str)
        return [[w.category.__name__, str(w.message), w.lineno] for w in told]
"""


def test_a_call_that_nobody_awaits_is_told_with_its_line(load: Load) -> None:
    words = "a host call was never awaited: nothing was asked. Write `await …`, or `….result()` in a plain method"
    answer = load(FORGETFUL).call("template.call", {"function": "told", "args": [], "kwargs": {}})
    assert answer == [["RuntimeWarning", words, 9], ["RuntimeWarning", words, 11]]
