"""Strict JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.host_call import settled

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [1, float("nan")]}, r"answer\['a'\]\[1\] is nan"),
        (float("inf"), "answer is inf"),
        ({"a": {1}}, "sorted"),
        ({(1,): 2}, "keys must be str"),
        (["\ud800"], r"answer\[0\] holds a lone surrogate"),
        (b"a", "decode"),
        (object(), "is an object"),
    ],
)
def test_what_is_not_json_is_named_with_its_place(value: object, words: str) -> None:
    with pytest.raises(WrongAnswer, match=words):
        encode(value)


def test_cycles_and_depth_are_errors() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    for value in (cycle, deep):
        with pytest.raises(WrongAnswer):
            encode(value)
    while isinstance(deep, list):
        deep = deep[0]


def test_a_host_call_that_nobody_awaited_is_named() -> None:
    asked = settled(1)
    with pytest.raises(WrongAnswer, match=r"answer\['a'\] is a HostCall, which is not JSON; await it"):
        encode({"a": asked})
    assert asked.result() == 1


def test_a_value_that_is_written_while_it_is_written_is_no_cycle() -> None:
    shared = [1]

    class Odd(dict[str, object]):
        def items(self) -> Any:
            assert encode([shared]) == "[[1]]"
            return super().items()

    assert encode([shared, Odd(a=shared)]) == '[[1],{"a":[1]}]'


def test_after_an_error_the_same_value_can_be_written() -> None:
    inner: list[object] = [object()]
    with pytest.raises(WrongAnswer, match=r"answer\[0\]\[0\] is an object"):
        encode([inner])
    inner[:] = [1]
    assert encode([inner]) == "[[1]]"
