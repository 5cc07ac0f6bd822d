"""The operator's own answers in place of plugins that fail."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.testing import Client
from tests.plain_host import plain_plugin
from tests.test_middleware import PROTECT, App, greet, mounted

STAND_IN = {"status": 503, "headers": {"x-stand-in": "1"}, "json": {"name": "nobody"}}


def failing(name: str, kinds: str, op: str, error: Exception | None = None, **facts: Any) -> Plugin:
    def fail(document: Json) -> Json:
        raise error or PluginFailed(name, op, "boom")

    return plain_plugin(name, kinds, {op: fail}, **facts)


def standing_in(**names: Any) -> dict[str, Any]:
    return {name: {"use": "./x", "enabled": False, "on_failure": answer} for name, answer in names.items()}


@pytest.mark.parametrize("error", [None, PluginUnavailable("greet", "pool full"), LimitExceeded("greet", "response.generate", "cpu_ms", 1)])
async def test_the_operators_answer_stands_in_for_a_plugin_that_fails(error: Exception | None) -> None:
    forge = await mounted(App(), failing("greet", "response", "response.generate", error), plugins=standing_in(greet=STAND_IN))
    answer = await Client(forge).get("/hello/x")
    assert (answer.status, answer.header("x-stand-in"), answer.json()) == (503, "1", {"name": "nobody"})
    assert (await Client(forge).get("/health")).json() == {"status": "ok"}


async def test_it_stands_in_for_modifiers_too() -> None:
    modifier = failing("mod", "modifier", "response.modify")
    assert (await Client(await mounted(App(), modifier, plugins=standing_in(mod={"text": "plain"}))).get("/health")).text == "plain"


async def test_nothing_stands_in_for_an_auth_plugin() -> None:
    auth = failing("key", "auth response", "auth.authenticate", PluginUnavailable("key", "pool full"))
    forge = await mounted(App(), auth, greet(), protect=PROTECT, plugins=standing_in(key={"text": "come in"}))
    assert (await Client(forge).get("/hello/x")).status == 503


async def test_another_plugins_answer_stands_in_for_nobody_else() -> None:
    forge = await mounted(App(), failing("greet", "response", "response.generate"), plugins=standing_in(other={"text": "x"}))
    assert (await Client(forge).get("/hello/x")).status == 502
