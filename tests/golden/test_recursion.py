"""Recursion without end is the author's RecursionError in every world, and the instance goes on."""

from __future__ import annotations

import gc

import pytest

from tests.plugin_kit.conftest import Load
from tests.support.error_envelopes import GuestError

PLUGIN = """
from mockforge_plugin import TemplatePlugin, function

class Deep(TemplatePlugin):
    @function
    def plain(self, n=0):
        return self.plain(n + 1)
    @function
    def through_sorted(self, n=0):
        return sorted([1], key=lambda _: self.through_sorted(n + 1))
    @function
    def through_repr(self):
        class Shown:
            def __repr__(self):
                return repr(self)
        return repr(Shown())
    @function
    async def awaited(self, n=0):
        return await self.awaited(n + 1)
    @function
    def fine(self):
        return 1
"""


@pytest.mark.parametrize("function", ["plain", "through_sorted", "through_repr", "awaited"])
def test_endless_recursion_is_a_recursion_error(load: Load, function: str) -> None:
    instance = load(PLUGIN)
    gc.collect()  # else other tests' finalizers may run, and fail, at the depth of the recursion
    with pytest.raises(GuestError, match="RecursionError") as failed:
        instance.call("template.call", {"function": function, "args": [], "kwargs": {}})
    assert 'File "plugin.py", line' in failed.value.error["details"]["traceback"]
    assert instance.call("template.call", {"function": "fine", "args": [], "kwargs": {}}) == 1
