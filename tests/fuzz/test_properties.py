"""Documents in the shape of the contract, with anything in their places: what holds for them, whoever wrote them.

Beside the fuzzer, because Hypothesis shrinks: what it finds is the smallest document that breaks something.
"""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from mockforge_asgi.contract import Json
from tests.fuzz.targets import answers, doors, envelope, headers
from tests.fuzz.trees import HOSTILE

Documents = st.SearchStrategy[Any]
SMALL = st.sampled_from([value for value in HOSTILE if len(orjson.dumps(value)) < 2000])
ANYTHING: Documents = st.recursive(
    SMALL, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
TEXT = st.text(max_size=20)
NAME = st.sampled_from(["x-a", "Set-Cookie", "content-length", "location", "access-control-allow-origin", "x\r\ny", "é", ""])


def shaped(**members: Documents) -> Documents:
    """An object with some of these members, each as it should be or anything."""
    return st.fixed_dictionaries({}, optional={name: value | ANYTHING for name, value in members.items()})


PAIRS = st.lists(st.lists(NAME | TEXT, min_size=2, max_size=2), max_size=4)
BODY = shaped(text=TEXT) | shaped(base64=st.sampled_from(["", "aGk=", "aGk", "=", "é"]))
RESPONSE = shaped(status=st.integers(-1, 700), headers=PAIRS, body=BODY, template=TEXT, vars=st.dictionaries(TEXT, ANYTHING, max_size=2))
PRINCIPAL = shaped(id=TEXT, roles=st.lists(TEXT), groups=st.lists(TEXT), name=TEXT, email=TEXT, attributes=st.dictionaries(TEXT, ANYTHING))
DECISION = (
    shaped(allow=shaped(principal=PRINCIPAL, claims=st.dictionaries(TEXT, ANYTHING), set_headers=PAIRS))
    | shaped(deny=shaped(status=st.integers(0, 700), reason=TEXT, challenge=TEXT))
    | shaped(reply=RESPONSE)
)
ROWS = shaped(
    columns=st.lists(shaped(name=TEXT, type=TEXT), max_size=3), rows=st.lists(st.lists(ANYTHING, max_size=3), max_size=8), next=TEXT,
    total=st.integers(-1, 5), truncated=st.booleans(),
)  # fmt: skip
PARAMETER = shaped(name=TEXT, type=TEXT, description=TEXT, required=st.booleans(), default=ANYTHING, var_args=st.booleans())
FUNCTION = shaped(
    name=TEXT, description=TEXT, parameters=st.lists(PARAMETER, max_size=2), returns=TEXT, examples=st.lists(ANYTHING, max_size=2)
)
DESCRIPTION = shaped(
    contract=st.just("0.1"), ops=st.lists(TEXT, max_size=3), kit=TEXT, capabilities=shaped(challenge=TEXT),
    endpoints=st.lists(TEXT, max_size=2), functions=st.lists(FUNCTION, max_size=2),
)  # fmt: skip
ANSWERS: dict[str, Documents] = {
    "auth.authenticate": DECISION,
    "response.can_handle": st.booleans() | ANYTHING,
    "data.query": ROWS,
    "template.call": ANYTHING,
    "plugin.validate_config": st.lists(shaped(path=TEXT, message=TEXT) | TEXT, max_size=3),
    "describe": DESCRIPTION,
}


@settings(max_examples=150)
@given(st.sampled_from(answers.OPS), st.data())
def test_an_answer_is_a_checked_value_or_a_failure(op: str, drawn: st.DataObject) -> None:
    document = drawn.draw(ANSWERS.get(op, RESPONSE))
    answers.check(op.encode() + b"\n" + orjson.dumps(document))


@given(shaped(error=shaped(code=TEXT, message=TEXT, retryable=st.booleans(), details=shaped(traceback=TEXT))))
def test_an_error_is_a_failure_in_bounded_words(document: Json) -> None:
    envelope.check(orjson.dumps(document))


URLS = ("https://api.example.com/", "http://api.example.org:8080", "http://127.1/", "http://a@b/", "//x", "https://x.example.com\\@y/")
PAYLOAD = shaped(
    key=TEXT, value=ANYTHING, expected=ANYTHING, ttl_s=st.floats(allow_nan=False), by=st.integers(-(2**63), 2**63 - 1), name=st.just("key"),
    level=st.sampled_from(["info", "warn", "loud"]), message=TEXT, n=st.integers(-1, 70_000),
    path=st.sampled_from(["data/a.txt", "secret.txt", "../x"]),
    url=st.sampled_from(URLS),
    method=st.sampled_from(["GET", "get", "TRACE", "A\r\nB"]), headers=PAIRS, body=BODY, timeout_ms=st.floats(),
    follow_redirects=st.booleans(), source=st.just("db"), query=st.just("all"),
    params=st.dictionaries(st.sampled_from(sorted(doors.TYPES)), ANYTHING),
    limit=st.integers(-1, 10**6), cursor=TEXT, of=st.sampled_from(["request", "response"]), offset=st.integers(-1, 2**54),
    length=st.integers(-1, 2**54),
)  # fmt: skip


@settings(max_examples=80)
@given(st.lists(st.tuples(st.sampled_from(doors.DOORS), PAYLOAD), min_size=1, max_size=5))
def test_a_door_answers_or_refuses(asked: list[tuple[str, Json]]) -> None:
    doors.check(orjson.dumps(asked))


@given(st.lists(st.tuples(NAME | TEXT, TEXT), max_size=5))
def test_headers_come_out_of_http_as_they_went_in(pairs: list[tuple[str, str]]) -> None:
    headers.check(headers.BREAK.join(text.encode("utf-8", "replace") for pair in pairs for text in pair))
