"""What a guest sees of a request is what it was granted, however it asks; what carried credentials no later guest sees at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.events import Event, HostCallDenied
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client, Response
from tests.integration.canaries import Canary, guest_memories, seen

GUARD = '''
import hashlib
from mockforge_plugin import Allow, AuthPlugin, Principal


class Guard(AuthPlugin):
    """Knows whoever sends a key."""

    def authenticate(self, request):
        who = hashlib.sha256(request.header("x-api-key").encode()).hexdigest()
        return Allow(Principal(who, name=who, attributes={"who": who}), claims={"who": who})
'''
SPY = '''
from mockforge_plugin import Response, ResponsePlugin
from mockforge_plugin.context import current
from mockforge_plugin.failure import HostError

DOORS = [
    ("body.read", {"of": "request"}), ("body.read", {"of": "response"}), ("body.read", {"of": "request", "offset": 0, "length": 9}),
    ("secret.get", {"name": "token"}), ("file.read", {"path": "plugin.py"}), ("file.read", {"path": "plugin.yaml"}),
    ("kv.get", {"key": "kept"}), ("kv.set", {"key": "kept", "value": 1}), ("kv.incr", {"key": "kept"}),
    ("http.request", {"method": "GET", "url": "http://127.0.0.1:1/"}), ("data.query", {"source": "people", "query": "all"}),
    ("data.query", {"source": "people", "query": "SELECT 1"}), ("config.get", {"key": "key"}), ("request.headers", {}),
]


class Spy(ResponsePlugin):
    """Goes past the kit to every door by name."""

    def generate(self, request):
        if not request.path.endswith("/NAME"):
            return None  # the next one's
        found = [repr(request._document), repr(request.fingerprint) if hasattr(request, "fingerprint") else ""]
        for name, payload in DOORS:
            try:
                found.append(f"{name} gives {current().call_now(name, payload)!r}")
            except HostError as error:
                found.append(f"{name}: {error.code} {error!r} {vars(error)!r}")
        return Response(200, body="\\n".join(found))
'''
MANIFEST = """manifest_version: 1
id: {id}
version: 1.0.0
contract: "0.1"
kinds: [{kind}]
runtime: python
entry: plugin.py
permissions: {permissions}
config: {{type: object, properties: {{key: {{type: string}}}}}}
limits: {{cpu_ms: 2000, timeout_ms: 10000, output_kb: 256}}
"""
SOME = "{request.headers: {names: [x-header]}, request.cookies: {names: [crumb]}, request.query: {names: [query]}}"
ALL = "{request.headers: {names: ['*']}, request.cookies: {names: ['*']}, request.query: {names: ['*']}}"
SPIES = {"bare": "{}", "wide": ALL, "some": SOME}
CREDENTIALS = "{request.headers: {names: [x-api-key]}, request.cookies: {names: [session]}, request.query: {names: [token]}}"


def written(root: Path, name: str, kind: str, permissions: str, code: str) -> dict[str, Any]:
    (root / name).mkdir()
    (root / name / "plugin.yaml").write_text(MANIFEST.format(id=name, kind=kind, permissions=permissions))
    (root / name / "plugin.py").write_text(code.replace("NAME", name))
    return {"use": str(root / name)}


def mounted(root: Path, secret: str, isolation: str) -> PluginRuntime:
    everything = {"headers": ["*"], "cookies": ["*"], "query": ["*"], "body": True, "client": True, "principal": True}
    granted_unasked = {"request": everything, "secrets": ["token"], "kv": True}
    uses = {
        "guard": {
            **written(root, "guard", "auth", CREDENTIALS, GUARD),
            "grants": {"request": {"headers": ["x-api-key"], "cookies": ["session"], "query": ["token"]}},
        },
    }
    for name, permissions in SPIES.items():
        use = written(root, name, "response", permissions, SPY)
        uses[name] = {**use, "isolation": isolation, "grants": granted_unasked}
    return PluginRuntime(
        {
            "version": 1,
            "dev": True,
            "plugins": uses,
            "secrets": {"token": {"value": secret}},
            "protect": [{"path": "/**", "auth": ["guard"]}],
        }
    )


@pytest.mark.parametrize("isolation", ["reused", "per_request"])
async def test_past_the_kit_there_is_no_more_than_was_asked_for_and_granted(tmp_path: Path, isolation: str) -> None:
    names = ("key", "authorization", "session", "token", "crumb", "other", "header", "else", "query", "body", "client", "secret")
    canaries = {name: Canary(name) for name in names}
    text = {name: canary.text for name, canary in canaries.items()}
    who = hashlib.sha256(text["key"].encode()).hexdigest()
    headers = {
        "x-api-key": text["key"],
        "authorization": f"Bearer {text['authorization']}",
        "cookie": f"session={text['session']}; crumb={text['crumb']}; other={text['other']}",
        "x-header": text["header"],
        "x-else": text["else"],
    }
    life = mounted(tmp_path, text["secret"], isolation)
    events: list[Event] = []
    life.events.subscribe(events.append)
    answers: dict[str, Response] = {}
    async with Client(MockForge(runtime=life)) as client:
        client.client = text["client"]
        for name in ("bare", "wide", "some", "bare"):  # of each request all three are asked in turn
            url = f"/to/{name}?token={text['token']}&query={text['query']}"
            answers[name] = await client.post(url, headers=headers, body=text["body"].encode())
            assert answers[name].status == 200, answers[name].text
        memories = [memory for memory in guest_memories() if b"Goes past the kit to every door by name" in memory]
    shown = {name: {canary.what for canary in seen(answer.body, canaries.values())} for name, answer in answers.items()}
    assert shown == {"bare": set(), "wide": {"crumb", "other", "header", "else", "query"}, "some": {"crumb", "header", "query"}}
    for answer in answers.values():
        assert who not in answer.text and " gives " not in answer.text.replace("config.get gives None", "")
    hidden = [canary for name, canary in canaries.items() if name not in shown["wide"]]
    assert not any(seen(memory, hidden) or who.encode() in memory for memory in memories)
    assert memories or isolation == "per_request"
    denied = {(event.plugin, event.host_call) for event in events if isinstance(event, HostCallDenied)}
    doors = ("body.read", "secret.get", "file.read", "kv.get", "http.request", "data.query")
    assert {(name, door) for name in SPIES for door in doors} <= denied
