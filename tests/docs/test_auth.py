"""The table of what several decisions come to is what happens, over HTTP and on websockets."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Allow, Decision, Deny, Principal
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.testing import Client, Conversation
from mockforge_asgi.types import Receive, Scope, Send
from tests.docs.pages import ROOT, blocks
from tests.support.auth_plugins import Decider, Runtime

PAGE = ROOT / "docs" / "reference" / "auth.md"
MODES = ("first", "any", "all", "optional")
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (?:–|allow|fails|\d{3})[ ,]", line)
]


def said(word: str) -> Decision | Exception:
    if word == "fails":
        return PluginFailed("p", "auth.authenticate", "boom")
    return None if word == "–" else Allow(Principal("ada")) if word == "allow" else Deny(int(word), f"said {word}")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    is_http = scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []} if is_http else {"type": "websocket.accept"})
    if is_http:
        await send({"type": "http.response.body", "body": b""})


async def outcome(words: list[str], mode: Any, kind: str) -> str:
    plugins = {f"p{i}": Decider(said(word)) for i, word in enumerate(words)}
    guarded = AuthMiddleware(app, runtime=Runtime(plugins), rules=[ProtectRule("/**", tuple(plugins), mode)])
    talk = Conversation([{"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}])
    scope = {**Client(guarded).scope("GET", "/x"), "type": kind, "extensions": {"websocket.http.response": {}}}
    await guarded(scope, talk.receive, talk.send)
    if talk.sent[0]["type"] == "websocket.accept" or talk.response.status == 200:
        return "passes"
    assert (talk.response.header("www-authenticate") is not None) == (talk.response.status == 401)
    assert (talk.response.header("retry-after") is not None) == (talk.response.status == 503)
    return str(talk.response.status)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
async def test_each_cell_of_the_table_is_what_happens(row: list[str], kind: str) -> None:
    words = row[0].split(", ")
    assert [await outcome(words, mode, kind) for mode in MODES] == row[1:]


def test_the_table_has_every_pair_that_matters() -> None:
    asked = {row[0] for row in ROWS}
    assert len(ROWS) == len(asked) > 30
    assert {f"{status}, allow" for status in (401, 403, 502, 503, "fails")} | {f"allow, {s}" for s in (401, 502, 503, "fails")} <= asked


def test_the_example_of_requirements_loads() -> None:
    (example,) = (block for block in blocks(PAGE) if block.title == "protect of mockforge.yaml")
    plugins = {name: {"use": f"./{name}"} for name in ("jwt", "ldap")}
    rules = load_config({"version": 1, "plugins": plugins, **yaml.safe_load(example.text)}).protect
    assert rules[2].require is not None and len(rules[2].require.any) == 2
