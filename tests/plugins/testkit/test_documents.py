"""Documents of cases: what is left out is filled in as a host has it, what no host would send is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.contract import Json
from mockforge_asgi.exact_json import loads
from mockforge_asgi.http.request_document import INLINE_BODY_BYTES, RequestView, request_document
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.plugins.testkit.cases import DoorsModel
from mockforge_asgi.plugins.testkit.documents import Bodies, bodies_of, complete, faults
from mockforge_asgi.security.permissions import EffectivePermissions

SEEING = EffectivePermissions(request_view=RequestView(frozenset({"x-a"}), frozenset({"crumb"}), frozenset({"page"}), True, True, True))
PAIRS = "a mapping of names to texts, or a list of [name, value] pairs"
NOTHING = Bodies(b"", b"")


def test_what_a_request_always_has_is_filled_in() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    usual = set(loads(request_document(RequestSnapshot(scope), RequestView())))
    request = complete("auth.authenticate", None, NOTHING, SEEING)
    assert set(request) == usual and request["body"] == {"available": 0}
    whole = complete("response.generate", {"request": {"path": "/x", "method": "PUT"}}, Bodies(b"abc", b""), SEEING)
    assert whole["request"]["raw_path"] == "/x" and whole["request"]["method"] == "PUT" and len(whole["fingerprint"]) == 64
    assert whole["request"]["body"] == {"available": 3}
    assert complete("response.generate", None, Bodies(b"abc", b""), EffectivePermissions())["request"]["body"] == {"available": 0}
    changed = complete("response.modify", {"response": {"status": 201}}, Bodies(b"", b"four"), SEEING)
    assert changed["response"] == {"status": 201, "headers": [], "body": {"available": 4}} and "fingerprint" not in changed
    assert complete("template.call", {"function": "f"}, NOTHING, SEEING) == {"function": "f", "args": [], "kwargs": {}}
    assert complete("data.query", {"query": "q"}, NOTHING, SEEING) == {"query": "q", "params": {}}
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


def found(op: str, document: Json, rights: EffectivePermissions = SEEING) -> list[str]:
    return [str(problem) for problem in faults(op, document, complete(op, document, bodies_of(op, document, DoorsModel()), rights), rights)]


def test_what_a_plugin_has_no_right_to_see_is_named() -> None:
    request: dict[str, Any] = {
        "headers": [["X-A", "1"], ["cookie", "crumb=1; other=2"], ["x-b", "2"]], "query": [["page", "1"], ["q", "x"]],
        "client": "127.0.0.1", "principal": {"id": "a"}, "body": {"text": "x"},
    }  # fmt: skip
    assert found("auth.authenticate", request) == [
        f"auth.authenticate {part}: the plugin would not be sent the {what} '{name}'. Ask for it in plugin.yaml: permissions: {{{asked}}}."
        for part, what, name, asked in [
            ("headers", "header", "x-b", "request.headers: {names: [x-b]}"),
            ("headers", "cookie", "other", "request.cookies: {names: [other]}"),
            ("query", "query parameter", "q", "request.query: {names: [q]}"),
        ]
    ]
    places = {line.split(": ")[0] for line in found("response.generate", {"request": request}, EffectivePermissions())}
    assert places == {f"response.generate request.{part}" for part in ("headers", "query", "client", "principal", "body")}
    answer = {"request": {}, "response": {"headers": [["etag", "1"], ["x-secret", "2"]]}}
    (told,) = found("auth.authenticate", {"body": {"text": "x" * 100_000}}, EffectivePermissions())
    assert "would not be sent the body" in told
    (told,) = found("response.modify", answer, EffectivePermissions(response_headers=frozenset({"etag"})))
    assert "response.headers: the plugin would not be sent the answer's header 'x-secret'." in told


def test_a_document_is_made_as_the_host_makes_it() -> None:
    request = complete("auth.authenticate", {"path": "/a b", "headers": [["X-A", "1"]], "principal": {"id": "a"}}, NOTHING, SEEING)
    assert request["headers"] == [["x-a", "1"]] and request["raw_path"] == "/a%20b"
    assert request["principal"] == {"id": "a", "roles": [], "groups": [], "name": None, "email": None, "attributes": {}}
    named = {"headers": {"X-A": "1", "Cookie": ["crumb=1", "crumb=2"]}, "query": {"page": ["1", "2"]}}
    request = complete("auth.authenticate", named, NOTHING, SEEING)
    assert request["headers"] == [["x-a", "1"], ["cookie", "crumb=1"], ["cookie", "crumb=2"]]
    assert request["query"] == [["page", "1"], ["page", "2"]]
    assert complete("response.modify", {"response": {"headers": {"ETag": "1"}}}, NOTHING, SEEING)["response"]["headers"] == [["etag", "1"]]
    large = {"body": {"text": "x" * (INLINE_BODY_BYTES + 1)}}
    whole = complete("auth.authenticate", large, bodies_of("auth.authenticate", large, DoorsModel()), SEEING)
    assert whole["body"] == {"available": INLINE_BODY_BYTES + 1}, "it stays at the host"


@pytest.mark.parametrize(
    ("op", "document", "words"),
    [
        (
            "response.generate",
            {"path": "/x"},
            "response.generate: the key 'path' is not known. Write it inside `request`: {request: {path: …}}.",
        ),
        ("response.generate", {"requst": {}}, "response.generate: the key 'requst' is not known. Did you mean 'request'?"),
        ("response.generate", {"request": {"pth": 1}}, "response.generate request: the key 'pth' is not known. Did you mean 'path'?"),
        ("auth.authenticate", {"heders": []}, "auth.authenticate: the key 'heders' is not known. Did you mean 'headers'?"),
        ("auth.authenticate", {"headers": {"a": 1}}, f"auth.authenticate headers: must be {PAIRS}."),
        ("auth.authenticate", {"headers": [["x-a", 1], ["x-a"]]}, f"auth.authenticate headers: must be {PAIRS}."),
        ("auth.authenticate", {"query": {"page": [1]}}, f"auth.authenticate query: must be {PAIRS}."),
        ("auth.authenticate", {"body": {"name": "x"}}, "auth.authenticate body: must be {text: …}, {base64: …} or {json: …}."),
        ("auth.authenticate", {"body": "x"}, "auth.authenticate body: must be {text: …}, {base64: …} or {json: …}."),
        ("auth.authenticate", {"path": 7}, "auth.authenticate path: must be string, not 7."),
        ("auth.authenticate", [1], "auth.authenticate: must be object, not a list."),
        ("endpoint.call", {"request": {}}, "endpoint.call: `endpoint` is missing. Add it."),
        ("template.call", {}, "template.call: `function` is missing. Add it."),
        ("template.call", {"function": "f", "args": 7}, "template.call args: must be array, not 7."),
        ("template.call", {"function": "f", "arg": []}, "template.call: the key 'arg' is not known. Did you mean 'args'?"),
        ("data.query", {"query": "q", "limit": 0}, "data.query limit: 0 is less than the minimum of 1."),
    ],
)
def test_a_document_of_another_shape_is_refused(op: str, document: Json, words: str) -> None:
    assert found(op, document) == [words]


@pytest.mark.parametrize(
    ("op", "document"),
    [
        ("response.can_handle", {"request": {"path_params": {"id": 1, "x": 1.5, "name": "a"}, "body": {"json": [1]}}}),
        ("auth.authenticate", {"headers": {"x-a": "b", "cookie": ["crumb=1", "crumb=2"]}, "query": {"page": "1"}}),
        ("response.modify", {"response": {"status": 404}}),
        ("endpoint.call", {"endpoint": "callback"}),
        ("data.query", {"query": "q"}),
        ("plugin.health", None),
        ("plugin.stop", {}),
        ("plugin.init", {"config": {}}),
    ],
)
def test_a_document_that_a_host_sends_is_none_of_its_faults(op: str, document: Json) -> None:
    assert found(op, document) == []
