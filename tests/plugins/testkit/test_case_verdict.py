"""What came of a case, held against what it expects."""

from __future__ import annotations

import pytest

from mockforge_asgi.contract import Json
from mockforge_asgi.plugins.testkit.case_verdict import difference
from mockforge_asgi.plugins.testkit.cases import read_cases
from mockforge_asgi.plugins.testkit.outcome import Outcome

FULL = {"allow": {"principal": {"id": "a", "roles": [], "groups": [], "name": None, "attributes": {}}, "claims": {}, "set_headers": []}}


@pytest.mark.parametrize(
    ("case", "got", "is_met"),
    [
        ("out: {allow: {principal: {id: a}}}", FULL, True),
        ("out: {allow: {principal: {id: a}, claims: {}, set_headers: []}}", {"allow": {"principal": {"id": "a"}}}, True),
        ("out: {allow: {principal: {id: a}}}", {"allow": {"principal": {"id": "a"}, "claims": {"s": 1}}}, False),
        ("out: {allow: {principal: {id: a}}}", {"allow": {"principal": {"id": "a", "roles": ["r"]}}}, False),
        ("has: {allow: {principal: {id: a}}}", {"allow": {"principal": {"id": "a", "roles": ["r"]}, "claims": {"s": 1}}}, True),
        ("has: {allow: {}}", FULL, True),
        ("has: {allow: {}}", None, False),
        ("has: {allow: {}}", {"deny": {"status": 401}}, False),
        (
            "out: {allow: {principal: {id: a}, set_headers: {x-a: b}}}",
            {"allow": {"principal": {"id": "a"}, "set_headers": [["x-a", "b"]]}},
            True,
        ),
        ("has: {deny: {challenge: {regex: 'Bearer.*'}}}", {"deny": {"status": 401, "challenge": "Bearer x"}}, True),
        ("out: {deny: {status: 401}}", {"deny": {"status": 401, "challenge": None}}, True),
        ("out: null", None, True),
        ("out: null", FULL, False),
    ],
)
def test_what_a_decision_leaves_empty_may_be_left_out(case: str, got: Json, is_met: bool) -> None:
    (read,) = read_cases(f"- {{op: auth.authenticate, {case}}}", "cases.yaml").cases
    assert (difference(read, Outcome(read.op, got)) is None) is is_met


def test_what_another_operation_leaves_empty_counts() -> None:
    (read,) = read_cases("- {op: template.call, out: {allow: {}}}", "cases.yaml").cases
    assert difference(read, Outcome(read.op, {"allow": {"claims": {}}})) is not None
