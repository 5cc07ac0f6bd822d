"""What a request brought is gone with it: nothing of it is in another request's instance, nor in any guest's memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mockforge_asgi.errors import LimitExceeded, PluginFailed
from mockforge_asgi.runtime import PluginRuntime
from tests.integration.canaries import RUNTIMES, Canary, guest_memories, keeper, seen


def runtime_of(root: Path, runtime: str, isolation: str, **more: object) -> PluginRuntime:
    use = {"use": str(keeper(root, "keeper", runtime)), "isolation": isolation, "grants": {"kv": True}, **more}
    return PluginRuntime({"version": 1, "dev": True, "plugins": {"keeper": use}})


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_per_request_nothing_is_left_of_another_request(tmp_path: Path, runtime: str) -> None:
    life = runtime_of(tmp_path, runtime, "per_request")
    await life.start()
    canaries = [Canary(f"request {n}") for n in range(9)]

    async def request(canary: Canary) -> str:
        return str(await life.plugin("keeper").call_function(None, "keep", [canary.text], {}))

    answers = [await request(canary) for canary in canaries[:4]]
    answers += await asyncio.gather(*(request(canary) for canary in canaries[4:]))
    for canary, answer in zip(canaries, answers, strict=True):
        assert seen(answer, set(canaries) - {canary}) == []
    held = guest_memories()
    assert held and [seen(memory, canaries) for memory in held] == [[]] * len(held)
    await life.stop()


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_the_keepers_do_keep_where_an_instance_is_used_again(tmp_path: Path, runtime: str) -> None:
    """Else the tests beside this one would prove nothing."""
    life = runtime_of(tmp_path, runtime, "reused")
    await life.start()
    first, second = Canary("first"), Canary("second")
    for canary in (first, second):
        answer = str(await life.plugin("keeper").call_function(None, "keep", [canary.text], {}))
    assert seen(answer, [first]) == [first]
    assert any(seen(memory, [second]) for memory in guest_memories())
    await life.stop()


async def test_a_reused_extism_instance_finds_nothing_of_earlier_calls_in_the_kernels_memory(tmp_path: Path) -> None:
    """The plugin's own memory and its variables are its own affair; inputs, outputs and errors are the host's."""
    life = runtime_of(tmp_path, "extism", "reused")
    await life.start()
    plugin = life.plugin("keeper")
    canaries = [Canary(f"call {n}") for n in range(6)]
    for n, canary in enumerate(canaries):
        padding = "x" * (60_000 >> n)  # each input shorter than the one before: the rest of that one lies beyond
        answer = str(await plugin.call_function(None, "look", [padding + canary.text], {}))
        assert seen(answer, canaries) == [canary]
        assert not any(seen(memory, canaries) for memory in guest_memories())
        for function, why in (("fail", "canary"), ("flood", r"limits\.output_kb")):  # the instance lives on after both
            with pytest.raises(PluginFailed, match=why):
                await plugin.call_function(None, function, [canary.text], {})
            assert not any(seen(memory, canaries) for memory in guest_memories())
    await life.stop()


async def test_a_request_that_was_ended_in_mid_call_leaves_nothing_either(tmp_path: Path) -> None:
    life = runtime_of(tmp_path, "python", "reused", limits={"cpu_ms": 1000})
    await life.start()
    plugin = life.plugin("keeper")
    spun, waited, later = Canary("spun"), Canary("waited"), Canary("later")
    with pytest.raises(LimitExceeded, match="cpu_ms"):
        await plugin.call_function(None, "spin", [spun.text], {})
    waiting = asyncio.ensure_future(plugin.call_function(None, "wait", [waited.text], {}))
    while not any(seen(memory, [waited]) for memory in guest_memories()):
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not any(seen(memory, [spun, waited]) for memory in guest_memories())
    assert seen(str(await plugin.call_function(None, "keep", [later.text], {})), [spun, waited]) == []
    await life.stop()


async def test_chance_is_of_each_request_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "dice"
    folder.mkdir()
    head = 'manifest_version: 1\nid: dice\nversion: 1.0.0\ncontract: "0.1"\nkinds: [template]\nruntime: python\nentry: plugin.py\n'
    (folder / "plugin.yaml").write_text(head)
    (folder / "plugin.py").write_text(
        "import random, secrets, uuid\nfrom mockforge_plugin import function\nAT_LOAD = random.random()\n\n\n@function\n"
        "def throw() -> list:\n    state = str(random.getstate())\n"
        "    return [AT_LOAD, random.random(), random.Random().random(), secrets.token_hex(8), str(uuid.uuid4()), state]\n"
    )
    copy = tmp_path / "other"
    copy.mkdir()
    (copy / "plugin.yaml").write_text(head.replace("id: dice", "id: other"))
    (copy / "plugin.py").write_text((folder / "plugin.py").read_text())
    uses = {path.name: {"use": str(path), "isolation": "per_request"} for path in (folder, copy)}
    life = PluginRuntime({"version": 1, "dev": True, "plugins": uses})
    await life.start()
    thrown = [await life.plugin(name).call_function(None, "throw", [], {}) for name in uses for _ in range(3)]
    for kind in zip(*thrown, strict=True):
        assert len(set(kind)) == len(thrown)
    await life.stop()
