"""Golden cases of a plugin: `cases.yaml` (or `cases.json`) in its folder. What each operation is sent, and what it must answer.

Read strictly, every fault at once with its line. What runs them is `harness.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from mockforge_asgi.config.fields import Strict
from mockforge_asgi.config.grants import GrantsModel
from mockforge_asgi.config.parsing.json_values import not_json
from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.config.parsing.pydantic_errors import fault, problems_of
from mockforge_asgi.config.parsing.reader import Unreadable, read
from mockforge_asgi.errors import ConfigError, Problem
from mockforge_asgi.exact_json import Json
from mockforge_asgi.plugins.testkit.diff import is_pattern
from mockforge_asgi.text import clip, quote

_M = TypeVar("_M", bound=BaseModel)

FILES: Final = ("cases.yaml", "cases.json")
MAX_BYTES: Final = 4 << 20
DESCRIBE: Final = "describe"
"""The operation that asks a plugin what it is."""


class BodyModel(Strict):
    """A body as text, as base64 of its bytes, or as JSON."""

    text: str | None = None
    base64: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")] | None = None
    value: Any = Field(default=None, alias="json")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.text is not None) + (self.base64 is not None) + ("value" in self.model_fields_set) != 1:
            raise fault("must have just one of `text`, `base64` and `json`.")
        return self

    @property
    def document(self) -> dict[str, str]:
        """The body as documents have it."""
        if self.base64 is not None:
            return {"base64": self.base64}
        return {"text": json_text(self.value) if self.text is None else self.text}


class ErrorModel(Strict):
    """An error; where one is expected, what is given must be as given."""

    code: str | None = None
    message: str | None = None
    retryable: bool | None = None
    details: dict[str, Any] | None = None


class AnswerModel(Strict):
    """What another server answers, or how asking it fails."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    headers: dict[str, str] | list[list[str]] = Field(default_factory=list)
    body: BodyModel | None = None
    error: ErrorModel | None = None

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if isinstance(self.headers, list) and any(len(pair) != 2 for pair in self.headers):
            raise fault("its headers must be pairs.", "Write [name, value] each, or a mapping.")
        return self


class DoorsModel(Strict):
    """What answers the plugin's host calls while a case runs."""

    secrets: dict[str, str] = Field(default_factory=dict, description="Values of secrets.")
    kv: dict[str, Any] = Field(default_factory=dict, description="What its key-value storage holds at first.")
    http: dict[str, AnswerModel] = Field(default_factory=dict, description="Answers by `METHOD url`: {status, headers, body}, {error}.")
    data: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Results by `source/query`, or {pages, cursors}, or {error}.")
    request_body: BodyModel | None = Field(default=None, description="The body of the request.")
    response_body: BodyModel | None = Field(default=None, description="The body of the answer that a modifier changes.")
    clock: float | None = Field(default=None, ge=0, le=253402300799, description="Unix time in seconds at which the clock stands.")
    seed: str | None = Field(default=None, description="Makes its random bytes repeatable.")


class LineModel(Strict):
    """A line of the log."""

    level: Literal["trace", "debug", "info", "warning", "error"] = "info"
    message: str


class CaseModel(Strict):
    """One case."""

    name: str = Field(default="", max_length=200, description="What it shows.")
    op: str = Field(description="The operation.", examples=["response.generate"])
    input: Any = Field(default=None, alias="in", description="What the operation is sent.")
    out: Any = Field(default=None, description="What it must answer.")
    has: Any = Field(default=None, description="What its answer must have, with {regex: …} and {any: true} where the value may vary.")
    error: ErrorModel | None = Field(default=None, description="How it must fail.")
    logged: list[LineModel] | None = Field(default=None, description="The lines that it must log, in order.")
    config: dict[str, Any] | None = Field(default=None, description="Configuration for this case alone.")
    doors: DoorsModel | None = Field(default=None, description="What answers its host calls for this case alone, in place of the file's.")
    grants: GrantsModel | None = Field(default=None, description="Grants for this case alone.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if ("out" in self.model_fields_set) + ("has" in self.model_fields_set) + (self.error is not None) != 1:
            raise fault("must have just one of `out`, `has` and `error`.", "`out: null` is the answer of a plugin that does not handle it.")
        for text in _expressions(self.has):
            try:
                re.compile(text)
            except re.error as error:
                raise fault(f"`has`: {quote(text)} is not a regular expression: {error}.") from None
        return self


class FileModel(Strict):
    """The whole file."""

    config: dict[str, Any] = Field(default_factory=dict, description="The plugin's configuration.")
    doors: DoorsModel = Field(default_factory=DoorsModel, description="What answers its host calls.")
    grants: GrantsModel | None = Field(default=None, description="What it is granted; all that it asks for where this is left out.")
    cases: Annotated[list[CaseModel], Field(min_length=1)] = Field(description="The cases, in order.")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a plugin is loaded with. `grants` None: all that it asks for. `base` is where `config` stands in its document."""

    config: Mapping[str, Json]
    doors: DoorsModel
    grants: GrantsModel | None = None
    places: Locations = field(default_factory=lambda: Locations("configuration"))
    base: Path = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `kind` is where its expectation stands: `out` is the whole answer, `has` and `error` the parts that must be as given.

    `setting` None: the file's.
    """

    name: str
    op: str
    document: Json
    expected: Json
    kind: Literal["out", "has", "error"]
    logged: tuple[tuple[str, str], ...] | None
    setting: Setting | None
    path: Path


@dataclass(frozen=True, slots=True)
class Cases:
    """A plugin's cases, in order, and what all of them share."""

    setting: Setting
    cases: tuple[Case, ...]
    places: Locations


def find_cases(files: Mapping[str, bytes], source: str) -> Cases | None:
    """The cases among a package's files, if there are any; `source` names the package. Raises ConfigError with every fault."""
    found = [name for name in FILES if name in files]
    if len(found) > 1:
        raise ConfigError(
            "its cases cannot be used:", [Problem(f"{source}/{found[1]}", f"there is a {found[0]} too.", "Keep one of them.")]
        )
    return read_cases(files[found[0]], f"{source}/{found[0]}") if found else None


def read_cases(data: bytes | str, name: str) -> Cases:
    """The cases in that text; a list stands for `cases:`. Raises ConfigError with every fault."""
    value, places = _read(data, name)
    if value is None:
        raise ConfigError(f"{name} is empty. Write a case: `- {{op: …, in: …, out: …}}`.")
    if isinstance(value, list):
        value, places = {"cases": value}, Locations(name, {("cases", *path): line for path, line in places.lines.items()})
    model = _checked(FileModel, value, places)
    setting = Setting(model.config, model.doors, model.grants, places, ("config",))
    return Cases(setting, tuple(_case(case, i, setting) for i, case in enumerate(model.cases)), places)


def read_setting(config: str | None, host_calls: str | None, otherwise: Setting) -> Setting:
    """A setting from the JSON texts of a command line; what is not given is as `otherwise`. Raises ConfigError."""
    if host_calls is not None:
        otherwise = replace(otherwise, doors=_checked(DoorsModel, read_json(host_calls, "--host-calls"), Locations("--host-calls")))
    if config is None:
        return otherwise
    return replace(otherwise, config=_mapping(read_json(config, "--config"), "--config"), places=Locations("--config"), base=())


def json_text(value: Json) -> str:
    """The text of a body that a case writes as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_json(text: str, name: str) -> Json:
    """JSON of a command line; `name` is what it is called there. Raises ConfigError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is not JSON: {clip(str(error), 200)}.") from None
    if problems := not_json(value, Locations(name)):
        raise ConfigError(f"{name} cannot be used:", problems)
    return value


def _mapping(value: Json, name: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name} must be an object, not {quote(value)}.")
    return value


def _case(model: CaseModel, i: int, shared: Setting) -> Case:
    path: Path = ("cases", i)
    own = None
    if model.config is not None or model.doors is not None or model.grants is not None:
        own = Setting(
            shared.config if model.config is None else model.config,
            model.doors or shared.doors,
            model.grants or shared.grants,
            shared.places,
            shared.base if model.config is None else (*path, "config"),
        )
    kind: Literal["out", "has", "error"] = "error" if model.error else "has" if "has" in model.model_fields_set else "out"
    expected = model.error.model_dump(include=model.error.model_fields_set) if model.error else getattr(model, kind)
    logged = None if model.logged is None else tuple((line.level, line.message) for line in model.logged)
    return Case(model.name or f"case {i + 1}", model.op, model.input, expected, kind, logged, own, path)


def _expressions(value: Json) -> Iterator[str]:
    """The regular expressions of a partial expectation."""
    if is_pattern(value):
        yield value.get("regex", "")
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _expressions(part)


def _read(data: bytes | str, name: str) -> tuple[Json, Locations]:
    try:
        return read(data, name, max_bytes=MAX_BYTES)
    except Unreadable as error:
        raise ConfigError(f"{name} cannot be read:", error.problems) from None


def _checked(model: type[_M], value: Json, places: Locations) -> _M:
    try:
        return model.model_validate(_mapping(value, places.name))
    except ValidationError as error:
        raise ConfigError(f"{places.name} cannot be used:", problems_of(error, model, places)) from None
