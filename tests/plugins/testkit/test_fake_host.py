"""What stands behind a plugin's doors while it is tried out, and which documents it may be sent."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mockforge_asgi.config.network import NetworkRule
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.hostcalls.hostcalls import PluginHostCalls
from mockforge_asgi.plugins.testkit.cases import DoorsModel
from mockforge_asgi.plugins.testkit.fake_host import fake_services, fill
from mockforge_asgi.security.permissions import EffectivePermissions, KvRight
from mockforge_asgi.state import open_store


async def doors(said: dict[str, Any], kinds: tuple[str, ...] = ("response",), **rights: Any) -> PluginHostCalls:
    model, state = DoorsModel.model_validate(said), open_store("memory://")
    await fill(state, "p", model.kv)
    return PluginHostCalls("p", EffectivePermissions(**rights), fake_services(model, state, EventStream()), kinds=kinds)


async def test_storage_begins_with_what_the_case_says() -> None:
    made = await doors({"kv": {"visits": 3}}, kv=KvRight())
    assert await made.call("kv.incr", {"key": "visits"}, None) == {"value": 4}


async def test_time_and_chance_stand_still_for_plugins_of_every_kind() -> None:
    said = {"clock": 1790000000, "seed": "s"}
    for kinds in (("auth",), ("response",)):
        first, again = await doors(said, kinds), await doors(said, kinds)
        assert first.call_now("clock.now", {}) == {"unix_ns": 1790000000 * 10**9, "monotonic_ns": 0}
        assert first.call_now("random.bytes", {"n": 8}) == again.call_now("random.bytes", {"n": 8})


async def test_http_is_answered_from_the_case_within_the_grant() -> None:
    answers = {"GET https://a.example/x": {"status": 201, "body": {"text": "hi"}}, "GET https://b.example/": {}}
    answers["GET https://a.example/json"] = {"headers": {"x-a": "1"}, "body": {"json": {"pieces": 7}}}
    answers["POST https://a.example/x"] = {"error": {"code": "timeout", "message": "too slow", "retryable": True}}
    made = await doors({"http": answers}, network=(NetworkRule.parse("https://a.example"),))
    said = await made.call("http.request", {"method": "GET", "url": "https://a.example/x"}, None)
    assert said == {"status": 201, "headers": [], "body": {"text": "hi"}}
    said = await made.call("http.request", {"method": "GET", "url": "https://a.example/json"}, None)
    assert said == {"status": 200, "headers": [["x-a", "1"]], "body": {"text": '{"pieces":7}'}}
    for method, url, code, words in [
        ("GET", "https://b.example/", "denied", "not among the places granted"),
        ("GET", "https://a.example/y", "unavailable", "no answer for 'GET https://a.example/y'"),
        ("POST", "https://a.example/x", "timeout", "too slow"),
        ("get", "https://a.example/x", "invalid_input", "method in capitals"),
    ]:
        with pytest.raises(HostCallError, match=words) as raised:
            await made.call("http.request", {"method": method, "url": url}, None)
        assert raised.value.code == code
    await made.close()


async def test_a_plugin_that_leaves_the_host_to_the_operator_is_answered_from_any() -> None:
    answers: dict[str, Any] = {"GET https://a.example/": {}, "GET http://a.example/": {}, "GET http://b.example/": {}}
    rules = (NetworkRule.parse("https://*", any_host=True), NetworkRule.parse("http://b.example"))
    made = await doors({"http": answers}, network=rules)
    for url in ("https://a.example/", "http://b.example/"):
        assert (await made.call("http.request", {"method": "GET", "url": url}, None))["status"] == 200
    with pytest.raises(HostCallError, match="not among the places granted"):
        await made.call("http.request", {"method": "GET", "url": "http://a.example/"}, None)
    await made.close()


async def test_data_is_answered_from_the_case_page_by_page() -> None:
    page = {"columns": [{"name": "id", "type": "integer"}], "rows": [[1], [2]], "truncated": False}
    data = {
        "s/one": page,
        "s/many": {"pages": [{**page, "next": "b"}, {**page, "rows": []}], "cursors": {"": 0, "b": 1}},
        "s/odd": {"rows": 1},
    }
    made = await doors({"data": data}, data=frozenset({"s/one", "s/many", "s/odd", "s/none"}))

    async def ask(query: str, **more: Json) -> Json:
        return await made.call("data.query", {"source": "s", "query": query, "params": {}, **more}, None)

    assert (await ask("one", limit=1))["rows"] == [[1]]
    assert (await ask("many"))["next"] == "b" and (await ask("many", cursor="b"))["rows"] == []
    for query, more, code in [
        ("many", {"cursor": "c"}, "invalid_input"),
        ("none", {}, "not_found"),
        ("odd", {}, "bad_data"),
        ("x", {}, "denied"),
    ]:
        with pytest.raises(HostCallError) as raised:
            await ask(query, **more)
        assert raised.value.code == code


def test_a_trial_needs_no_http_extra_for_a_plugin_without_network() -> None:
    code = "import sys; sys.modules['httpcore2'] = None; import mockforge_asgi.cli.trial; import mockforge_asgi.plugins.testkit.harness"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
