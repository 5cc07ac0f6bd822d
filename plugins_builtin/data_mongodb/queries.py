"""Queries in the words of MongoDB, checked once: one operation of a list, no code, no writing where it may only read.

`":name"` where a value stands is a parameter, typed; `"::"` at the beginning is a colon. A parameter is a value wherever it stands: in an
expression it is a `$literal`, in a `$regex` its own text. Literal values may be Extended JSON (`{"$oid": …}`, `{"$date": …}`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bson import json_util
from bson.errors import BSONError

from mockforge_plugin import Json, PluginError

from .values import parameter, refused

READS: Final = {"find": {"filter", "projection", "sort"}, "aggregate": {"pipeline"}}
WRITES: Final = {
    "insert": {"documents"},
    "update": {"filter", "change", "many", "upsert", "returns", "all"},
    "delete": {"filter", "many", "all"},
}
"""Operations, and what may stand beside each."""

STAGES: Final = frozenset(
    {
        "$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$facet", "$fill", "$graphLookup", "$group", "$limit", "$lookup",
        "$match", "$project", "$redact", "$replaceRoot", "$replaceWith", "$sample", "$set", "$setWindowFields", "$skip", "$sort",
        "$sortByCount", "$unionWith", "$unset", "$unwind",
    }
)  # fmt: skip
UPDATES: Final = frozenset(
    {
        "$addToSet", "$bit", "$currentDate", "$inc", "$max", "$min", "$mul", "$pop", "$pull", "$pullAll", "$push", "$rename", "$set",
        "$setOnInsert", "$unset",
    }
)  # fmt: skip
DENIED: Final = frozenset({"$where", "$function", "$accumulator", "$out", "$merge"})
"""Code, and stages that write: refused at any depth."""
_EXTENDED: Final = frozenset(
    {
        "$oid",
        "$date",
        "$numberDecimal",
        "$numberLong",
        "$numberInt",
        "$numberDouble",
        "$uuid",
        "$binary",
        "$timestamp",
        "$minKey",
        "$maxKey",
    }
)
_NESTED: Final = frozenset({"$and", "$or", "$nor", "$not", "$elemMatch", "$jsonSchema"})
_NAME: Final = re.compile(r":([A-Za-z_][A-Za-z0-9_.-]*)")
MAX_DEPTH: Final = 50


def wrong_query(what: str) -> PluginError:
    """The operator's query is not one."""
    return PluginError(f"the query cannot be used: {what}", code="invalid_config")


def read_query(query: Json, *, write: bool) -> dict[str, Any]:
    """The operation that was written, checked; a text is JSON. Raises PluginError."""
    if isinstance(query, str):
        try:
            query = json.loads(query)
        except (ValueError, RecursionError):
            raise wrong_query('a text is an operation as JSON, such as {"find": "users", "filter": {}}') from None
    if not isinstance(query, Mapping):
        raise wrong_query('it is an operation such as {find: users, filter: {city: ":city"}}')
    operation = operation_of(query)
    if operation in WRITES and not write:
        raise wrong_query(f"{operation} changes data: add `write: true` beside `query`")
    allowed = READS.get(operation) or WRITES[operation]
    if unknown := sorted(set(query) - allowed - {operation}):
        raise wrong_query(f"{operation} has no `{str(unknown[0])[:100]}`; it may have {', '.join(sorted(allowed))}")
    check_collection(query[operation])
    _check_depth(query)
    if found := next((key for key, _ in _pairs(query) if key in DENIED), None):
        raise wrong_query(f"{found} is not allowed: it runs code, or writes")
    _check_parts(operation, query)
    return dict(query)


def operation_of(query: Mapping[str, Any]) -> str:
    """Its one operation. Raises PluginError."""
    found = [name for name in (*READS, *WRITES) if name in query]
    if len(found) != 1:
        raise wrong_query(f"it has exactly one of {', '.join((*READS, *WRITES))}")
    return found[0]


def check_collection(name: object) -> None:
    """Raises PluginError for what is no collection of the data."""
    if not isinstance(name, str) or not re.fullmatch(r"[^$\x00-\x1f:][^$\x00-\x1f]{0,199}", name) or name.startswith("system."):
        raise wrong_query(f"{str(name)[:100]!r} is not a collection")


def _check_parts(operation: str, query: Mapping[str, Any]) -> None:
    for part, kind in (("filter", dict), ("projection", dict), ("sort", dict), ("pipeline", list), ("change", dict)):
        if part in query and not isinstance(query[part], kind):
            raise wrong_query(f"`{part}` is {'a list of stages' if kind is list else 'an object'}")
    if found := next((key for key, about in _pairs(query) if key in _NESTED and not _is_nested(key, about)), None):
        raise wrong_query(f"{found} has conditions of its own, and no parameter in their place")
    if operation == "aggregate":
        _check_pipeline(query.get("pipeline"))
    if operation == "update":
        change = query.get("change")
        if not change or not change.keys() <= UPDATES:
            raise wrong_query(f"`change` is an object of {', '.join(sorted(UPDATES))}")
    if operation == "insert" and not isinstance(query.get("documents"), dict | list):
        raise wrong_query("`documents` is an object, or a list of them")
    if operation in ("update", "delete") and not query.get("filter") and query.get("all") is not True:
        raise wrong_query(f"{operation} without a `filter` changes every document: add one, or `all: true`")
    if not all(direction in (1, -1) for direction in query.get("sort", {}).values()):
        raise wrong_query("`sort` is an object of fields, each 1 or -1")


def _check_pipeline(pipeline: object) -> None:
    if not isinstance(pipeline, list):
        raise wrong_query("aggregate has a `pipeline`, a list of stages")
    for stage in pipeline:
        if not isinstance(stage, dict) or len(stage) != 1 or next(iter(stage)) not in STAGES:
            named = f"{str(next(iter(stage), ''))[:50]!r} is none" if isinstance(stage, dict) else "this is none"
            raise wrong_query(f"a stage of a pipeline is one of {', '.join(sorted(STAGES))}; {named}")
        (about,) = stage.values()
        for nested in _pipelines(next(iter(stage)), about):
            _check_pipeline(nested)
        if next(iter(stage)) == "$unionWith" and not isinstance(about, dict):
            check_collection(about)
        if isinstance(about, dict) and next(iter(stage)) in ("$lookup", "$graphLookup", "$unionWith"):
            check_collection(about.get("from", about.get("coll")))


def _pipelines(stage: str, about: Any) -> Iterator[Any]:
    if stage == "$facet" and isinstance(about, dict):
        yield from about.values()
    elif stage in ("$lookup", "$unionWith") and isinstance(about, dict) and "pipeline" in about:
        yield about["pipeline"]


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    """Every name, with what stands under it, at any depth."""
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield key, item
            yield from _pairs(item)
    elif isinstance(node, list):
        for item in node:
            yield from _pairs(item)


def _is_nested(key: str, about: Any) -> bool:
    """Whether conditions stand there, rather than a parameter that would bring its own."""
    if isinstance(about, list):
        return all(not isinstance(item, str) or not item.startswith(":") for item in about)
    return not (isinstance(about, str) and about.startswith(":"))


def _check_depth(node: Any, left: int = MAX_DEPTH) -> None:
    if not left:
        raise wrong_query(f"it is nested more than {MAX_DEPTH} deep")
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        _check_depth(item, left - 1)


class Values:
    """Puts the values of parameters into the parts of an operation."""

    def __init__(self, params: Mapping[str, Json], types: Mapping[str, str]) -> None:
        self._params, self._types = params, types

    def value(self, node: Any) -> Any:
        """Of documents, updates and conditions: a parameter is its value. Below `$expr` stand expressions, a `$regex` matches its text."""
        return self._filled(node, is_expression=False)

    def expression(self, node: Any) -> Any:
        """Of projections and stages: a parameter's text is no field, and its object no operator."""
        return self._filled(node, is_expression=True)

    def pipeline(self, stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The stages, those within them too."""
        return [{name: self._stage(name, about) for name, about in stage.items()} for stage in stages]

    def _stage(self, name: str, about: Any) -> Any:
        if name == "$match":
            return self.value(about)
        if name == "$facet":
            return {key: self.pipeline(stages) for key, stages in about.items()}
        if isinstance(about, dict) and name in ("$lookup", "$unionWith", "$graphLookup"):
            made = {key: self.expression(item) for key, item in about.items() if key not in ("pipeline", "restrictSearchWithMatch")}
            if "pipeline" in about:
                made["pipeline"] = self.pipeline(about["pipeline"])
            if "restrictSearchWithMatch" in about:
                made["restrictSearchWithMatch"] = self.value(about["restrictSearchWithMatch"])
            return made
        return self.expression(about)

    def _filled(self, node: Any, *, is_expression: bool, key: str = "") -> Any:
        if isinstance(node, dict):
            if len(node) == 1 and next(iter(node)) in _EXTENDED:
                return _extended(node)
            inner = is_expression
            return {name: self._filled(item, is_expression=inner or name == "$expr", key=name) for name, item in node.items()}
        if isinstance(node, list):
            return [self._filled(item, is_expression=is_expression, key=key) for item in node]
        if not isinstance(node, str):
            return node
        found = _NAME.fullmatch(node)
        if found is None:
            return node[1:] if node.startswith("::") else node
        made = self._parameter(found[1])
        if key == "$regex" and made is not None:
            return re.escape(made) if isinstance(made, str) else _no_regex(found[1])
        return {"$literal": made} if is_expression and isinstance(made, str | list | dict) else made

    def _parameter(self, name: str) -> Any:
        if name not in self._types:
            raise wrong_query(f"there is no parameter {name!r}; a text that begins with a colon is written '::'")
        return parameter(name, self._types[name], self._params.get(name))


def _no_regex(name: str) -> Any:
    raise refused(name, "is no text, as a $regex of it would need")


def _extended(node: dict[str, Any]) -> Any:
    try:
        return json_util.object_hook(node, json_util.JSONOptions(tz_aware=True, uuid_representation=4))
    except (BSONError, ValueError, TypeError, ArithmeticError):
        raise wrong_query(f"{next(iter(node))} is not Extended JSON; a parameter stands by itself, with its type") from None
