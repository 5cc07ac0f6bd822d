"""The operator's own answers in place of plugins that fail, and what is told of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.telemetry.log import line_of
from mockforge_asgi.testing import Client
from mockforge_plugin import Request, Response, ResponsePlugin
from tests.hostile.core import answers
from tests.support.plain_host import plain_plugin
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


class Wrong(ResponsePlugin):
    """Answers what HTTP does not know."""

    async def generate(self, request: Request) -> Response:
        """So."""
        return Response(99)


WRONG = """from mockforge_plugin import *

class Wrong(ResponsePlugin):
    async def generate(self, request):
        return Response(99)
"""


@pytest.mark.parametrize("runtime", ["own", "python", "extism"])
async def test_why_an_answer_was_refused_is_told_once_as_an_error(runtime: str, tmp_path: Path) -> None:
    entry = {"own": "plugin.py", "python": "plugin.py", "extism": "plugin.wasm"}[runtime]
    manifest = {"manifest_version": 1, "id": "wrong", "version": "1.0.0", "contract": "0.1", "kinds": ["response"], "runtime": runtime}
    (tmp_path / "plugin.yaml").write_text(yaml.safe_dump({**manifest, "entry": entry}))
    (tmp_path / entry).write_bytes(answers('{"status":99}') if runtime == "extism" else WRONG.encode())
    used = {} if runtime == "own" else {"wrong": {"use": str(tmp_path)}}
    shared = PluginRuntime({"version": 1, "dev": True, "plugins": used}, plugins=[Wrong] if runtime == "own" else [])
    lines: list[tuple[str, str]] = []
    shared.events.subscribe(lambda event: lines.append(line_of(event)))
    async with Client(MockForge(None, runtime=shared)) as client:
        assert (await client.get("/x")).status == 502
    (level,) = [level for level, words in lines if re.search("status .*99", words)]
    assert level == "error"
