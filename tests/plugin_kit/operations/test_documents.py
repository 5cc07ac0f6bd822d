"""What plugins return becomes documents, or an error that names the field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin import Allow, Body, Deny, Health, Principal, Reply, Response
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.operations import documents as d


@pytest.mark.parametrize(
    ("write", "value", "words"),
    [
        (d.decision_document, 5, "not int"),
        (d.decision_document, Allow("a"), "Principal, not str"),  # type: ignore[arg-type]  # wrong on purpose
        (d.decision_document, Allow(Principal("")), r"id must not be empty"),
        (d.decision_document, Deny(302), "400 to 599"),
        (d.decision_document, Deny(401, "r", "a\r\nb"), "no header"),
        (d.decision_document, Reply(Response(600)), "200 to 599, not 600"),
        (d.response_document, Response(True), "int from 200"),
        (d.response_document, Response(200, (("a b", "c"),)), "no header may carry"),
        (d.response_document, Response(200, (("a", "c\n"),)), "no header may carry"),
        (d.response_document, Response(200, (("a", 5),)), "must both be str"),  # type: ignore[arg-type]
        (d.response_document, Response(200, 7), "pairs or a mapping"),  # type: ignore[arg-type]
        (d.response_document, Response(200, (), Body(None, 5)), "still at the host"),
        (d.response_document, {"a": {1}}, r"answer\['a'\] is a set"),
        (d.response_document, None, "not NoneType"),
        (d.response_document, Response(200, vars=5, template="t"), "must be a dict"),  # type: ignore[arg-type]
        (d.modified_document, "text", "Response or None"),
        (d.health_document, "fine", "ok"),
        (d.problems_document, 5, "list of problems"),
        (d.problems_document, [5], "a problem is"),
    ],
)
def test_a_wrong_answer_names_its_field(write: Any, value: object, words: str) -> None:
    with pytest.raises(WrongAnswer, match=words):
        write(value)


def test_short_forms_of_health_and_problems() -> None:
    assert d.health_document(None) == {"status": "ok", "detail": ""}
    assert d.health_document(Health("down", "gone")) == {"status": "down", "detail": "gone"}
    assert d.problems_document("bad") == [{"path": "", "message": "bad"}]
    assert d.problems_document([("a", "b"), {"path": "c", "message": "e"}, "f"]) == [
        {"path": "a", "message": "b"},
        {"path": "c", "message": "e"},
        {"path": "", "message": "f"},
    ]
    assert d.problems_document([]) is None


@given(st.binary())
def test_a_body_comes_back_as_it_was(data: bytes) -> None:
    from mockforge_plugin.values import body_of

    assert body_of(d.response_document(Response(200, (), data))["body"]).data == data


TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(["", "a", "é"])
LISTS = st.lists(TEXTS, max_size=2)
OBJECTS: st.SearchStrategy[dict[str, str]] = st.just({}) | st.dictionaries(st.text(), st.text(), max_size=2)
ALLOWED = st.builds(
    Allow,
    st.builds(
        Principal, TEXTS | st.none(), LISTS.map(tuple) | LISTS | TEXTS | st.tuples(st.integers()), st.just(()) | LISTS, st.none() | TEXTS,
        st.none() | TEXTS, OBJECTS,
    ),
    OBJECTS,
    st.just(()) | st.just((("x-a", "b"),)) | st.just({"x-a": "b"}) | st.just(0),
)  # fmt: skip


def outcome(write: Any, value: object) -> str:
    """The text, or the words of the error."""
    try:
        return str(write(value))
    except WrongAnswer as error:
        return f"error: {error}"


@given(ALLOWED)
def test_a_decision_is_written_as_its_document_is(value: Allow) -> None:
    assert outcome(d.decision_text, value) == outcome(lambda value: encode(d.decision_document(value)), value)


@pytest.mark.parametrize("value", [None, Deny(403, "no", "Basic"), Reply(Response.text("x")), 5, Allow(Principal("a", roles=("é",)))])
def test_other_decisions_are_written_as_their_documents_are(value: object) -> None:
    assert outcome(d.decision_text, value) == outcome(lambda value: encode(d.decision_document(value)), value)
