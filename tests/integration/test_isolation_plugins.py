"""Between plugins nothing crosses, ever: not through memory, not through the doors, not through templates, whatever code they share."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.errors import MockForgeError, PluginFailed
from mockforge_asgi.events import CallFinished, Event, GuestLogged, HostCallDenied
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client
from mockforge_plugin import Allow, AuthPlugin, Principal, Request, Response, ResponsePlugin
from tests.integration.canaries import RUNTIMES, Canary, guest_memories, keeper, seen

NAMES = tuple(f"{runtime}-{n}" for runtime in RUNTIMES for n in (1, 2))


def uses_of(root: Path, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """Two plugins of each runtime, with the same code and the same grants."""
    return {name: {"use": str(keeper(root, name, name.partition("-")[0])), "grants": {"kv": True}} for name in names}


async def keep(life: PluginRuntime, name: str, canary: Canary, padding: str = "") -> str:
    return str(await life.plugin(name).call_function(None, "keep", [padding + canary.text], {}))


@pytest.mark.parametrize("isolation", ["reused", "per_request"])
async def test_no_plugin_finds_anything_of_another(tmp_path: Path, isolation: str) -> None:
    uses = {name: {**use, "isolation": isolation} for name, use in uses_of(tmp_path).items()}
    life = PluginRuntime({"version": 1, "dev": True, "plugins": uses})
    await life.start()
    canaries = {name: Canary(name) for name in NAMES}
    for n in range(4):  # one after the other, and all at once; long inputs before short ones
        padding = "x" * (50_000 >> (4 * n))
        if n % 2:
            answers = await asyncio.gather(*(keep(life, name, canaries[name], padding) for name in NAMES))
        else:
            answers = [await keep(life, name, canaries[name], padding) for name in NAMES]
        for name, answer in zip(NAMES, answers, strict=True):
            assert seen(answer, [canary for other, canary in canaries.items() if other != name]) == []
    whose = [seen(memory, canaries.values()) for memory in guest_memories()]
    assert all(len(found) <= 1 for found in whose)
    assert {canary.what for found in whose for canary in found} == (set(NAMES) if isolation == "reused" else set())
    await life.stop()


async def test_calls_that_come_leave_and_fail_at_once_each_get_their_own(tmp_path: Path) -> None:
    """Few instances, many calls, of which some are given up at any moment and some fail; every answer is of its own call."""
    functions = {"python-1": ["own"], "extism-1": ["look", "fail", "flood"], "extism-2": ["look"], "component-1": ["keep"]}
    uses = {name: {**use, "instances": {"max": 2, "warm": 0}} for name, use in uses_of(tmp_path, tuple(functions)).items()}
    life = PluginRuntime({"version": 1, "dev": True, "plugins": uses})
    await life.start()
    dice = random.Random(7)
    calls = [(name, dice.choice(functions[name]), Canary(f"{name} {n}")) for n in range(60) for name in functions]

    async def call(name: str, function: str, canary: Canary) -> str:
        call = asyncio.ensure_future(life.plugin(name).call_function(None, function, [canary.text], {}))
        if dice.random() < 0.4:
            for _ in range(dice.randrange(30)):
                await asyncio.sleep(0)
            call.cancel()
        try:
            return str(await call)
        except asyncio.CancelledError:
            return "cancelled"
        except PluginFailed as error:
            return str(error)

    answers = await asyncio.gather(*(call(*wanted) for wanted in calls))
    owners = {canary.token: name for name, _, canary in calls}
    for (name, function, canary), answer in zip(calls, answers, strict=True):
        shown = bytes.fromhex(answer).decode("latin-1") if name == "component-1" and answer != "cancelled" else answer
        found = re.findall("canary-([0-9a-f]{24})", shown)
        assert {owners[token] for token in found} <= {name}
        if answer != "cancelled" and "output_kb" not in answer:
            assert found == [canary.token] or function in ("keep", "own")
            assert canary.token in found or function == "own"
    assert 20 < answers.count("cancelled") < 120
    await life.stop()


async def test_memory_that_one_gave_up_comes_clean_to_the_next(tmp_path: Path) -> None:
    """Room for one Python instance and little else: each call of one evicts the other's, whose addresses are used again."""
    names = ("python-1", "python-2", "extism-1", "component-1")
    config = {"version": 1, "dev": True, "plugins": uses_of(tmp_path, names), "limits": {"pool_memory_mb": 80}}
    life = PluginRuntime(config)
    await life.start()
    planted: list[Canary] = []
    for n in range(3):
        for name in names:
            canary = Canary(f"{name} {n}")
            planted.append(canary)
            before = [c for c in planted if not c.what.startswith(name)]
            assert seen(await keep(life, name, canary), before) == []
            assert all(len({c.what.split(" ")[0] for c in seen(memory, planted)}) <= 1 for memory in guest_memories())
    await life.stop()


@pytest.mark.parametrize("state", ["memory://", "sqlite"])
async def test_answers_of_doors_reach_the_guest_that_asked(tmp_path: Path, state: str) -> None:
    """All ask for the same key at once; each has its own under it, and gets what it set last."""
    names = ("python-1", "python-2", "python-3")
    url = f"sqlite:///{tmp_path / 'state.db'}" if state == "sqlite" else state
    life = PluginRuntime({"version": 1, "dev": True, "plugins": uses_of(tmp_path, names), "state": {"url": url}})
    await life.start()
    canaries = [(name, Canary(name)) for _ in range(8) for name in names]
    answers = await asyncio.gather(*(life.plugin(name).call_function(None, "own", [canary.text], {}) for name, canary in canaries))
    for (name, _), answer in zip(canaries, answers, strict=True):
        assert {found.what for found in seen(answer, [canary for _, canary in canaries])} <= {name}
    for name in names:
        last = await life.plugin(name).call_function(None, "own", ["x"], {})
        assert [found.what for found in seen(last, [canary for _, canary in canaries])] == [name]
    await life.stop()


SPY = '''
from mockforge_plugin import TemplatePlugin, data, function, http, kv, log, resource, secret
from mockforge_plugin.failure import HostError


class Spy(TemplatePlugin):
    """Asks every door for what another plugin has."""

    @function
    def spy(self) -> list:
        found = [repr(self.config), repr(kv.get("kept").result()), repr(kv.get("plugin/owner/kept").result())]
        keys = ("../owner/kept", "owner/kept", "owner\\x00kept", "plugin/owner", "*", "%", "kept\\u200b")
        asked = [lambda key=key: kv.get(key).result() for key in keys]
        asked += [lambda: kv.incr("kept").result(), lambda: kv.add_if_absent("kept", 1).result(), lambda: kv.delete("kept").result()]
        asked += [lambda name=name: secret(name) for name in ("token", "TOKEN", "*", "", "owner/token")]
        asked += [lambda path=path: resource(path).result() for path in
                  ("owner.txt", "../owner/owner.txt", "/etc/passwd", "plugin.yaml", "./../owner/plugin.py", "%2e%2e/owner/owner.txt")]
        asked += [lambda: data.query("owner", "all", {}).result(), lambda: http.get("http://127.0.0.1:1/").result()]
        for ask in asked:
            try:
                found.append(repr(ask()))
            except (HostError, ValueError) as error:
                found.append(repr(error) + repr(vars(error)))
        log.info("spied: " + " ".join(found))
        return found
'''
OWNER = '''
from mockforge_plugin import TemplatePlugin, function, kv, resource, secret


class Owner(TemplatePlugin):
    """Has a secret, a file, a configuration and something stored."""

    @function
    def own(self, text: str) -> str:
        kv.set("kept", text).result()
        kv.set(text, 1).result()
        secret("token"), resource("owner.txt").result(), self.config["key"]
        raise RuntimeError(text)
'''
MANIFEST = """manifest_version: 1
id: {id}
version: 1.0.0
contract: "0.1"
kinds: [template]
runtime: python
entry: plugin.py
permissions: {permissions}
config: {{type: object, properties: {{key: {{type: string}}}}}}
limits: {{cpu_ms: 1000, timeout_ms: 5000, output_kb: 256}}
"""


async def test_no_door_gives_what_is_anothers(tmp_path: Path) -> None:
    stored, secret, file, configured = (Canary(what) for what in ("stored", "secret", "file", "configured"))
    files = {
        "owner": {
            "plugin.py": OWNER, "owner.txt": file.text,
            "plugin.yaml": MANIFEST.format(id="owner", permissions="{kv: {}, secrets: {names: [token]}, files: {read: [owner.txt]}}"),
        },
        "spy": {
            "plugin.py": SPY,
            "plugin.yaml": MANIFEST.format(id="spy", permissions="{kv: {}, files: {read: ['*']}}"),
        },
    }  # fmt: skip
    for name, contents in files.items():
        (tmp_path / name).mkdir()
        for path, text in contents.items():
            (tmp_path / name / path).write_text(text)
    config = {
        "version": 1,
        "dev": True,
        "secrets": {"token": {"value": secret.text}},
        "plugins": {
            "owner": {
                "use": str(tmp_path / "owner"),
                "config": {"key": configured.text},
                "grants": {"kv": True, "secrets": ["token"], "files": ["owner.txt"]},
            },
            "spy": {"use": str(tmp_path / "spy"), "grants": {"kv": True, "files": ["*"]}},
        },
    }
    life = PluginRuntime(config)
    events: list[Event] = []
    life.events.subscribe(events.append)
    await life.start()
    with pytest.raises(MockForgeError):
        await life.plugin("owner").call_function(None, "own", [stored.text], {})
    answer = await life.plugin("spy").call_function(None, "spy", [], {})
    canaries = [stored, secret, file, configured]
    assert seen("".join(answer), canaries) == []
    assert len(answer) == 26
    told = [e for e in events if isinstance(e, HostCallDenied | GuestLogged | CallFinished) and e.plugin == "spy"]
    assert {type(e) for e in told} == {HostCallDenied, GuestLogged, CallFinished}
    assert seen(repr(told), canaries) == []
    spies = [memory for memory in guest_memories() if b"Asks every door for what another" in memory]
    assert spies and not any(seen(memory, canaries) for memory in spies)
    await life.stop()


async def test_what_one_gives_to_a_template_is_not_there_for_the_next(tmp_path: Path) -> None:
    code = (
        "from mockforge_plugin import Response, ResponsePlugin\n\n\nclass Page(ResponsePlugin):\n    def generate(self, request):\n"
        "        name = request.query.get('q')\n        return Response(200, template='page.txt', vars={'who': name} if name else {})\n"
    )
    uses = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plugin.py").write_text(code)
        head = f'manifest_version: 1\nid: {name}\nversion: 1.0.0\ncontract: "0.1"\nkinds: [response]\nruntime: python\nentry: plugin.py\n'
        (tmp_path / name / "plugin.yaml").write_text(head + "permissions: {request.query: {names: [q], reason: the name}}\n")
        uses[name] = {"use": str(tmp_path / name), "templates": ["page.txt"], "grants": {"request": {"query": ["q"]}}}
    page = (
        "{% set kept = namespace(who=who | default('nobody')) %}{% macro say() %}{{ kept.who }}{% endmacro %}"
        "{{ say() }} {{ vars | default('') }} {{ page | default('') }}"
    )
    config = {
        "version": 1,
        "dev": True,
        "plugins": uses,
        "templates": {"inline": {"page.txt": page}},
        "routes": [{"match": {"path": f"/{name}"}, "response": {"plugin": name}} for name in uses],
    }
    canary = Canary("given")
    async with Client(MockForge(config=config)) as client:
        assert canary.is_in((await client.get(f"/one?q={canary.text}")).body)
        others = [await client.get(path) for path in ("/two", "/one", "/two")]
    assert [answer.status for answer in others] == [200] * 3
    assert not any(canary.is_in(answer.body) for answer in others)


class Scribbler(ResponsePlugin):
    """Writes into whatever it was given."""

    planted = ""

    def generate(self, request: Request) -> None:
        document: Any = request._document
        for place in (document, document["path_params"], document["principal"]["attributes"]["groups"]):
            place["planted"] = Scribbler.planted
        document["headers"].append(["x-planted", Scribbler.planted])


class Reader(ResponsePlugin):
    """Shows all it was given."""

    def generate(self, request: Request) -> Response:
        return Response(200, body=repr(request._document).encode())


class Door(AuthPlugin):
    """Lets everybody in, by a principal with something in it."""

    def authenticate(self, request: Request) -> Allow:
        return Allow(Principal("ada", attributes={"groups": {"staff": True}}))


async def test_what_trusted_code_writes_into_its_request_is_its_own(tmp_path: Path) -> None:
    """Plugins of one view share one document; each native one works on a copy."""
    canary = Canary("written")
    Scribbler.planted = canary.text
    config = {
        "version": 1,
        "protect": [{"path": "/**", "auth": ["door"]}],
        "routes": [{"match": {"path": "/{name}"}, "response": {"template_text": "{{ user.attributes }} {{ path }}"}}],
    }
    async with Client(MockForge(config=config, plugins=[Door(), Scribbler(), Reader()])) as client:
        answer = await client.get("/x")
    assert "staff" in answer.text and "'name': 'x'" in answer.text
    assert not canary.is_in(answer.body)
