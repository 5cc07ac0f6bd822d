"""What a guest says of itself, read with suspicion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.contract.description import accept_config, read_description
from mockforge_asgi.errors import ConfigError, PluginRejected
from mockforge_asgi.types import Json

WHOLE = {
    "contract": "0.1",
    "kit": "python 1",
    "ops": ["template.call", "auth.authenticate", "something.new"],
    "functions": [{"name": "initials", "parameters": [{"name": "text", "type": "string"}], "examples": ["initials('A B')"], "pure": True}],
    "capabilities": {"challenge": "ApiKey", "more": 1},
    "endpoints": ["callback"],
    "unknown": {},
}


def test_a_description_is_read() -> None:
    found = read_description("p", WHOLE)
    assert (found.contract, found.kit, found.ops) == ("0.1", "python 1", frozenset({"template.call", "auth.authenticate"}))
    assert found.functions[0].name == "initials" and found.functions[0].parameters[0].name == "text" and found.functions[0].pure
    assert found.capabilities["challenge"] == "ApiKey"


def test_a_guest_that_says_nothing_of_it_speaks_the_hosts_contract() -> None:
    assert read_description("p", {}).contract == "0.1"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "JSON object"),
        ([], "JSON object"),
        ({"contract": "9.9"}, "'9.9' is unknown"),
        ({"contract": "9" * 1000}, "'9{59}…' is unknown"),
        ({"ops": "auth"}, "ops: must"),
        ({"ops": [1]}, "ops: must"),
        ({"functions": {}}, "functions: must"),
        ({"functions": [{}] * 501}, "functions: has 501 entries; the most is 500"),
        ({"functions": [{"name": "_hidden"}]}, r"functions\[0\]"),
        ({"functions": [7]}, r"functions\[0\]"),
        ({"capabilities": {"challenge": "Api\r\nSet-Cookie: a=b"}}, "challenge"),
        ({"capabilities": {"challenge": "Schlüssel ☃"}}, "challenge"),
        ({"capabilities": {"challenge": "x" * 1001}}, "challenge"),
        ({"capabilities": {"challenge": ["ApiKey"]}}, "challenge"),
    ],
)
def test_an_odd_description_is_refused_with_words(said: Json, words: str) -> None:
    with pytest.raises(PluginRejected, match=words):
        read_description("p", said)


MANY = list(map(str, range(50_000)))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"ops": MANY}, "ops: has 50,000 entries; the most is 500"),
        ({"endpoints": MANY}, "endpoints: has 50,000 entries"),
        ({"capabilities": dict.fromkeys(MANY)}, "capabilities: has 50,000 entries"),
        ({"capabilities": {"a": [MANY]}}, r"capabilities.a\[0\]: has 50,000 entries"),
        ({"functions": [{"name": "f", "parameters": [{}] * 501}]}, r"functions\[0\].parameters: has 501 entries"),
        ({"functions": [{"name": "f", "examples": MANY}]}, r"functions\[0\].examples: has 50,000 entries"),
        ({"functions": [{"name": f"f{n}", "parameters": [{"name": "a"}] * 40} for n in range(200)]}, "more than 10,000 values in all"),
        (dict.fromkeys(MANY), "has 50,000 entries"),
    ],
)
def test_every_list_and_object_of_a_description_has_a_most(said: Json, words: str) -> None:
    with pytest.raises(PluginRejected, match=words):
        read_description("p", said)


def test_what_should_be_text_is_cut_and_what_is_none_is_named() -> None:
    numbers = list(range(400))
    parameter = {"name": numbers, "type": "t" * 10_000, "description": numbers}
    function = {"name": "f", "description": "d" * 10_000, "returns": numbers, "examples": [numbers, "e"], "parameters": [parameter]}
    said = {"functions": [function]}
    found = read_description("p", {**said, "kit": numbers}).functions[0]
    assert (found.description, found.returns, found.examples) == ("d" * 2000, "a list", ("a list", "e"))
    assert (found.parameters[0].name, found.parameters[0].type, found.parameters[0].description) == ("a list", "t" * 100, "a list")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(PluginRejected) as caught:
        read_description("p", {"contract": "2", "ops": 1, "functions": [{"name": ""}], "capabilities": {"challenge": 1}})
    assert len(caught.value.problems) == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
FUNCTION = st.fixed_dictionaries(
    {"name": st.just("f") | JSON}, optional=dict.fromkeys(("parameters", "examples", "category", "pure", "returns", "description"), JSON)
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "ops": JSON | st.lists(st.text(max_size=5)),
            "functions": JSON | st.lists(FUNCTION | JSON, max_size=3),
            "capabilities": JSON | st.fixed_dictionaries({"challenge": JSON}),
            "endpoints": JSON,
            "kit": JSON,
            "contract": JSON,
        },
    )
)
def test_whatever_a_guest_says_is_read_or_refused(said: Json) -> None:
    try:
        read_description("p", said)
    except PluginRejected as error:
        assert error.problems


def test_a_category_that_is_no_text_is_none() -> None:
    assert read_description("p", {"functions": [{"name": "f", "category": {"x": 1}}]}).functions[0].category is None


@pytest.mark.parametrize("found", [None, [], {}, "", False])
def test_a_configuration_without_problems_is_accepted(found: Json) -> None:
    accept_config("p", found)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([{"path": "a.b", "message": "is wrong"}], "plugins.p.config.a.b: is wrong"),
        ([{"message": 7}, "words"], "plugins.p.config: 7\n  - plugins.p.config: words"),
        ("words", "plugins.p.config: words"),
        ([{"path": "a", "message": ""}], "plugins.p.config.a: is not accepted."),
        ({"path": "a\n  - mockforge.yaml", "message": "\x1b[2J\u202e"}, "plugins.p.config.a\\n  - mockforge.yaml: \\x1b[2J\\u202e"),
    ],
)
def test_problems_of_a_configuration_are_told_each_in_a_line_of_its_own(found: Json, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        accept_config("p", found)
    assert str(caught.value) == f"plugin 'p' does not accept its configuration:\n  - {said}"


def test_a_million_problems_are_told_in_bounds() -> None:
    with pytest.raises(ConfigError) as caught:
        accept_config("p", ["x" * 100_000] * 10_000)
    assert len(caught.value.problems) == 100 and len(str(caught.value)) < 150_000
