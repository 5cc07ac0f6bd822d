"""What stands behind a plugin's doors while it is tried out, and which documents it may be sent."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mockforge_asgi.config.network import NetworkRule
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import DoorError
from mockforge_asgi.events import EventStream
from mockforge_asgi.http.documents import RequestView, request_document
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.plugins.cases import DoorsModel
from mockforge_asgi.plugins.doors import PluginDoors
from mockforge_asgi.plugins.rehearsal import Bodies, bodies_of, complete, fill, furnish, unseen
from mockforge_asgi.security.permissions import Effective, KvRight
from mockforge_asgi.state import open_store

SEEING = Effective(request_view=RequestView(frozenset({"x-a"}), frozenset({"crumb"}), frozenset({"page"}), True, True, True))
NOTHING = Bodies(b"", b"")


async def doors(said: dict[str, Any], kinds: tuple[str, ...] = ("response",), **rights: Any) -> PluginDoors:
    model, state = DoorsModel.model_validate(said), open_store("memory://")
    await fill(state, "p", model.kv)
    return PluginDoors("p", Effective(**rights), furnish(model, state, EventStream()), kinds=kinds)


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
        with pytest.raises(DoorError, match=words) as raised:
            await made.call("http.request", {"method": method, "url": url}, None)
        assert raised.value.code == code
    await made.close()


async def test_a_plugin_that_leaves_the_host_to_the_operator_is_answered_from_any() -> None:
    answers: dict[str, Any] = {"GET https://a.example/": {}, "GET http://a.example/": {}, "GET http://b.example/": {}}
    rules = (NetworkRule.parse("https://*", any_host=True), NetworkRule.parse("http://b.example"))
    made = await doors({"http": answers}, network=rules)
    for url in ("https://a.example/", "http://b.example/"):
        assert (await made.call("http.request", {"method": "GET", "url": url}, None))["status"] == 200
    with pytest.raises(DoorError, match="not among the places granted"):
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
        ("odd", {}, "unavailable"),
        ("x", {}, "denied"),
    ]:
        with pytest.raises(DoorError) as raised:
            await ask(query, **more)
        assert raised.value.code == code


def test_what_a_request_always_has_is_filled_in() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    usual = set(request_document(RequestSnapshot(scope), RequestView()))
    request = complete("auth.authenticate", None, NOTHING, SEEING)
    assert set(request) == usual and request["body"] == {"available": 0}
    whole = complete("response.generate", {"request": {"path": "/x", "method": "PUT"}}, Bodies(b"abc", b""), SEEING)
    assert whole["request"]["raw_path"] == "/x" and whole["request"]["method"] == "PUT" and len(whole["fingerprint"]) == 64
    assert whole["request"]["body"] == {"available": 3}
    assert complete("response.generate", None, Bodies(b"abc", b""), Effective())["request"]["body"] == {"available": 0}
    changed = complete("response.modify", {"response": {"status": 201}}, Bodies(b"", b"four"), SEEING)
    assert changed["response"] == {"status": 201, "headers": [], "body": {"available": 4}} and "fingerprint" not in changed
    assert complete("template.call", {"function": "f"}, NOTHING, SEEING) == {"function": "f"}
    assert complete("plugin.health", None, NOTHING, SEEING) == {}
    assert complete("response.generate", [1], NOTHING, SEEING) == [1]


def test_a_body_shown_in_the_document_is_the_one_to_be_read() -> None:
    said = DoorsModel.model_validate({"request_body": {"text": "other"}, "response_body": {"base64": "/w=="}})
    shown = bodies_of("response.generate", {"request": {"body": {"text": "own"}}}, said)
    assert (shown.request, shown.response) == (b"own", b"\xff")
    assert bodies_of("auth.authenticate", {"body": {"base64": "b3du"}}, said).request == b"own"
    assert bodies_of("auth.authenticate", {"body": {"base64": "?"}}, said).request == b"other"
    assert bodies_of("response.generate", None, said).request == b"other"
    written = {"request": {"body": {"json": {"name": "Ä"}}}}
    assert bodies_of("response.generate", written, said).request == '{"name":"Ä"}'.encode()
    assert complete("response.generate", written, NOTHING, SEEING)["request"]["body"] == {"text": '{"name":"Ä"}'}
    assert bodies_of("response.modify", None, DoorsModel.model_validate({"response_body": {"json": None}})).response == b"null"


def test_what_a_plugin_has_no_right_to_see_is_named() -> None:
    request = {
        "headers": [["X-A", "1"], ["cookie", "crumb=1"], ["x-b", "2"]], "query": [["page", "1"], ["q", "x"]],
        "client": "127.0.0.1", "principal": {"id": "a"}, "body": {"text": "x"},
    }  # fmt: skip
    assert [what for _, what, _ in unseen("auth.authenticate", request, SEEING)] == ["the header 'x-b'", "the query parameter 'q'"]
    places = {place for place, _, _ in unseen("response.generate", {"request": request}, Effective())}
    assert places == {("request", part) for part in ("headers", "query", "client", "principal", "body")}
    answer = {"request": {}, "response": {"headers": [["etag", "1"], ["x-secret", "2"]]}}
    told = unseen("response.modify", answer, Effective(response_headers=frozenset({"etag"})))
    assert told == [(("response", "headers"), "the answer's header 'x-secret'", "response.headers: {names: [x-secret]}")]
    assert unseen("template.call", {"request": request}, Effective()) == []
    assert unseen("auth.authenticate", {"headers": 7, "query": [7], "body": {"available": 0}}, Effective()) == []


def test_a_trial_needs_no_http_extra_for_a_plugin_without_network() -> None:
    code = "import sys; sys.modules['httpcore2'] = None; import mockforge_asgi.cli.trial; import mockforge_asgi.plugins.trial"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
