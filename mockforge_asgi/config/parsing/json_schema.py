"""A plugin's configuration against the JSON Schema in its manifest: defaults filled in, faults with their place.

Schemas are a stranger's: no remote `$ref`, patterns on a linear-time engine, sizes bounded. Nothing here knows plugins.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.config.parsing.pydantic_errors import suggest
from mockforge_asgi.config.parsing.schema_complexity import MAX_UNFOLDED, REFERENCES, unfolded
from mockforge_asgi.errors import Problem
from mockforge_asgi.exact_json import Json
from mockforge_asgi.text import clip, quote

MAX_SCHEMA_VALUES = 5000
MAX_PROBLEMS = 50
_OPEN = frozenset(
    {"additionalProperties", "patternProperties", "unevaluatedProperties", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if"}
)
"""Keywords under which keys beyond `properties` may be meant."""

_OF_MAPPINGS = _OPEN | {
    "$defs", "$vocabulary", "const", "contains", "default", "definitions", "dependencies", "dependentRequired", "dependentSchemas", "else",
    "items", "not", "propertyNames", "then", "unevaluatedItems",
}  # fmt: skip
"""Keywords whose value may be a mapping."""


def check_schema(schema: Json, places: Locations, base: Path) -> list[Problem]:
    """What is wrong with a manifest's `config:`."""
    if not isinstance(schema, dict):
        return [places.problem(base, f"must be a JSON Schema, not {quote(schema)}.", "Begin it with `type: object`.")]
    if schema.get("type", "object") != "object":
        return [places.problem((*base, "type"), f"must be object, not {quote(schema['type'])}.", "A configuration is a mapping.")]
    if "properties" not in schema and (strays := [k for k, v in schema.items() if isinstance(v, dict) and k not in _OF_MAPPINGS]):
        what, remedy = (
            "is not a keyword of JSON Schema.",
            f"Keys of the configuration stand under `properties:`: {{properties: {{{clip(strays[0])}: …}}}}.",
        )
        return [places.problem((*base, strays[0]), what, remedy)]
    nodes = list(_walk(schema, base))
    if len(nodes) > MAX_SCHEMA_VALUES:
        return [places.problem(base, f"is a schema of more than {MAX_SCHEMA_VALUES} values.")]
    problems = [
        places.problem((*path, key), f"{quote(node[key])} points outside the schema.", "References begin with '#'.")
        for path, node in nodes
        if isinstance(node, dict)
        for key in REFERENCES
        if isinstance(node.get(key), str) and not node[key].startswith("#")
    ]
    problems += [
        places.problem((*path, "$id"), "is not accepted in a configuration's schema.", "Remove it.")
        for path, node in nodes
        if isinstance(node, dict) and isinstance(node.get("$id"), str)
    ]
    if problems:
        return problems
    if unfolded(schema, nodes) > MAX_UNFOLDED:
        what = f"unfolds to more than {MAX_UNFOLDED} values: its references multiply each other."
        return [places.problem(base, what, "Refer to less from within what is referred to.")]
    try:
        _validator(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        at = (*base, *getattr(error, "instance_path", ()))
        return [places.problem(at, f"is not a usable JSON Schema: {_first_line(error)}.")]
    return _check_defaults(nodes, schema, places)


def _walk(value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    todo: list[tuple[Path, Json]] = [(path, value)]
    count = 0
    while todo and count <= MAX_SCHEMA_VALUES:
        at, node = todo.pop()
        count += 1
        yield at, node
        if isinstance(node, dict):
            todo += [((*at, str(k)), v) for k, v in node.items() if k not in ("default", "examples", "const", "enum")]
        elif isinstance(node, list):
            todo += [((*at, i), v) for i, v in enumerate(node)]


def _check_defaults(nodes: list[tuple[Path, Json]], schema: Json, places: Locations) -> list[Problem]:
    """Defaults that their own schema refuses."""
    found = []
    for path, node in nodes:
        if isinstance(node, dict) and "default" in node and "properties" in path[-2:-1]:
            local = {**node, "$defs": schema.get("$defs", {}), "definitions": schema.get("definitions", {})}
            try:
                error = next(iter(_validator(local).iter_errors(node["default"])), None)
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
                continue
            if error is not None:
                found.append(places.problem((*path, "default"), f"the default does not fit its own schema: {_first_line(error)}."))
    return found


def _refuse(uri: str) -> Json:
    raise ValueError(f"{uri} is not fetched")


def _validator(schema: Json) -> Any:
    make: Callable[..., Any] = jsonschema_rs.validator_for
    if "$schema" not in schema:
        make = jsonschema_rs.Draft202012Validator
    return make(schema, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions(size_limit=1 << 20), validate_formats=True)


def apply_schema(
    schema: Mapping[str, Json] | None, config: Mapping[str, Json], places: Locations, base: Path
) -> tuple[Json, list[Problem]]:
    """The configuration with defaults filled in, and what is wrong with it. No schema: there is nothing to configure."""
    if schema is None:
        return dict(config), [places.problem((*base, k), "this plugin takes no configuration.", "Remove it.") for k in config]
    value = _with_defaults(schema, copy.deepcopy(dict(config)), 0)
    errors = _validator(dict(schema)).iter_errors(value)
    problems = [
        problem for _, error in zip(range(MAX_PROBLEMS), errors, strict=False) for problem in schema_problems(error, schema, places, base)
    ]
    return value, [*problems, *_unknown_keys(schema, config, places, base)]


def _with_defaults(schema: Json, value: Json, depth: int) -> Json:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(value, dict) or not isinstance(properties, Mapping) or depth > 16:
        return value
    for key, inner in properties.items():
        if not isinstance(inner, Mapping):
            continue
        if key not in value and "default" in inner:
            value[key] = _with_defaults(inner, copy.deepcopy(inner["default"]), depth + 1)
        elif (
            key not in value
            and inner.get("type") == "object"
            and not inner.get("required")
            and (nested := _with_defaults(inner, {}, depth + 1))
        ):
            value[key] = nested
        elif key in value:
            value[key] = _with_defaults(inner, value[key], depth + 1)
    return value


def _unknown_keys(schema: Mapping[str, Json], config: Mapping[str, Json], places: Locations, base: Path) -> Iterator[Problem]:
    """Keys that the schema does not name, where it does not say that more are welcome: nearly always slips of the pen."""
    if _OPEN & set(schema):
        return
    known = {str(k) for k in (*schema.get("properties", {}), *schema.get("required", ()))}
    for key in config:
        if key not in known:
            yield places.problem((*base, key), f"the key '{clip(str(key))}' is not known.", suggest(str(key), known))


def schema_problems(error: Any, schema: Mapping[str, Json], places: Locations, base: Path) -> Iterator[Problem]:
    """What an error of a validator says, in our words; `base` is where the value stands."""
    path, kind = (*base, *error.instance_path), error.kind
    if kind.name == "required":
        yield places.problem(path, f"`{kind.property}` is missing.", _hint(schema, (*error.instance_path, kind.property)) or "Add it.")
    elif kind.name == "additionalProperties":
        known = _subschema(schema, error.instance_path).get("properties", {})
        for key in kind.unexpected:
            yield places.problem((*path, key), f"the key '{clip(key)}' is not known.", suggest(key, known))
    elif kind.name == "type" and "secret" in _subschema(schema, error.instance_path).get("properties", {}):
        what = "must be the name of a secret, and never its value."
        remedy = "Put its value under `secrets:`, such as `my_secret: {env: MY_SECRET}`, and write `{secret: my_secret}` here."
        yield places.problem(path, what, remedy)
    elif kind.name == "type":
        yield places.problem(path, f"must be {' or '.join(kind.types)}, not {quote(error.instance)}.", _hint(schema, error.instance_path))
    elif kind.name == "enum":
        options = [str(o) for o in kind.options] if isinstance(kind.options, list) else []
        yield places.problem(path, f"{quote(error.instance)} is not one of {', '.join(map(clip, options))}.", "")
    else:
        yield places.problem(path, f"{_first_line(error)}.", _hint(schema, error.instance_path))


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).splitlines()
    return clip(text[0] if text else type(error).__name__, 200).rstrip(".")


def _hint(schema: Mapping[str, Json], path: Any) -> str:
    described = _subschema(schema, path).get("description")
    return f"It is: {clip(described, 200).rstrip('.')}." if isinstance(described, str) else ""


def _subschema(schema: Mapping[str, Json], path: Any) -> Mapping[str, Json]:
    node: Any = schema
    for part in path:
        node = node.get("items" if isinstance(part, int) else "properties", {}) if isinstance(node, Mapping) else {}
        if not isinstance(part, int):
            node = node.get(part, {}) if isinstance(node, Mapping) else {}
    return node if isinstance(node, Mapping) else {}
