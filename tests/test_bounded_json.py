"""JSON of guests: read as it is, and never deeper than what the host may do with it."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.bounded_json import CLIENT, HOST_CALL, MAX_DEPTH, RESULT, BadJson, JsonLimits, TooMuch, parse
from mockforge_asgi.contract import Json

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(DOCUMENTS)
def test_documents_are_read_as_they_were_written(document: Json) -> None:
    assert parse(orjson.dumps(document)) == document


@pytest.mark.parametrize("signs", [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_value_can_be_written_wrapped_and_shown(signs: tuple[bytes, bytes]) -> None:
    before, after = signs
    value = parse(before * MAX_DEPTH + b"1" + after * MAX_DEPTH)
    assert orjson.dumps({"request": {"principal": {"attributes": {"it": value}}}}) and repr(value)
    for deeper in (MAX_DEPTH + 1, 254, 300, 1024, 1025, 100_000):
        with pytest.raises(BadJson, match="nested more|not JSON"):
            parse(before * deeper + b"1" + after * deeper)


def test_width_is_no_depth() -> None:
    assert parse(b"[" + b",".join([b"[[]]"] * 50_000) + b"]") == [[[]]] * 50_000
    assert parse('"[[[["') == "[[[["


@pytest.mark.parametrize("text", [b"", b"{", b"nul", b"NaN", b"\xff", b'"\xed\xa0\x80"', b'"\\ud800"', b"1 2", b"'a'"])
def test_what_is_no_json_is_refused_in_words(text: bytes) -> None:
    with pytest.raises(BadJson, match="not JSON: "):
        parse(text)


@pytest.mark.parametrize("unit", [b"1,", b"[],", b"{},", b'{"a":1},', b'"a",', b'"\\\\",', b'"\\"",'])
def test_a_text_of_very_many_values_is_refused_before_it_is_read(unit: bytes) -> None:
    with pytest.raises(BadJson, match="more than 20,000 values"):
        parse(b"[" + unit * 50_000 + b"1]", HOST_CALL)
    assert len(parse(b"[" + unit * 3_000 + b"1]", HOST_CALL)) == 3_001


@pytest.mark.parametrize("text", ['{"id":1,"list":[1,2,3]}\n' * 50_000, "a,b;" * 100_000, '\\"' * 50_000, "[" * 100_000, '","' * 50_000])
def test_signs_in_a_string_count_for_nothing(text: str) -> None:
    assert parse(orjson.dumps({"body": {"text": text}}), HOST_CALL) == {"body": {"text": text}}


def test_levels_that_are_not_the_guests_do_not_count() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse(b'{"result":' + deepest + b"}", around=1)["result"] == parse(deepest)
    for around in (0, 1):
        with pytest.raises(BadJson, match="nested more"):
            parse(b'{"result":' + b"[" * around + deepest + b"]" * around + b"}", around=around)


@pytest.mark.parametrize(
    ("unit", "times", "words"),
    [
        (b"1,", 110_000, "100,000 values"),
        (b'"",', 110_000, "100,000 values"),
        (b"[],", 21_000, "20,000 lists and objects"),
        (b'{"a":1},', 21_000, "20,000 lists and objects"),
    ],
)
def test_an_answer_of_very_many_values_or_lists_is_refused_before_it_is_read(unit: bytes, times: int, words: str) -> None:
    with pytest.raises(TooMuch, match=f"more than {words}"):
        parse(b"[" + unit * times + b"1]", RESULT)
    assert len(parse(b"[" + unit * 19_000 + b"1]", RESULT)) == 19_001


@pytest.mark.parametrize("room", [RESULT, CLIENT])
@pytest.mark.parametrize(
    ("number", "is_exact"),
    [(2**64, True), (-(2**63) - 1, True), (10**40, True), (2**64 - 1, True), (10**19 - 1, False), (-(10**17), False)],
)
def test_what_holds_a_number_of_more_than_64_bits_has_less_room(room: JsonLimits, number: int, is_exact: bool) -> None:
    few, many = (b"[" + b"1," * n + b"%d]" % number for n in (19_000, 21_000))
    assert parse(few, room)[-1] == number
    if not is_exact:
        assert parse(many, room)[-1] == number
        return
    with pytest.raises(TooMuch, match="more than 20,000 values"):
        parse(many, room)


def test_names_count_as_values_do() -> None:
    fits, too_much = (b"{" + b",".join(b'"%x":1' % n for n in range(most)) + b"}" for most in (49_999, 50_001))
    assert len(parse(fits, RESULT)) == 49_999
    with pytest.raises(TooMuch, match="more than 100,000 values"):
        parse(too_much, RESULT)


@given(DOCUMENTS, st.integers(0, 8), st.integers(0, 8))
def test_what_is_refused_for_its_number_holds_that_many(document: Json, values: int, lists: int) -> None:
    text = orjson.dumps(document)
    try:
        parse(text, JsonLimits(values, lists))
    except TooMuch:
        assert _numbers(document)[0] >= values or _numbers(document)[1] > lists


def _numbers(value: Json) -> tuple[int, int]:
    """Values and names in all, and lists and objects among them."""
    inner = value if isinstance(value, list) else [*value.values(), *value] if isinstance(value, dict) else []
    found = [_numbers(each) for each in inner]
    return 1 + sum(n for n, _ in found), isinstance(value, list | dict) + sum(n for _, n in found)
