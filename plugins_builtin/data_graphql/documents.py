"""Queries in GraphQL, read once: what kind of operation, which variables, where its rows stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    FieldNode,
    GraphQLError,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    TypeNode,
    VariableDefinitionNode,
    parse,
)
from jsonpath_rfc9535 import JSONPathQuery

from mockforge_plugin import Json
from mockforge_plugin.engines.http.json_text import Fraction
from mockforge_plugin.engines.http.placeholders import wrong_query
from mockforge_plugin.engines.http.rows import ColumnSpec, column_specs, json_path

MAX_TOKENS: Final = 10_000
_KEYS: Final = frozenset({"query", "rows", "columns", "documents", "total"})
_NUMBERS: Final = frozenset({"Float", "Int", "BigDecimal"})


@dataclass(frozen=True, slots=True)
class Query:
    """A document of one operation, which can be asked."""

    text: str
    variables: Mapping[str, str]
    """Each variable, and the name of its innermost type."""
    defaults: frozenset[str]
    """Variables that have a value of their own where they are left out."""
    root: str
    """The answer's field that the operation asks for first."""
    rows: JSONPathQuery | None
    columns: tuple[ColumnSpec, ...]
    documents: bool
    total: JSONPathQuery | None
    pages: frozenset[str]
    """Of the variables `first` and `after`, those that are for us to fill in."""

    def filled(self, params: Mapping[str, Json]) -> dict[str, Json]:
        """Values of the variables. A decimal is a number where the variable is one, and else text; null leaves the variable its default."""
        given = {name: value for name, value in params.items() if value is not None or name not in self.defaults}
        return {name: _sent(value, self.variables[name]) for name, value in given.items()}


def read_query(query: Json, types: Mapping[str, str], *, write: bool) -> Query:
    """The query that was written: a text, or one under `query` with what stands beside. Raises PluginError."""
    about: Mapping[str, Any] = {"query": query} if isinstance(query, str) else query if isinstance(query, Mapping) else {}
    if unknown := sorted(set(about) - _KEYS):
        raise wrong_query(f"it has `{str(unknown[0])[:100]}`; it may have {', '.join(sorted(_KEYS))}")
    text = about.get("query")
    if not isinstance(text, str):
        raise wrong_query("it is a text in GraphQL, or an object with one under `query`")
    operation = _operation(text, write=write)
    variables = {variable.variable.name.value: variable for variable in operation.variable_definitions or ()}
    pages = frozenset({"first", "after"} & variables.keys() - types.keys())
    _check_parameters(variables, types, pages)
    return Query(
        text,
        {name: _innermost(variable.type) for name, variable in variables.items()},
        frozenset(name for name, variable in variables.items() if variable.default_value is not None),
        _root(operation),
        json_path(about["rows"], "rows") if "rows" in about else None,
        column_specs(about["columns"]) if "columns" in about else (),
        about.get("documents") is True,
        json_path(about["total"], "total") if "total" in about else None,
        pages if "after" in pages else frozenset(),
    )


def _operation(text: str, *, write: bool) -> OperationDefinitionNode:
    """The one operation of the document, which reads unless it may write."""
    try:
        document = parse(text, no_location=True, max_tokens=MAX_TOKENS)
    except (GraphQLError, RecursionError) as error:
        place = f" at line {error.locations[0].line}" if isinstance(error, GraphQLError) and error.locations else ""
        why = error.message if isinstance(error, GraphQLError) else "it is nested too deeply"
        raise wrong_query(f"it is not GraphQL{place}: {why}") from None
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        raise wrong_query("it has exactly one operation")
    kind = operations[0].operation.value
    if kind == "subscription":
        raise wrong_query("a subscription is no query: it does not end")
    if kind == "mutation" and not write:
        raise wrong_query("a mutation changes data: add `write: true` beside `query`")
    return operations[0]


def _root(operation: OperationDefinitionNode) -> str:
    fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
    return (fields[0].alias or fields[0].name).value if len(fields) == 1 else ""


def _check_parameters(variables: Mapping[str, VariableDefinitionNode], types: Mapping[str, str], pages: frozenset[str]) -> None:
    if unknown := sorted(types.keys() - variables.keys()):
        raise wrong_query(f"it has no variable ${unknown[0]}, for which there is a parameter")
    for name, variable in variables.items():
        is_needed = isinstance(variable.type, NonNullTypeNode) and variable.default_value is None
        if name not in types and is_needed and name not in pages:
            raise wrong_query(f"its variable ${name} has no parameter: add it under `params`")


def _innermost(node: TypeNode) -> str:
    while isinstance(node, NonNullTypeNode | ListTypeNode):
        node = node.type
    return node.name.value if isinstance(node, NamedTypeNode) else ""


def _sent(value: Json, kind: str) -> Json:
    if isinstance(value, list):
        return [_sent(item, kind) for item in value]
    return Fraction(value) if kind in _NUMBERS and isinstance(value, str) else value
