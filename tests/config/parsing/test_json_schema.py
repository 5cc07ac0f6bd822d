"""A plugin's configuration against its manifest's schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config.parsing.json_schema import apply_schema, check_schema
from mockforge_asgi.config.parsing.locations import Locations

PLACES = Locations("m")
SCHEMA = {
    "type": "object",
    "properties": {
        "header": {"type": "string", "default": "X-API-Key", "description": "Header that carries the key."},
        "mode": {"enum": ["a", "b"]},
        "pool": {"type": "object", "properties": {"size": {"type": "integer", "default": 4}}, "additionalProperties": False},
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    },
}


def settle(config: dict[str, Any], schema: dict[str, Any] | None = SCHEMA) -> tuple[Any, list[str]]:
    value, problems = apply_schema(schema, config, PLACES, ("config",))
    return value, [str(p) for p in problems]


def test_defaults_are_filled_in() -> None:
    assert settle({}) == ({"header": "X-API-Key", "pool": {"size": 4}}, [])
    assert settle({"header": "x", "pool": {}}) == ({"header": "x", "pool": {"size": 4}}, [])


def test_defaults_are_filled_into_an_object_that_is_one_itself() -> None:
    inner = {"type": "object", "default": {"m": 2}, "properties": {"n": {"default": 1}, "m": {"default": 0}}}
    assert settle({}, {"properties": {"pool": inner}}) == ({"pool": {"m": 2, "n": 1}}, [])


def test_an_object_that_is_a_default_has_the_defaults_of_its_parts() -> None:
    parts = {"cookie": {"type": "string", "default": "id"}, "key": {"type": "string"}}
    schema = {"properties": {"session": {"type": "object", "default": {"key": "k"}, "properties": parts}}}
    assert settle({}, schema) == ({"session": {"key": "k", "cookie": "id"}}, [])
    assert schema["properties"]["session"]["default"] == {"key": "k"}


def test_filling_in_leaves_schema_and_configuration_as_they_were() -> None:
    schema: dict[str, Any] = {"properties": {"list": {"default": []}}}
    config: dict[str, Any] = {}
    value, _ = settle(config, schema)
    value["list"].append(1)
    assert config == {} and schema == {"properties": {"list": {"default": []}}}


def test_an_object_with_required_parts_is_not_made_up() -> None:
    inner = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}, "n": {"default": 1}}}
    assert settle({}, {"properties": {"pool": inner}}) == ({}, [])


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"header": 1}, "m config.header: must be string, not 1. It is: Header that carries the key."),
        ({"mode": "c"}, "m config.mode: 'c' is not one of a, b."),
        ({"hedaer": "x"}, "m config.hedaer: the key 'hedaer' is not known. Did you mean 'header'?"),
        ({"pool": {"sise": 1}}, "m config.pool.sise: the key 'sise' is not known. Did you mean 'size'?"),
        ({"items": [{"n": 1}, {"n": "x"}]}, "m config.items[1].n: must be integer, not 'x'."),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_place(config: dict[str, Any], fault: str) -> None:
    assert settle(config)[1] == [fault]


def test_a_missing_value_is_told() -> None:
    assert settle({}, {"required": ["url"], "properties": {"url": {"description": "Where the server is."}}})[1] == [
        "m config: `url` is missing. It is: Where the server is."
    ]


def test_a_schema_that_welcomes_other_keys_gets_them() -> None:
    assert settle({"x": 1}, {"additionalProperties": {"type": "integer"}}) == ({"x": 1}, [])


def test_without_a_schema_there_is_nothing_to_configure() -> None:
    assert settle({}, None) == ({}, [])
    assert settle({"a": 1}, None)[1] == ["m config.a: this plugin takes no configuration. Remove it."]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ([], "must be a JSON Schema, not a list"),
        ({"type": "string"}, "must be object, not 'string'"),
        ({"header": {"type": "string"}}, "Keys of the configuration stand under `properties:`: {properties: {header: …}}."),
        ({"properties": {"a": {"type": "strnig"}}}, "is not a usable JSON Schema"),
        ({"properties": {"a": {"$ref": "https://example.com/a.json"}}}, "points outside the schema"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "points outside the schema"),
        ({"$id": "https://example.com/a", "properties": {}}, "is not accepted in a configuration's schema"),
        ({"$schema": "https://example.com/mine"}, "is not a usable JSON Schema"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "is not a usable JSON Schema"),
        ({"properties": {"a": {"type": "integer", "default": "x"}}}, "does not fit its own schema"),
        ({"properties": {str(i): {} for i in range(6000)}}, "more than 5000 values"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: object, words: str) -> None:
    problems = check_schema(schema, PLACES, ("config",))
    assert len(problems) == 1 and words in str(problems[0])


def test_a_pattern_that_would_take_for_ever_elsewhere_is_decided_at_once() -> None:
    schema = {"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert check_schema(schema, PLACES, ()) == []
    assert len(settle({"a": "a" * 5000 + "!"}, schema)[1]) == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "items", "$ref", "default", "enum", "pattern", "required", "allOf", "$defs", "a", "if"]),
            inner,
            max_size=4,
        )
    ),
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "$ref", "required", "allOf", "$defs", "additionalProperties"]), _JSON), _JSON)
def test_no_schema_and_no_value_crash(schema: dict[str, Any], value: Any) -> None:
    if not check_schema(schema, PLACES, ()):
        apply_schema(schema, {"a": value}, PLACES, ())


def test_a_password_in_the_place_of_a_secrets_name_is_not_repeated() -> None:
    named = {"type": "object", "required": ["secret"], "properties": {"secret": {"type": "string"}}, "description": "Its password."}
    _, problems = settle({"password": "hunter2"}, {"properties": {"password": named}})
    assert len(problems) == 1 and "hunter2" not in problems[0]
    assert "config.password: must be the name of a secret, and never its value. Put its value under `secrets:`" in problems[0]
