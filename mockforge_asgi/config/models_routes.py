"""The `routes:` and `templates:` of `mockforge.yaml`, as written.

Whether a pattern or condition can be used is decided by what matches with it; here only its form.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, Field, field_validator, model_validator

from mockforge_asgi.config.fields import (
    Glob,
    HeaderValue,
    Methods,
    Name,
    QueryParameter,
    SetHeaderName,
    Strict,
    as_list,
    matching,
    own_spelling,
    plain,
    short_form,
)
from mockforge_asgi.config.objects import DataResponse, ResourceResponse, ResponseFilter
from mockforge_asgi.config.parsing.pydantic_errors import fault
from mockforge_asgi.exact_json import WrittenNumber
from mockforge_asgi.http.headers import ADDRESSES, OURS, uri_reference
from mockforge_asgi.text import is_template, quote

STATIC_KINDS = ("json", "text", "html", "base64", "file")
_BODILESS = frozenset({204, 205, 304})
_QUERY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}\.[A-Za-z_][A-Za-z0-9_.-]{0,127}\Z")
Status = Annotated[int, Field(ge=200, le=599)]


def _route_path(value: str) -> str:
    if not value.startswith("/"):
        raise fault(f"{quote(value)} does not start with '/'.", f"Write {quote('/' + value)}.")
    own_spelling(value)
    if "?" in value or "#" in value:
        raise fault(f"{quote(value)} has a '?' or '#'.", "Match the query with `query:`.")
    if value.count("{") != value.count("}"):
        raise fault(f"{quote(value)} has a brace without its partner.", "Parameters look like {name} or {id:int}.")
    return value


class ConditionModel(Strict):
    """A condition on one text value; all that are given must hold."""

    equals: str | None = Field(default=None, description="The exact value.")
    contains: str | None = Field(default=None, description="A part of the value.")
    regex: str | None = Field(default=None, max_length=1000, description="A regular expression (RE2) for the whole value.")
    present: bool | None = Field(default=None, description="Whether it must be there.")
    absent: bool | None = Field(default=None, description="Whether it must not be there.")

    @model_validator(mode="after")
    def _says_something(self) -> ConditionModel:
        if not self.model_fields_set:
            raise fault("the condition is empty.", "Give equals, contains, regex, present or absent.")
        return self


def _condition(value: Any) -> Any:
    if isinstance(value, WrittenNumber):
        raise fault("it is a number that is not written so everywhere, and is compared with text.", "Put it in quotes.")
    if isinstance(value, bool):
        return {"present": True} if value else {"absent": True}
    return {"equals": str(value)} if isinstance(value, str | int | float) else value


Condition = Annotated[ConditionModel, *short_form(_condition, {"type": ["string", "number", "boolean"]})]


class MatchModel(Strict):
    """What a request must look like."""

    method: Methods = Field(default_factory=list, description="One method or a list; any if left out.")
    path: Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_route_path)] = Field(
        description="Path with {name} parameters; `*` and `**` as globs.", examples=["/hello/{name}"]
    )
    headers: dict[SetHeaderName, Condition] = Field(default_factory=dict, description="Conditions on headers.")
    query: dict[QueryParameter, Condition] = Field(default_factory=dict, description="Conditions on query parameters.")
    body: dict[str, Any] = Field(default_factory=dict, description="Values in a JSON body, by path such as user.tags[0].")


def _settable(name: str) -> str:
    if name != "content-length" and name.encode() in OURS:
        raise fault(f"`{name}` belongs to the connection, and the server sets it.", "Remove it.")
    return name


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


class AnswerModel(Strict):
    """An answer that is always the same: one of json, text, html, base64, file; with a status or headers alone, no body."""

    kinds: ClassVar[tuple[str, ...]] = STATIC_KINDS

    json_: Any = Field(default=None, alias="json", description="A JSON value.")
    text: str | None = Field(default=None, description="Plain text.")
    html: str | None = Field(default=None, description="An HTML page.")
    base64: str | None = Field(default=None, description="Bytes in base64.")
    file: str | None = Field(default=None, description="A file, relative to the configuration file.")
    status: Status = Field(default=200, description="Status of the answer.")
    headers: dict[
        Annotated[SetHeaderName, AfterValidator(_settable)],
        Annotated[list[HeaderValue], *short_form(_as_list, {"type": ["string", "number"]})],
    ] = Field(default_factory=dict, description="Headers of the answer: a text or number, or a list for several.")

    @field_validator("headers", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        """Addresses may be written in any characters; those of templates are encoded when they are made."""
        if not isinstance(value, dict):
            return value
        return {k: uri_reference(v) if _is_address(k) and isinstance(v, str) and not is_template(v) else v for k, v in value.items()}

    @property
    def kind(self) -> str:
        """Which of the kinds is given; `empty` with none."""
        return next((k for k in self.kinds if k in self._given()), "empty")

    @property
    def content(self) -> Any:
        """The value given for that kind."""
        return self.json_ if self.kind == "json" else getattr(self, self.kind, "")

    def _given(self) -> set[str]:
        return {"json" if name == "json_" else name for name in self.model_fields_set}

    @model_validator(mode="after")
    def _checked(self) -> Self:
        self._check_kind()
        return self

    def _check_kind(self) -> None:
        given = [k for k in self.kinds if k in self._given()]
        if len(given) > 1:
            raise fault(f"gives {' and '.join(given)} at once.", f"Give one of {', '.join(self.kinds)}.")
        if not given and not self._given() & {"status", "headers"}:
            raise fault("says nothing to answer.", f"Give a status, or one of {', '.join(self.kinds)}.")
        if self.content is None and self.kind != "json":
            raise fault(f"`{self.kind}` is empty.", "Give it a value.")
        if self.status in _BODILESS and self.kind not in ("data", "resource") and self.content not in (None, ""):
            raise fault(f"an answer of status {self.status} has no body.", f"Remove `{self.kind}`, or choose another status.")
        self._fits(self.kind)

    def _fits(self, kind: str) -> None:
        if kind == "base64":
            try:
                b64decode(cast(str, self.base64), validate=True)
            except (binascii.Error, ValueError):
                raise fault("`base64` is not base64.", "Encode the bytes with the standard alphabet and padding.") from None


class ResourceModel(Strict):
    """A table as a list and items: GET, POST, PUT, PATCH, DELETE."""

    data: Annotated[str, *matching(_QUERY, "a query of a source", "Write `source.query`, such as shop.users.")] = Field(
        description="A query with `from` and `key`; clients change its table where it says `write: true`.", examples=["shop.users"]
    )
    methods: list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = Field(
        default_factory=list, description="What clients may do; all that the query allows if left out.", examples=["[GET, POST]"]
    )
    total: bool = Field(default=False, description="A list tells in X-Total-Count how many rows all pages have.")

    def build(self) -> ResourceResponse:
        """The frozen form."""
        source, _, query = self.data.partition(".")
        return ResourceResponse(source, query, frozenset(self.methods), self.total)


Resource = Annotated[ResourceModel, *short_form(lambda v: {"data": v} if isinstance(v, str) else v, {"type": "string"})]


class ResponseModel(AnswerModel):
    """What is answered: one of plugin, data, resource, json, text, html, base64, file, template, template_text.

    A status or headers alone: no body.
    """

    kinds: ClassVar[tuple[str, ...]] = ("plugin", "data", "resource", *STATIC_KINDS, "template", "template_text")

    plugin: str | None = Field(default=None, description="The plugin that makes the answer.")
    data: Annotated[str, *matching(_QUERY, "a query of a source", "Write `source.query`, such as shop.user_by_id.")] | None = Field(
        default=None, description="A named query, whose rows are the answer.", examples=["shop.user_by_id"]
    )
    params: dict[Name, Any] = Field(default_factory=dict, description="With `data`: the query's parameters, values or templates.")
    one: bool = Field(default=False, description="With `data`: the only row as an object; no row is a 404.")
    total: bool = Field(default=False, description="With `data`: a list tells in X-Total-Count how many rows all pages have.")
    resource: Resource | None = Field(default=None, description="A table as a list, and below it its items.", examples=["shop.users"])
    template: str | None = Field(default=None, description="A template by name.")
    template_text: str | None = Field(default=None, max_length=1 << 20, description="A template written here.")
    vars: dict[str, Any] = Field(default_factory=dict, description="Variables for the template.")

    def _fits(self, kind: str) -> None:
        if kind == "plugin" and (extra := sorted(self._given() & {"status", "headers", "vars"})):
            raise fault(f"`{extra[0]}` has no effect beside `plugin`, which makes the whole answer.", "Remove it.")
        if kind == "resource" and "status" in self._given():
            raise fault("`status` has no effect beside `resource`, whose responses have each their own.", "Remove it.")
        if "vars" in self._given() and kind not in ("template", "template_text"):
            raise fault(f"`vars` has no effect beside `{kind}`.", "Remove it, or answer with a template.")
        if kind != "data" and (extra := sorted(self._given() & {"params", "one", "total"})):
            raise fault(f"`{extra[0]}` has no effect without `data`.", "Remove it, or answer with `data`.")
        super()._fits(kind)

    @property
    def content(self) -> Any:
        """The value given for that kind."""
        if self.kind == "resource" and self.resource is not None:
            return self.resource.build()
        if self.kind != "data" or self.data is None:
            return super().content
        source, _, query = self.data.partition(".")
        return DataResponse(source, query, plain(self.params), self.one, self.total)


class RouteModel(Strict):
    """One native route."""

    name: str = Field(default="", max_length=128, description="A name for logs and messages.")
    match: MatchModel = Field(description="What a request must look like.", examples=["{path: /health}"])
    response: ResponseModel = Field(description="What is answered.", examples=["{json: {status: ok}}"])

    @model_validator(mode="after")
    def _has_methods(self) -> RouteModel:
        if self.response.kind == "resource" and self.match.method:
            raise fault(
                "a resource answers every method at its list and its items.", "Remove `method`, and name `methods` at the resource."
            )
        return self

    @model_validator(mode="after")
    def _has_length(self) -> RouteModel:
        lengths = self.response.headers.get("content-length")
        if lengths is not None and self.match.method != ["HEAD"]:
            raise fault("`content-length` follows from the body, except in answers to HEAD.", "Remove it, or match `method: HEAD` alone.")
        if lengths is not None and (self.response.status == 204 or not re.fullmatch(r"[0-9]{1,18}", ",".join(lengths))):
            raise fault("`content-length` is one integer, in an answer that may have a body.", "Write it as digits.")
        return self


class TemplatesModel(Strict):
    """The operator's templates."""

    dir: str | None = Field(default=None, description="Folder of template files, relative to the configuration file.")
    inline: dict[str, str] = Field(default_factory=dict, description="Template texts by name.")
    seed: Literal["request"] | int | None = Field(
        default=None, description="`request`: the same request draws the same random and fake data; a number: every request does."
    )
    locale: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")] = Field(default="en_US", description="Locale of fake data.")


class ModifiesModel(Strict):
    """Which answers a modifier is asked about; all parts that are given must fit."""

    paths: Annotated[list[Glob], *short_form(as_list, {"type": "string"})] = Field(default_factory=list, description="Path globs.")
    methods: Methods = Field(default_factory=list, description="Request methods.")
    status: list[Status] = Field(default_factory=list, description="Statuses of the answer.")
    content_types: Annotated[list[str], *short_form(as_list, {"type": "string"})] = Field(
        default_factory=list, description="Media types of the answer, such as `application/json` or `text/*`."
    )
    app: bool = Field(default=False, description="Whether answers of the wrapped app are changed too, not only those of mocks and plugins.")

    def build(self) -> ResponseFilter:
        """The filter."""
        kinds = frozenset(kind.lower() for kind in self.content_types)
        return ResponseFilter(tuple(self.paths), frozenset(self.methods), frozenset(self.status), kinds, self.app)


def _is_address(name: object) -> bool:
    return isinstance(name, str) and name.lower() in ADDRESSES
