"""Unmodified Extism plugins, mapped by their manifest."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginRejected
from mockforge_asgi.wasm.extism.entry import ExtismEntry
from mockforge_asgi.wasm.extism.guest import ExtismOptions
from tests.support.extism_guests import PLAIN, ExtismBench, extism_bench, wasm_of


@pytest.fixture
async def stand() -> AsyncIterator[ExtismBench]:
    async with extism_bench() as made:
        yield made


async def test_an_unmodified_plugin_answers_requests(stand: ExtismBench) -> None:
    entry = ExtismEntry("count_vowels", {"vowels": "count_vowels", "same": "echo"})
    ours = await stand.instance(PLAIN.read_bytes(), ExtismOptions(entry=entry))
    assert (await ours.describe(stand.fiber()))["functions"] == [{"name": "vowels"}, {"name": "same"}]
    document = {"request": {"body": {"text": "Ada"}}, "fingerprint": ""}
    said = await ours.call(stand.fiber("response.generate"), json.dumps(document).encode())
    assert said["headers"] == [["content-type", "application/json"]] and json.loads(said["body"]["text"])["count"] == 2
    stand.doors.body = b"\xff aei"
    document = {"request": {"body": {"available": 5}}, "fingerprint": ""}
    with pytest.raises(PluginFailed):  # the plugin wants UTF-8
        await ours.call(stand.fiber("response.generate"), json.dumps(document).encode())
    assert stand.doors.asked == [("body.read", {"of": "request", "offset": 0}), ("body.read", {"of": "request", "offset": 3})]
    call = {"function": "same", "args": ["plain words"], "kwargs": {}}
    assert await ours.call(stand.fiber("template.call"), json.dumps(call).encode()) == "plain words"
    call = {"function": "vowels", "args": ["aa"], "kwargs": {}}
    assert (await ours.call(stand.fiber("template.call"), json.dumps(call).encode()))["count"] == 2
    with pytest.raises(PluginFailed, match="nope"):
        await ours.call(stand.fiber("template.call"), b'{"function": "nope", "args": []}')


async def test_a_mapping_to_an_export_that_is_not_there_is_refused(stand: ExtismBench) -> None:
    with pytest.raises(PluginRejected, match="count_bowels"):
        stand.guest(PLAIN.read_bytes(), ExtismOptions(entry=ExtismEntry("count_bowels")))


async def test_the_exports_that_there_are_are_told_in_bounds(stand: ExtismBench) -> None:
    exports = "".join(f'(func (export "\\1b[2J{"e" * 100}{i}"))' for i in range(500))
    with pytest.raises(PluginRejected) as refused:
        stand.guest(wasm_of(f"(module {exports})"), ExtismOptions(entry=ExtismEntry("count_bowels")))
    assert len(str(refused.value)) < 1000 and "\x1b" not in str(refused.value)


async def test_a_body_that_comes_too_slowly_is_the_calls_timeout(stand: ExtismBench) -> None:
    ours = await stand.instance(PLAIN.read_bytes(), ExtismOptions(entry=ExtismEntry("count_vowels")))
    stand.doors.open.clear()
    document = {"request": {"body": {"available": 5}}, "fingerprint": ""}
    with pytest.raises(LimitExceeded) as caught:
        await ours.call(stand.fiber("response.generate", timeout_s=0.01), json.dumps(document).encode())
    assert caught.value.limit == "timeout_ms" and not ours.broken
