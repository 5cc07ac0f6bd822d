"""YAML and JSON text: types, refusals, syntax errors in words, and no crash whatever comes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config.parsing.reader import Unreadable, read, resolve
from mockforge_asgi.exact_json import dumps

MAX = 1 << 20


def data_of(text: str | bytes, name: str = "f.yaml") -> Any:
    return read(text, name, max_bytes=MAX)[0]


def faults(text: str | bytes, name: str = "f.yaml") -> list[str]:
    with pytest.raises(Unreadable) as raised:
        read(text, name, max_bytes=MAX)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0x1f", 31),
        ("0o17", 15),
        ("010", 10),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.0.0", "1.0.0"),
        ("=", "="),
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value and type(found) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert data_of("a: '1'\nb: \"true\"\nc: |\n  12\n") == {"a": "1", "b": "true", "c": "12\n"}


def test_keys_are_text_as_written() -> None:
    assert data_of("200: a\ntrue: b\nnull: c\n") == {"200": "a", "true": "b", "null": "c"}


def test_every_value_has_its_line() -> None:
    value, places = read("a:\n  b:\n    - x\n    - y: 1\n", "f.yaml", max_bytes=MAX)
    assert value == {"a": {"b": ["x", {"y": 1}]}}
    assert places.where(("a", "b", 1, "y")) == "f.yaml:4 a.b[1].y"
    assert places.where(("a", "b", 1, "missing")) == "f.yaml:4 a.b[1].missing"
    assert places.where(("a", "a key with blanks")) == "f.yaml:1 a['a key with blanks']"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: &x 1\nb: *x\n", "f.yaml:2: an alias (*…) is not accepted. Write the value out where it is used, in quotes if it is text."),
        ("a: !!python/object:os.system x\n", "f.yaml:1: a tag (!…) is not accepted. Remove it, or put the text in quotes."),
        ("a: !secret x\n", "f.yaml:1: a tag (!…) is not accepted. Remove it, or put the text in quotes."),
        ("a: 1\n---\nb: 1\n", "f.yaml:2: a second document starts here. Keep one document per file: remove '---' and what follows."),
        ("? [a]\n: 1\n", "f.yaml:1: a list or mapping is used as a key. Keys are text."),
        ("a: 1e999\n", "f.yaml:1: is not a number that JSON can say. Put it in quotes if it is text."),
        ("a: 99999999999999999999\n", "f.yaml:1: is a number of more than 64 bits. Put it in quotes if it is text."),
        ("a: -9223372036854775809\n", "f.yaml:1: is a number of more than 64 bits. Put it in quotes if it is text."),
        ("a: " + "9" * 5000 + "\n", "f.yaml:1: is not a number that JSON can say. Put it in quotes if it is text."),
        ("a: .inf\n", "f.yaml:1: is not a number that JSON can say. Put it in quotes if it is text."),
        (b"a: 1\nb: \xff\n", "f.yaml:2: is not UTF-8 text. Save the file as UTF-8."),
    ],
)
def test_what_has_no_place_in_a_configuration_is_told_in_words(text: str | bytes, fault: str) -> None:
    assert faults(text) == [fault]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b: c\n", 1),
        ("a: @b\n", 1),
        ("a:\n\tb: 1\n", 2),
        ("a: [1, 2\nb: 3\n", 2),
        ("- {path: /hello/{name}}\n", 1),
        ("a:\n  - b\n c: 1\n", 3),
        ("- b\nc: 1\n", 2),
        ("a:\n  - b\nc\n", 3),
        ("a: 1\nc\n\n# d\n", 2),
        ('a: "b\n', 2),
        ("a: 1\nb: \x07b\n", 2),
    ],
)
def test_what_is_not_yaml_is_told_in_the_words_of_its_parser_with_the_line(text: str, line: int) -> None:
    [fault] = faults(text)
    assert re.fullmatch(rf"f\.yaml:{line}: is not YAML: .{{10,}}\. Check the indentation and the quotes\.", fault)


def test_the_faults_of_one_file_are_told_together() -> None:
    assert len(faults("a: &x 1\nb: *x\na: 2\nc: !t 1\n")) == 3


def test_a_byte_order_mark_is_no_fault() -> None:
    assert data_of(b"\xef\xbb\xbfa: 1\n") == {"a": 1}


def test_values_too_deep_are_refused() -> None:
    assert "nested more than 64 deep" in faults("[" * 1000 + "]" * 1000)[-1]
    assert "nested" in faults("[" * 1000 + "]" * 1000, "f.json")[-1]


def test_text_too_long_is_refused() -> None:
    with pytest.raises(Unreadable, match="is longer than 1 KiB"):
        read("x" * 2000, "f.yaml", max_bytes=1024)


def test_json_is_read_by_its_own_rules() -> None:
    assert data_of('{\n\t"a": "\\ud83d\\ude00", "b": 1e2}', "f.json") == {"a": "\U0001f600", "b": 100.0}
    assert read('{"a":\n {"b": 1}}', "f.json", max_bytes=MAX)[1].where(("a", "b")) == "f.json:2 a.b"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "f.json:1: is not JSON: Expecting property name enclosed in double quotes (column 2)."),
        ('{"a": NaN}', "f.json:1 a: is not a number that JSON can say."),
        ('{"a": 1,\n\t"a": 2}', "f.json:2: the key 'a' is given twice (first on line 1). Keep one of them."),
        ('{"a": "\\ud800"}', "f.json a: holds half of a surrogate pair."),
    ],
)
def test_what_is_wrong_with_json_is_told_in_words(text: str, fault: str) -> None:
    assert faults(text, "f.json") == [fault]


_YAMLISH = st.lists(
    st.sampled_from(
        [
            "a: ",
            "- ",
            "\n",
            "  ",
            "\t",
            "[",
            "]",
            "{",
            "}",
            "&x ",
            "*x",
            "!!str ",
            "'",
            '"',
            "|\n",
            "? ",
            "<<: ",
            "1",
            "---\n",
            "...",
            "%YAML 1.2\n",
            "#",
            ",",
            ": ",
            "\u2028",
            "\x85",
            "\ufeff",
            "é",
        ]
    ),
    max_size=40,
)


@given(st.binary(max_size=200) | st.text(max_size=200) | _YAMLISH.map("".join), st.sampled_from(["f.yaml", "f.json"]))
def test_no_text_crashes_the_reader(text: str | bytes, name: str) -> None:
    try:
        read(text, name, max_bytes=1 << 16)
    except Unreadable as error:
        assert error.problems


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
@pytest.mark.parametrize("text", ["0.00", "12345678901234567890123", "1e3", "-0.50", "5", '[1.10, {"a": 2.0e-7}]'])
def test_read_exactly_numbers_keep_their_value_and_text(text: str, name: str) -> None:
    value = read(f'{{"a": {text}}}', name, max_bytes=MAX, exact=True)[0]
    assert value == json.loads(f'{{"a": {text}}}')
    assert dumps(value).decode() == f'{{"a":{text}}}'.replace(" ", "")


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_read_exactly_a_number_has_at_most_1000_bits(name: str) -> None:
    with pytest.raises(Unreadable, match="more than 1,000 bits|not a number that JSON can say"):
        read(f'{{"a": {2**1001}}}', name, max_bytes=MAX, exact=True)
    with pytest.raises(Unreadable, match="more than 64 bits"):
        read(f'{{"a": {2**65}}}', name, max_bytes=MAX)


@pytest.mark.parametrize("text", ["01234", "-007", "00"])
def test_read_exactly_leading_zeros_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read(f"a: {text}\n", "f.yaml", max_bytes=MAX, exact=True)
    assert str(raised.value) == "f.yaml:1: is a number, which loses its leading zeros. Put it in quotes if it is text, else leave them out."
    assert read(f"a: '{text}'\n", "f.yaml", max_bytes=MAX, exact=True)[0] == {"a": text}
