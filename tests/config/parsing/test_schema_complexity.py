"""No schema of a stranger's takes for ever."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.config.parsing.json_schema import apply_schema, check_schema
from mockforge_asgi.config.parsing.locations import Locations

PLACES = Locations("m")


def doubling(levels: int, refer: str = "#/$defs/a{}") -> dict[str, Any]:
    """A small schema that takes 2^levels steps to check."""
    inner = {f"a{i}": {"$anchor": f"x{i}", "allOf": [{"$ref": refer.format(i + 1)}] * 2} for i in range(levels)}
    return {"$defs": {**inner, f"a{levels}": {"$anchor": f"x{levels}", "type": "object"}}, "$ref": refer.format(0)}


@pytest.mark.parametrize("refer", ["#/$defs/a{}", "#/%24defs/a{}", "#x{}"])
def test_references_that_multiply_each_other_are_refused(refer: str) -> None:
    (problem,) = check_schema(doubling(200, refer), PLACES, ("config",))
    assert "its references multiply each other" in str(problem)
    assert check_schema(doubling(5, refer), PLACES, ("config",)) == []


def test_defaults_do_not_multiply_references_either() -> None:
    def schema(depth: int) -> dict[str, Any]:
        default: Any = 1
        for _ in range(depth):
            default = {"x": default}
        twice = {"a": {"allOf": [{"$ref": "#/$defs/b"}] * 2}, "b": {"properties": {"x": {"$ref": "#/$defs/a"}}}}
        return {"$defs": twice, "properties": {"p": {"$ref": "#/$defs/a", "default": default}}}

    assert "multiply each other" in str(check_schema(schema(50), PLACES, ()))
    assert check_schema(schema(3), PLACES, ()) == []


def test_a_schema_may_refer_to_itself() -> None:
    schema = {"properties": {"name": {"type": "string"}, "inner": {"$ref": "#"}, "list": {"type": "array", "items": {"$ref": "#"}}}}
    assert check_schema(schema, PLACES, ()) == []
    assert len(apply_schema(schema, {"inner": {"list": [{"name": 1}]}}, PLACES, ())[1]) == 1
