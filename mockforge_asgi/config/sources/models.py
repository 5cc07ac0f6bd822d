"""The `sources:` of `mockforge.yaml`, as written.

Whether a query can be run is decided by its source; here only its form.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from mockforge_asgi.config.fields import Digest, Name, PlainMapping, Strict, as_list, matching, plain, short_form
from mockforge_asgi.config.grants import GrantsModel
from mockforge_asgi.config.parsing.pydantic_errors import fault, suggest
from mockforge_asgi.config.sources.objects import NamedQuery, QueryParameter, SourceLimits
from mockforge_asgi.contract.typed_values import typed_value
from mockforge_asgi.text import quote
from mockforge_plugin.tables import LIST, TYPES, VALUE_TYPES

_LIMITS = SourceLimits()
_TEXT = {"type": "string"}
_COLUMN = re.compile(r"[^\x00-\x1f\x7f]{1,128}\Z")
_TABLE = re.compile(r"[^\x00-\x1f\x7f]{1,256}\Z")
_COLUMNS = re.compile(r"-?[^\x00-\x1f\x7f-][^\x00-\x1f\x7f]{0,127}\Z")


def _value_type(value: str) -> str:
    if value not in VALUE_TYPES:
        hint = suggest(value, VALUE_TYPES)
        raise fault(f"{quote(value)} is not a type.", f"{hint} Types are {', '.join(TYPES)}, and lists such as integer{LIST}.".strip())
    return value


Type = Annotated[str, AfterValidator(_value_type), Field(json_schema_extra={"enum": sorted(VALUE_TYPES)})]
ColumnName = Annotated[str, *matching(_COLUMN, "a column's name", "Write it as the source has it.")]
OrderColumn = Annotated[str, *matching(_COLUMNS, "a column's name", "Write one such as id, or -id to sort from the highest.")]
Statement = Annotated[str, Field(min_length=1, max_length=65_536)]


class ParameterModel(Strict):
    """One parameter of a query."""

    type: Type = Field(description="What its values are made of, or refused: see docs/reference/data.md.", examples=["integer"])
    optional: bool = Field(default=False, description="Whether it may be left out.")
    default: Any = Field(default=None, description="Its value where it is left out.")

    @model_validator(mode="after")
    def _default_fits(self) -> ParameterModel:
        try:
            typed_value(self.type, plain(self.default))
        except ValueError as error:
            raise fault(f"its default {error}.", "Write one of that type.") from None
        return self

    @property
    def is_optional(self) -> bool:
        """Whether it may be left out."""
        return self.optional or "default" in self.model_fields_set

    def build(self) -> QueryParameter:
        """The frozen form."""
        return QueryParameter(self.type, not self.is_optional, typed_value(self.type, plain(self.default)))


Parameter = Annotated[ParameterModel, *short_form(lambda v: {"type": v} if isinstance(v, str) else v, _TEXT)]


class QueryModel(Strict):
    """A named query: `query` in the words of its source, or `from`, `where` and `order`, which every source of tables understands."""

    query: Statement | list[Statement] | dict[str, Any] | None = Field(
        default=None,
        description="The query; in SQL, parameters are written :name. A list: statements of one transaction, which writes.",
        examples=['"select * from users where id = :id"'],
    )
    table: Annotated[str, *matching(_TABLE, "a table's name", "Write it as the source has it.")] | None = Field(
        default=None, alias="from", description="In place of `query`: the table (collection, file) to read.", examples=["users"]
    )
    columns: list[ColumnName] = Field(default_factory=list, max_length=1000, description="With `from`: the columns to read; else all.")
    where: dict[Name, Parameter] = Field(
        default_factory=dict,
        description="With `from`: columns that must equal a parameter of their name, with its type. One that is optional and left out does "
        "not restrict.",
        examples=["{city: text}"],
    )
    params: dict[Name, Parameter] = Field(
        default_factory=dict, description="The type of each parameter; values are checked against it.", examples=["{id: integer}"]
    )
    order: Annotated[list[OrderColumn], *short_form(as_list, _TEXT)] = Field(
        default_factory=list, max_length=16, description="Columns to sort by, together unique: pages then neither skip nor repeat rows."
    )
    sort: Annotated[list[ColumnName], *short_form(as_list, _TEXT)] = Field(
        default_factory=list, max_length=100, description="Columns that whoever asks may sort by."
    )
    limit: int | None = Field(default=None, ge=1, le=100_000, description="The most rows given at once; `limits.max_rows` if left out.")
    cache_s: float | None = Field(default=None, ge=0, le=86_400, description="How long its rows may be given again, in seconds.")
    write: bool = Field(
        default=False, description="Whether it may change data; with `from` alone: whether a resource may change the table."
    )
    insert: dict[Name, Parameter] = Field(
        default_factory=dict, description="With `from`: the columns of one row that it adds, with their types.", examples=["{name: text}"]
    )
    update: dict[Name, Parameter] = Field(
        default_factory=dict,
        description="With `from` and `where`: the columns that it changes, with their types.",
        examples=["{name: text}"],
    )
    delete: bool = Field(default=False, description="With `from` and `where`: it deletes rows.")
    key: Annotated[list[ColumnName], *short_form(as_list, _TEXT)] = Field(
        default_factory=list, max_length=16, description="With `from`: the columns that together name one row; resources need it."
    )
    version: ColumnName | None = Field(
        default=None, description="With `key`: an integer column that resources count up with each change, and compare before."
    )

    @model_validator(mode="after")
    def _fits(self) -> QueryModel:
        self._check_portable()
        if (self.query is None) == (self.table is None):
            raise fault("a query has exactly one of `query` and `from`.", "Write its text as `query`, or the table as `from`.")
        if self.table is not None and self.params:
            raise fault("`params` belong to `query`.", "Write them under `where`, each by its column.")
        if isinstance(self.query, dict) and "from" in self.query:
            raise fault("`from` stands beside `query`, not in it.", "Write `{from: …, where: …}` without `query`.")
        if (self._is_change or (self.write and self.table is None)) and (self.cache_s or self.sort or self.order):
            raise fault("a query that writes has no `cache_s`, `order` or `sort`.", "Remove it, or write a query that reads.")
        if isinstance(self.query, list) and not self.write:
            raise fault("several statements are one transaction, which writes.", "Add `write: true`, or write one statement.")
        if self.query in ([], {}):
            raise fault("the query is empty.", "Write one.")
        return self

    @property
    def _is_change(self) -> bool:
        return bool(self.insert or self.update or self.delete)

    def _check_portable(self) -> None:
        given = [name for name in ("columns", "where", "insert", "update", "delete", "key", "version") if getattr(self, name)]
        if self.table is None and given:
            raise fault(f"`{given[0]}` belongs to `from`.", "Write it into the query, its parameters under `params`.")
        changes = [name for name in ("insert", "update", "delete") if name in given]
        if len(changes) > 1:
            raise fault(f"a query does one of {' and '.join(changes)}.", "Write two queries.")
        if changes and (self.key or self.version or self.write):
            raise fault(f"`{changes[0]}` says that it writes; `key`, `version` and `write` are of tables that resources use.", "Remove it.")
        if self.version and not self.key:
            raise fault("`version` has no effect without `key`.", "Name the columns of the key: `key: id`.")
        if self.insert and self.where:
            raise fault("`insert` has no conditions.", "Remove `where`, or write `update`.")
        if (self.update or self.delete) and (not self.where or any(p.is_optional for p in self.where.values()) or self.columns):
            what = f"`{changes[0]}` needs a `where` whose parameters are all given, and has no `columns`."
            raise fault(what, "Name the rows: `where: {id: integer}`.")
        if both := sorted(self.update.keys() & self.where.keys()):
            raise fault(f"the column {quote(both[0])} is both in `update` and in `where`.", "Change it with a query in the source's words.")

    def build(self, name: str, limits: SourceLimits, cache_s: float) -> NamedQuery:
        """The frozen form; what it leaves out is as its source has it."""
        writes = self._is_change or (self.write and self.table is None)
        return NamedQuery(
            name,
            self._sent(),
            {key: parameter.build() for key, parameter in (self.insert | self.update | self.where or self.params).items()},
            self.limit or limits.max_rows,
            tuple(self.order),
            frozenset(self.sort),
            0.0 if writes else cache_s if self.cache_s is None else self.cache_s,
            writes,
            tuple(self.key),
            self.version,
            self.write and not writes,
        )

    def _sent(self) -> Any:
        if self.table is None:
            return plain(self.query)
        columns = {"columns": list(self.columns)} if self.columns else {}
        if self.insert:
            return {"from": self.table, "insert": {column: column for column in self.insert}, **columns}
        change: dict[str, Any] = {"delete": True} if self.delete else {}
        if self.update:
            change = {"update": {column: column for column in self.update}}
        return {"from": self.table, **change, **columns, "where": list(self.where)}


class SourceLimitsModel(Strict):
    """The most that one query may give, and how long it may take."""

    max_rows: int = Field(default=_LIMITS.max_rows, ge=1, le=100_000, description="The most rows of one answer.")
    max_mb: float = Field(default=_LIMITS.max_mb, gt=0, le=256, description="The most data of one answer, in MiB.")
    timeout_ms: int = Field(default=_LIMITS.timeout_ms, ge=1, le=300_000, description="How long a query may take, waits included.")

    def build(self) -> SourceLimits:
        """The frozen form."""
        return SourceLimits(self.max_rows, self.max_mb, self.timeout_ms)


class SourceNativeModel(Strict):
    """Lets a native plugin run unconfined in this process."""

    trust: str = Field(description="The digest of the package that is trusted; in dev mode also `path`.", examples=["sha256-…"])
    workers: Literal["thread", "process"] = Field(default="thread", description="Where methods that are not async run.")


class SourceModel(Strict):
    """A named data source."""

    use: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="A built-in source (`postgresql` is short for data-postgresql), or the folder or archive of a plugin.",
        examples=["postgresql"],
    )
    plugin: str | None = Field(default=None, description="In place of `use`: a plugin under `plugins:`.", examples=["my-source"])
    config: PlainMapping = Field(default_factory=dict, description="With `use`: its configuration.")
    grants: GrantsModel = Field(default_factory=GrantsModel, description="With `use`: what it may reach; built-in ones: what they ask for.")
    digest: Digest | None = Field(default=None, description="With `use`: the package's digest; another package is refused.")
    native: SourceNativeModel | None = Field(default=None, description="With `use`: trust in a native plugin that is not built in.")
    limits: SourceLimitsModel = Field(default_factory=SourceLimitsModel, description="Bounds of each query.")
    cache_s: float = Field(default=0, ge=0, le=86_400, description="For queries that do not say: how long rows may be given again.")
    queries: dict[Name, Annotated[QueryModel, *short_form(lambda v: {"query": v} if isinstance(v, str) else v, _TEXT)]] = Field(
        default_factory=dict, description="Queries that plugins, templates and routes may ask for by name."
    )

    @model_validator(mode="after")
    def _one_plugin(self) -> SourceModel:
        if (self.use is None) == (self.plugin is None):
            raise fault("a source has exactly one of `use` and `plugin`.", "Write `use: postgresql`, say, or `plugin: my-source`.")
        own = sorted({"config", "grants", "digest", "native"} & self.model_fields_set)
        if self.plugin is not None and own:
            raise fault(f"`{own[0]}` belongs to `use`.", f"Write it under `plugins.{self.plugin[:100]}`.")
        return self

    def build_queries(self) -> dict[str, NamedQuery]:
        """The frozen queries by name."""
        limits = self.limits.build()
        return {name: query.build(name, limits, self.cache_s) for name, query in self.queries.items()}
