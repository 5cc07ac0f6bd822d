"""The published JSON Schemas: valid, complete, and true of every golden case and of what the kit asks of doors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.hostcalls.hostcalls import _KV, HostServices, PluginHostCalls
from mockforge_asgi.plugins.native.processes import CALL
from mockforge_asgi.state.memory import MemoryStore
from mockforge_plugin.failure import CODES
from mockforge_plugin.operations.dispatch import PluginObject
from tests.support.golden_cases import GOLDEN, NAMES, doors_of, files_of, golden, replay
from tests.support.memory_host_calls import HostCalls
from tests.support.native_kit_harness import NativeInstance

FOLDER = Path(__file__).resolve().parents[2] / "mockforge_plugin" / "schemas"
SCHEMAS: dict[str, Any] = {path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
BASE = "urn:mockforge:plugin:0.1:"
REGISTRY = jsonschema_rs.Registry([(schema["$id"], schema) for schema in SCHEMAS.values()])


def valid(reference: str, value: Any) -> list[str]:
    """What is wrong with a value; empty when nothing is."""
    validator = jsonschema_rs.Draft202012Validator({"$ref": BASE + reference}, registry=REGISTRY)
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_named_after_its_file(name: str) -> None:
    assert SCHEMAS[name]["$id"] == BASE + name
    assert jsonschema_rs.meta.is_valid(SCHEMAS[name])


def test_every_operation_and_every_code_has_a_schema() -> None:
    known = set(SCHEMAS["operations"]["$defs"])
    assert set(SCHEMAS["description"]["properties"]["ops"]["items"]["enum"]) == known
    assert set(SCHEMAS["error"]["properties"]["error"]["properties"]["code"]["enum"]) == CODES


def test_every_door_has_a_schema_and_a_line_in_the_contract() -> None:
    doors = PluginHostCalls("p", None, HostServices(state=MemoryStore(), events=EventStream()))
    known = {*doors._quick, *doors._waiting, *_KV, CALL}
    assert set(SCHEMAS["doors"]["$defs"]) == known
    page = (FOLDER.parents[1] / "docs/reference/contract.md").read_text()
    section = page[page.index("## Host calls") : page.index("## How each runtime")]
    told = {
        door: set(re.findall(r'"(\w+)"', payload))
        for door, payload in re.findall(r"^\| `([a-z_.]+)` \| (`.*?`) \| ", section, re.MULTILINE)
    }
    told["body.read"] -= {"request", "response"}  # values of `of`
    assert told == {door: set(about["properties"]["in"].get("properties", {})) for door, about in SCHEMAS["doors"]["$defs"].items()}


@pytest.mark.parametrize("name", NAMES)
def test_golden_cases_follow_the_schemas(name: str) -> None:
    document = golden(name)
    assert valid("description", document["describe"]) == []
    for case in document["cases"]:
        part = f"operations#/$defs/{case['op']}/properties"
        assert valid(f"{part}/in", case["in"]) == [], case["name"]
        if "out" in case:
            assert valid(f"{part}/out", case["out"]) == [], case["name"]
        else:
            assert valid("error", {"error": case["error"]}) == [], case["name"]


class CheckedDoors(HostCalls):
    """Doors that hold payloads and answers against the schemas."""

    def answer(self, door: str, payload: dict[str, Any]) -> Any:
        """The answer, once it was checked."""
        assert valid(f"doors#/$defs/{door}/properties/in", payload) == []
        said = super().answer(door, payload)
        assert valid(f"doors#/$defs/{door}/properties/out", said) == []
        return said


@pytest.mark.parametrize("name", ["awaiting", "paged_orders", "large_body", "api_key"])
def test_what_the_kit_asks_of_doors_follows_the_schemas(name: str) -> None:
    document = golden(name)
    plain = doors_of(document["doors"])
    checked = CheckedDoors(
        secrets=plain.secrets,
        http=plain.http,
        data=plain.data,
        files=plain.files,
        request_body=plain.bodies["request"],
        response_body=plain.bodies["response"],
    )
    instance = NativeInstance(files_of(GOLDEN / document["plugin"]), checked)
    replay(instance, document)
    assert checked.asked


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("decision", {"allow": {"principal": {"id": "a"}}, "deny": {"status": 401}}),
        ("decision", {"deny": {"status": 200}}),
        ("decision", {}),
        ("response", {"status": 200, "headers": []}),
        ("response", {"status": 99, "headers": [], "body": {"text": ""}}),
        ("response", {"status": 200, "headers": [["a"]], "body": {"text": ""}}),
        ("body", {"text": "a", "base64": "YQ=="}),
        ("response", {"status": 200, "headers": [], "body": {"available": 3}}),
        ("error", {"error": {"code": "odd", "message": ""}}),
    ],
)
def test_a_wrong_document_is_refused(reference: str, value: Any) -> None:
    assert valid(reference, value)


def test_every_handler_of_the_kit_is_a_known_operation() -> None:
    class Everything:
        """All operations at once."""

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            return lambda *args: {}

    ops = PluginObject(Everything()).describe()["ops"]
    assert set(ops) <= set(SCHEMAS["operations"]["$defs"]) and "response.modify" in ops
