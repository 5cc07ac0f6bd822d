"""A plugin of this process, called with values: what it is given, its failures, its end. Its results: `contract/test_usual.py`."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.errors import LimitExceeded, PluginUnavailable
from mockforge_asgi.events import CallFinished
from mockforge_asgi.plugins.native.inline import TRUSTED
from mockforge_plugin import (
    Allow,
    AuthPlugin,
    Deny,
    Principal,
    Request,
    ResponsePlugin,
    TemplatePlugin,
    function,
)
from tests.support.native_hosts import Told, doors, host
from tests.support.native_results import OPS, Both, Says, exchange


class Changes(AuthPlugin, ResponsePlugin, TemplatePlugin):
    """Changes all that it is given."""

    async def authenticate(self, request: Request) -> Allow:
        return self._change(request)

    async def generate(self, request: Request) -> str:
        self._change(request)
        return request.fingerprint

    def _change(self, request: Request) -> Allow:
        request.cookies["a"] = "changed"
        request.path_params["a"] = "changed"
        assert request.principal is not None
        request.principal.attributes["a"]["b"] = "changed"
        request.claims["a"].append("changed")
        object.__setattr__(request.principal, "id", "changed")
        return Allow(Principal("ada"))

    @function
    async def change(self, rows: list[Any], *, more: dict[str, Any]) -> None:
        rows.append("changed")
        more["a"] = "changed"


async def test_nothing_that_a_plugin_is_given_is_anybodys_else() -> None:
    both = await Both.of(Changes())
    one = exchange(headers=[(b"cookie", b"a=1")])
    one.matched("/{a}", {"a": "b"})
    one.allowed(Principal("ada", attributes={"a": {"b": 1}}), {"a": [1]})
    before = one.document(TRUSTED.request_view)
    await both.values.authenticate(one)
    await both.values.generate(one)
    one.matched("/{a}", one.path_params)
    assert one.document(TRUSTED.request_view) == before
    rows: list[Any] = [1]
    more: dict[str, Any] = {"rows": rows, "wide": list(range(100))}
    await both.values.call_function(one, "change", [rows], {"more": more})
    assert (rows, more) == ([1], {"rows": [1], "wide": list(range(100))})
    await both.host.close()


RAISES = """
    import asyncio
    from mockforge_plugin import *

    class Fails(AuthPlugin, TemplatePlugin):
        {kind} authenticate(self, request):
            raise KeyError("x")

        @function
        {kind} one(self, name):
            return name

        @function
        {kind} leaves(self):
            raise SystemExit(3)

        @function
        {kind} stops(self):
            next(iter(()))

        @function
        {kind} says(self):
            raise PluginError("no", code="not_found", retryable=True, details={{"a": 1}})

        @function
        {kind} later(self):
            return kv.get("k").then(lambda value: value or "later")

        @function
        {kind} waits(self):
            {wait}sleep(0){done}
            raise TimeoutError("mine")
    """


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("name", ["authenticate", "one", "leaves", "stops", "says", "later", "waits", "nobody"])
async def test_failures_are_told_in_the_same_words(kind: str, name: str) -> None:
    told = Told()
    wait, done = ("await ", "") if kind == "async def" else ("", ".result()")
    opened = host(RAISES.format(kind=kind, wait=wait, done=done), told=told, door=doors(told))
    both = Both(opened, await opened.open(), told)
    await opened.start()
    if name == "later" and kind == "async def":
        name = "nobody"  # a host call that nobody awaits would be warned of
    ask = OPS["authenticate"] if name == "authenticate" else lambda plugin: plugin.call_function(None, name, [], {})
    by_value, by_json = await both.outcomes(ask)
    assert by_value == by_json
    await opened.close()


SLOW = """
    from mockforge_plugin import *

    class Slow(AuthPlugin):
        {kind} authenticate(self, request):
            {wait}sleep(60){done}
    """


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_a_call_over_its_time_is_ended(kind: str) -> None:
    told = Told()
    wait, done = ("await ", "") if kind == "async def" else ("", ".result()")
    opened = host(SLOW.format(kind=kind, wait=wait, done=done), told=told, door=doors(told), timeout_s=0.05)
    both = Both(opened, await opened.open(), told)
    await opened.start()
    with pytest.raises(LimitExceeded, match="timeout_ms"):
        await both.values.authenticate(exchange())
    assert [event.outcome for event in told.of(CallFinished)] == ["limit"]
    await opened.close()


async def test_a_generation_that_takes_no_more_calls_leaves_them_to_its_successor() -> None:
    old, new = await Both.of(Says(lambda: Deny())), await Both.of(Says(lambda: Allow(Principal("new"))))
    old.values.successor = new.values
    await old.host.close()
    assert await old.values.authenticate(exchange()) == Allow(Principal("new"))
    old.values.successor = None
    with pytest.raises(PluginUnavailable, match="it is stopping"):
        await old.values.authenticate(exchange())
    await new.host.close()
