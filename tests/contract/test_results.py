"""What plugins answer, read: good documents become values, anything else a failure that names what was wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.contract import Allow, Deny, Json, Principal, Reply
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from tests.support.python_calls import python_calls

READER = ResultReader("p", frozenset({"set-cookie"}))


def test_null_is_not_mine() -> None:
    assert READER.decision("auth.authenticate", None) is None


def test_an_allow_becomes_a_principal() -> None:
    said = {
        "allow": {
            "principal": {"id": "ada", "roles": ["r"], "groups": ["g"], "name": "Ada", "email": "a@b", "attributes": {"x": 1}},
            "claims": {"sub": "ada"},
            "set_headers": [["X-A", "1"], ["Set-Cookie", "s=1"]],
        }
    }
    principal = Principal("ada", ("r",), ("g",), "Ada", "a@b", {"x": 1})
    assert READER.decision("auth.authenticate", said) == Allow(principal, {"sub": "ada"}, (("x-a", "1"), ("set-cookie", "s=1")))


def test_usual_results_are_read_in_few_calls() -> None:
    allow = {"allow": {"principal": {"id": "ada", "roles": ["r"] * 30, "groups": ["g"] * 30}, "claims": {}, "set_headers": []}}
    headers = [["content-type", "application/json"], *([f"x-{n}", "1"] for n in range(30))]
    rendered = {"status": 200, "headers": headers, "template": "t", "vars": dict.fromkeys(map(str, range(30)), 1)}
    called = python_calls(lambda: (READER.decision("op", allow), READER.response("op", rendered)))
    assert len(called) <= 8, called


def test_a_deny_carries_its_challenge() -> None:
    said = {"deny": {"status": 403, "reason": "no", "challenge": "Basic realm=x"}}
    assert READER.decision("auth.authenticate", said) == Deny(403, "no", "Basic realm=x")
    assert READER.decision("auth.authenticate", {"deny": {}}) == Deny()


def test_a_reply_is_a_checked_response() -> None:
    said = {"reply": {"status": 302, "headers": [["Location", "/login"]]}}
    decision = READER.decision("auth.authenticate", said)
    assert isinstance(decision, Reply)
    assert (decision.response.status, decision.response.headers) == (302, (("location", "/login"),))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "neither null"),
        ({}, "neither null"),
        ({"allow": {}, "deny": {}}, "neither null"),
        ({"permit": {}}, "unknown decision"),
        ({"allow": 1}, "without an object"),
        ({"allow": {}}, "'id'"),
        ({"allow": {"principal": {"id": ""}}}, "'id'"),
        ({"allow": {"principal": {"id": 7}}}, "'id'"),
        ({"allow": {"principal": {"id": "a", "roles": "admin"}}}, "'roles'"),
        ({"allow": {"principal": {"id": "a"}, "claims": [1]}}, "'claims'"),
        ({"allow": {"principal": {"id": "a"}, "claims": {"x": "y" * 40_000}}}, "claims of more than"),
        ({"deny": {"challenge": "Basic realm=" + "x" * 20_000}}, "challenge of more than"),
        ({"allow": {"principal": {"id": "a" * 40_000}}}, "claims of more than"),
        ({"allow": {"principal": {"id": "a", "roles": ["r" * 20_000], "groups": ["g" * 20_000]}}}, "claims of more than"),
        ({"allow": {"principal": {"id": "a", "email": "e" * 40_000}}}, "claims of more than"),
        ({"allow": {"principal": {"id": "a"}, "set_headers": [["a\r\nb", "c"]]}}, "header name"),
        ({"deny": {"status": 200}}, "400 to 599"),
        ({"deny": {"status": True}}, "400 to 599"),
        ({"deny": {"challenge": "a\r\nSet-Cookie: x"}}, "challenge"),
        ({"deny": {"challenge": 1}}, "'challenge'"),
    ],
)
def test_a_wrong_decision_is_a_failure(said: Json, words: str) -> None:
    with pytest.raises(PluginFailed, match=words) as caught:
        READER.decision("auth.authenticate", said)
    assert caught.value.code == "invalid_output"


def test_a_response_has_text_or_bytes() -> None:
    assert READER.response("op", {"status": 201, "headers": [["X-A", "b"]], "body": {"text": "é"}}) == MockResponse(
        201, ((b"x-a", b"b"),), "é".encode()
    )
    assert READER.response("op", {"body": {"base64": "AP8="}}) == MockResponse(200, (), b"\x00\xff")
    assert READER.response("op", {}) == MockResponse(200, (), b"")


def test_a_response_may_name_a_template() -> None:
    assert READER.response("op", {"template": "t.json", "vars": {"a": 1}}) == TemplateResponse(200, (), "t.json", {"a": 1})


def test_framing_and_ungranted_headers_are_left_out() -> None:
    said = {
        "headers": [["Content-Length", "9"], ["Transfer-Encoding", "chunked"], ["Strict-Transport-Security", "x"], ["Set-Cookie", "a=b"]]
    }
    assert READER.response("op", said) == MockResponse(200, ((b"set-cookie", b"a=b"),), b"")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("text", "instead of a response"),
        ({"status": 0}, "200 to 599"),
        ({"status": 999}, "200 to 599"),
        ({"status": 101}, "200 to 599"),
        ({"status": True}, "200 to 599"),
        ({"status": "200"}, "200 to 599"),
        ({"headers": {"a": "b"}}, "list of at most"),
        ({"headers": [["a", "b"]] * 101}, "list of at most"),
        ({"headers": [["a"]]}, "pair of strings"),
        ({"headers": [["a", 1]]}, "pair of strings"),
        ({"headers": [["a", "x" * 20_000]]}, "bytes of headers"),
        ({"headers": [["a", "b\nc"]]}, "line break"),
        ({"headers": [["a b", "c"]]}, "token"),
        ({"headers": [["a", "☃"]]}, "cannot carry"),
        ({"body": "text"}, "a body that is neither"),
        ({"body": {"text": 1}}, "a body that is neither"),
        ({"body": {"base64": "!"}}, "valid base64"),
        ({"body": {"text": "\ud800"}}, "lone surrogate"),
        ({"body": {"text": "a", "n": 1}}, "a body that is neither"),
        ({"body": {"available": 3}}, "a body that is neither"),
        ({"template": 1}, "a template"),
        ({"template": "t", "vars": []}, "'vars'"),
    ],
)
def test_a_wrong_response_is_a_failure(said: Json, words: str) -> None:
    with pytest.raises(PluginFailed, match=words):
        READER.response("op", said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text() | st.sampled_from(["allow", "deny", "reply", "principal", "id", "status", "headers", "body", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_a_guest_says_is_a_value_or_a_failure(said: Json) -> None:
    for read in (READER.decision, READER.response):
        try:
            read("op", said)
        except PluginFailed as error:
            assert error.plugin == "p"


def test_headers_left_out_for_want_of_a_grant_are_told_unless_they_were_only_given_back() -> None:
    told: list[Sequence[str]] = []
    reader = ResultReader("p", frozenset(), told.append)
    said = {"headers": [["Set-Cookie", "s=1"], ["x", "1"], ["Clear-Site-Data", "*"]]}
    answer = reader.response("response.generate", said)
    assert answer.headers == ((b"x", b"1"),) and told == [["clear-site-data", "set-cookie"]]
    reader.response("response.modify", said, ((b"set-cookie", b"s=1"),))
    assert told[1:] == [["clear-site-data"]]


@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({"rows": [1] * 10_001}, "10,001 entries; the most is 10,000"),
        ({"rows": [[]] * 10_000}, "more than 10,000 values in all"),
        ({"rows": [{"a": {"b": 1}}] * 3500}, "more than 10,000 values in all"),
        (dict.fromkeys(map(str, range(10_001))), "10,001 entries; the most is 10,000"),
    ],
)
def test_variables_for_a_template_are_bounded_in_number(variables: dict[str, Json], what: str) -> None:
    reader = ResultReader("p", frozenset())
    with pytest.raises(PluginFailed, match=f"'vars' with {what}"):
        reader.response("response.generate", {"template": "t", "vars": variables})
    most = {"rows": [{"a": 1}] * 4999}
    found = reader.response("response.generate", {"template": "t", "vars": most})
    assert isinstance(found, TemplateResponse) and found.vars == most


@pytest.mark.parametrize(
    ("charset", "body", "is_sent"),
    [
        ("iso-8859-1", {"text": "é"}, False),
        ("UTF-16", {"text": "é"}, False),
        ("nonsense", {"text": "é"}, False),
        ("iso-8859-1", {"text": "e"}, True),
        ("iso-8859-1", {"base64": "6Q=="}, True),
        ("UTF-8", {"text": "é"}, True),
    ],
)
def test_text_is_not_sent_under_another_charset_than_its_own(charset: str, body: Json, is_sent: bool) -> None:
    said = {"status": 200, "headers": [["Content-Type", f"text/plain; charset={charset}"]], "body": body}
    if is_sent:
        assert isinstance(READER.response("response.generate", said), MockResponse)
        return
    with pytest.raises(PluginFailed, match="charset .*UTF-8"):
        READER.response("response.generate", said)
