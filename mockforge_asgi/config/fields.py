"""The field types that `mockforge.yaml` and `plugin.yaml` share: names, header names, sizes, network rules.

Each checks one value and says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, model_validator

from mockforge_asgi.config.network import BadRule, NetworkRule
from mockforge_asgi.config.parsing.json_values import no_json_scalar
from mockforge_asgi.config.parsing.pydantic_errors import fault
from mockforge_asgi.exact_json import WrittenNumber
from mockforge_asgi.routing.glob import PathGlob
from mockforge_asgi.text import quote

ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}\Z")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}\Z")
_DIGEST = re.compile(r"sha256-[0-9a-f]{64}\Z")
_QUERY = re.compile(r"[A-Za-z_][\w.-]{0,127}/[A-Za-z_][\w.-]{0,127}\Z", re.ASCII)
_FOREIGN_PARAMETER = re.compile(
    r"(?<=/):(?P<colon>[A-Za-z_]\w*)(?:\([^/]*\))?|<(?:(?P<kind>\w+):)?(?P<angle>[A-Za-z_]\w*)>|(?<=/)\[(?:\.\.\.)?(?P<square>[A-Za-z_]\w*)\](?=/|\Z)"
)
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*\Z")


class Strict(BaseModel):
    """A mapping with known keys only and no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, populate_by_name=False)


def matching(pattern: re.Pattern[str], what: str, remedy: str, *, is_shown: bool = True, **schema: Any) -> Any:
    """A validator for text of that pattern; it is in the JSON Schema too. What may be a secret in the wrong place is not shown."""

    def check(value: str) -> str:
        if not pattern.match(value):
            raise fault(f"{quote(value) if is_shown else 'the text'} is not {what}.", remedy)
        return value

    return _with_schema(AfterValidator(check), pattern="^" + pattern.pattern.replace(r"\Z", "$"), **schema)


class _Extra:
    """Adds words to the JSON Schema of a field."""

    __slots__ = ("schema",)

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), **self.schema}


class _Also:
    """Lets the JSON Schema accept a short form beside the full one."""

    __slots__ = ("short",)

    def __init__(self, short: dict[str, Any]) -> None:
        self.short = short

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [self.short, handler(core)]}


def _with_schema(validator: Any, **schema: Any) -> tuple[Any, Any]:
    return validator, _Extra(schema)


def short_form(expand: Callable[[Any], Any], schema: dict[str, Any]) -> tuple[Any, Any]:
    """Markers for a field that may be written short: `expand` gives the full form of what is short, anything else as it is."""
    return BeforeValidator(expand), _Also(schema)


Id = Annotated[
    str, *matching(ID, "an id", "Ids are lower-case words joined by '-', such as hello-auth.", maxLength=64), Field(max_length=64)
]
Name = Annotated[str, *matching(_NAME, "a name", "Names are letters, digits, '_', '-' and '.', and begin with a letter.")]
Digest = Annotated[str, *matching(_DIGEST, "a digest", "Digests are `sha256-` and 64 hexadecimal digits.")]
QueryName = Annotated[str, *matching(_QUERY, "a named query", "Write `source/query`, such as users/by_id.")]


def _token(value: str) -> str:
    if not _TOKEN.match(value):
        raise fault(f"{quote(value)} is not a name.", "It may hold letters, digits and !#$%&'*+-.^_`|~ only.")
    return value


def _header(value: str) -> str:
    return _token(value).lower()


def _exact_header(value: str) -> str:
    if value == "*":
        raise fault("'*' is not accepted here.", "Name the headers.")
    return _header(value)


def _text_names(value: str) -> str:
    if not value or len(value) > 256 or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise fault(f"{quote(value)} is not a parameter name.")
    return value


HeaderName = Annotated[str, AfterValidator(_header)]
"""A header name in lower case, or `*` for all."""
SetHeaderName = Annotated[str, AfterValidator(_exact_header)]
CookieName = Annotated[str, AfterValidator(_token)]
QueryParameter = Annotated[str, AfterValidator(_text_names)]


def _header_value(value: str) -> str:
    if not _FIELD_VALUE.match(value):
        raise fault("a header value cannot hold line breaks or control characters.", "Remove them.")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise fault("a header value holds characters that HTTP cannot carry.", "Percent-encode them.") from None
    return value


def number_text(value: Any) -> Any:
    """A number as the text of a header, if it is written as everywhere."""
    if isinstance(value, WrittenNumber):
        raise fault("it is a number that is not written so everywhere, and a header is text.", "Put it in quotes.")
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


HeaderValue = Annotated[str, *short_form(number_text, {"type": "number"}), AfterValidator(_header_value)]


def own_spelling(path: str) -> str:
    """The path, if its parameters are not written as other frameworks write them: such a path would match that very text."""
    meant = _FOREIGN_PARAMETER.sub(_parameter, path)
    if meant != path:
        raise fault(f"{quote(path)} writes a parameter as other frameworks do.", f"Write {quote(meant)}.")
    return path


def _parameter(found: re.Match[str]) -> str:
    kind = f":{found['kind']}" if found["kind"] in ("int", "float", "uuid", "path") else ""
    return f"{{{found['colon'] or found['angle'] or found['square']}{kind}}}"


def _glob(value: str) -> str:
    own_spelling(value)
    try:
        PathGlob(value)
    except ValueError as error:
        raise fault(f"{error}.", "Write a path such as /hello/**.") from None
    return value


Glob = Annotated[str, Field(max_length=2048), AfterValidator(_glob)]


def _inner_path(value: str) -> str:
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or "\\" in value or any(ord(c) < 32 for c in value):
        raise fault(f"{quote(value)} is not a path inside the plugin's folder.", "Write it relative to plugin.yaml, without '..'.")
    return value


InnerPath = Annotated[str, Field(max_length=512), AfterValidator(_inner_path)]


def _method(value: str) -> str:
    if value.upper() in ("ANY", "ALL", "*"):
        raise fault(f"{quote(value)} is not a method.", "Leave it out: then every method is meant.")
    if not re.match(r"[A-Za-z]{1,20}\Z", value):
        raise fault(f"{quote(value)} is not a method.", "Write one such as GET.")
    return value.upper()


def as_list(value: Any) -> Any:
    """A single text as a list of one."""
    return [value] if isinstance(value, str) else value


Method = Annotated[str, AfterValidator(_method)]
AnyMethod = Annotated[str, AfterValidator(lambda value: value if value == "*" else _method(value))]
"""A method, or `*` for all."""
Methods = Annotated[list[Method], Field(min_length=1, max_length=32), *short_form(as_list, {"type": "string"})]


class NetworkEntry(Strict):
    """`allow` is the rule; `private: true` says that an address inside is meant."""

    allow: str = Field(max_length=300, description="scheme://host[:port]; the leftmost label may be '*'.")
    private: bool = Field(default=False, description="Whether addresses inside (loopback, private networks) are meant.")

    def rule(self, *, any_host: bool = False) -> NetworkRule:
        """The parsed rule."""
        return NetworkRule.parse(self.allow, private=self.private, any_host=any_host)


class GrantedNetwork(NetworkEntry):
    """A rule that the operator grants: hosts are named."""

    @model_validator(mode="after")
    def _check(self) -> GrantedNetwork:
        rule = _parsed(self, any_host=False)
        if rule.is_inside and not rule.private:
            raise fault(
                f"'{rule}' is an address inside, which needs `private: true`.", f"Write {{allow: '{rule}', private: true}} if it is meant."
            )
        return self


class AskedNetwork(NetworkEntry):
    """A rule that a plugin asks for; `scheme://*` leaves the host to the operator."""

    @model_validator(mode="after")
    def _check(self) -> AskedNetwork:
        _parsed(self, any_host=True)
        return self


def _parsed(entry: NetworkEntry, *, any_host: bool) -> NetworkRule:
    try:
        return entry.rule(any_host=any_host)
    except BadRule as error:
        raise fault(f"{quote(entry.allow)}: {error.what}", error.remedy) from None


def network_entry(value: Any) -> Any:
    """A plain text as a rule without `private`."""
    return {"allow": value} if isinstance(value, str) else value


def plain(value: Any) -> Any:
    """The data with plain numbers of at most 64 bits, for those who know of no others. Raises fault."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if what := no_json_scalar(value):
        raise fault(f"a value in it {what}", "Put it in quotes if it is text.")
    return value.plain if isinstance(value, WrittenNumber) else value


PlainMapping = Annotated[dict[str, Any], AfterValidator(plain)]


class LimitsModel(Strict):
    """What one call of a plugin may use."""

    memory_mb: int | None = Field(default=None, ge=1, le=4096, description="Linear memory of one instance, in MiB.")
    cpu_ms: int | None = Field(default=None, ge=1, le=60_000, description="Computing time of one call.")
    timeout_ms: int | None = Field(default=None, ge=1, le=300_000, description="Wall time of one call, waits included.")
    output_kb: int | None = Field(default=None, ge=1, le=65_536, description="Size of an answer, in KiB.")
    vars_kb: int | None = Field(default=None, ge=1, le=65_536, description="Variables of one instance of an Extism plugin, in KiB.")
