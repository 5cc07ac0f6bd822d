"""What a plugin sends to a door is bounded, with words, in the product's own host."""

from __future__ import annotations

import pytest

from tests.golden.production import Production
from tests.support.error_envelopes import GuestError

PLUGIN = """
from mockforge_plugin import function, kv, log

@function
def store(size):
    kv.set("key", "x" * size).result()

@function
def tell(size):
    log.info("x" * size)

@function
def ask(size):
    try:
        kv.get("x" * size).result()
    except Exception as error:
        return [type(error).__name__, error.code]
    return "answered"
"""


def test_too_much_for_a_door_is_refused_and_the_instance_lives_on(production: Production) -> None:
    instance = production.load(PLUGIN)
    for name in ("store", "tell"):
        with pytest.raises(GuestError, match=r"50000\d\d bytes sent to a host call, over the limit of 2097152") as failed:
            instance.call("template.call", {"function": name, "args": [5_000_000], "kwargs": {}})
        assert failed.value.error["code"] == "limit"
    asked = [instance.call("template.call", {"function": "ask", "args": [size], "kwargs": {}}) for size in (5_000_000, 10)]
    assert asked == [["HostError", "limit"], "answered"]
