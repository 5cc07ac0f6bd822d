"""The `permissions:` of a manifest, as written: one entry per permission, by its dotted name.

permissions:
  request.headers: {names: [x-api-key], reason: reads the key the caller sends}
  secrets: {config: [bind_password], reason: the secret that its configuration names}
  kv: {max_keys: 100, optional: true}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from mockforge_asgi.config.fields import (
    AskedNetwork,
    CookieName,
    HeaderName,
    InnerPath,
    Name,
    QueryName,
    QueryParameter,
    SetHeaderName,
    Strict,
    as_list,
    matching,
    network_entry,
    short_form,
)
from mockforge_asgi.config.objects import Right
from mockforge_asgi.config.parsing.pydantic_errors import fault
from mockforge_asgi.security.permissions import Permission, Permissions

_KEY = re.compile(r"(?:[^.*\s]{1,64}|\*)(?:\.(?:[^.*\s]{1,64}|\*)){0,7}\Z")
ConfigKey = Annotated[str, *matching(_KEY, "a key of the configuration", "Write one such as jwks_url, or keys.*.secret.")]


def is_key(text: str) -> bool:
    """Whether that is a key of a configuration, in form."""
    return _KEY.match(text) is not None


class Asked(Strict):
    """A permission without extent."""

    reason: str = Field(default="", max_length=500, description="Why the plugin needs it; shown to the operator.")
    optional: bool = Field(default=False, description="Whether the plugin also works without it.")

    def right(self, name: str) -> Right:
        """The right that is asked for."""
        return Right(name)


class AskedByConfig(Asked):
    """Something by name: in the manifest, or at keys of the plugin's configuration."""

    main_key: ClassVar[str] = "names"
    config: Annotated[list[ConfigKey], Field(max_length=32), *short_form(as_list, {"type": "string"})] = Field(
        default_factory=list,
        description="Keys of the plugin's configuration whose values are asked for: dotted, `*` for any entry.",
        examples=["[keys.*.secret]"],
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not getattr(self, self.main_key) and not self.config:
            example = (type(self).model_fields[self.main_key].examples or ["[]"])[0]
            remedy = f"Add `{self.main_key}: {example}`, or `config` with keys of its configuration."
            raise fault(f"`{self.main_key}` is missing.", remedy)
        return self

    def right(self, name: str) -> Right:
        """The right that is asked for."""
        return Right(name, frozenset(getattr(self, self.main_key)))


class AskedHeaders(AskedByConfig):
    """Headers by name."""

    names: Annotated[list[HeaderName], Field(min_length=1)] = Field(
        default_factory=list, description="Header names; '*' for all.", examples=["[x-api-key]"]
    )


class AskedSetHeaders(AskedByConfig):
    """Restricted headers by name."""

    names: Annotated[list[SetHeaderName], Field(min_length=1)] = Field(
        default_factory=list, description="Header names.", examples=["[set-cookie]"]
    )


class AskedCookies(AskedByConfig):
    """Cookies by name."""

    names: Annotated[list[CookieName], Field(min_length=1)] = Field(
        default_factory=list, description="Cookie names; '*' for all.", examples=["[session]"]
    )


class AskedQuery(AskedByConfig):
    """Query parameters by name."""

    names: Annotated[list[QueryParameter], Field(min_length=1)] = Field(
        default_factory=list, description="Parameter names; '*' for all.", examples=["[page]"]
    )


class AskedSecrets(AskedByConfig):
    """Secrets by name."""

    names: Annotated[list[Name], Field(min_length=1)] = Field(
        default_factory=list, description="Names of secrets.", examples=["[api_keys]"]
    )


class AskedKv(Asked):
    """Key-value storage."""

    max_keys: int | None = Field(default=None, ge=1, le=1_000_000, description="The most keys it needs.")
    max_bytes: int | None = Field(default=None, ge=1, le=1 << 30, description="The most bytes it needs.")

    def right(self, name: str) -> Right:
        """The right that is asked for."""
        return Right(name, max_keys=self.max_keys, max_bytes=self.max_bytes)


class AskedConnections(AskedByConfig):
    """Network rules, and the origins of URLs in the plugin's configuration."""

    main_key: ClassVar[str] = "allow"
    allow: Annotated[list[Annotated[AskedNetwork, *short_form(network_entry, {"type": "string"})]], Field(min_length=1)] = Field(
        default_factory=list,
        description="Rules `scheme://host[:port]`; `https://*` leaves the host to the operator.",
        examples=["[https://api.example.com]"],
    )

    def right(self, name: str) -> Right:
        """The right that is asked for."""
        return Right(name, network=tuple(entry.rule(any_host=True) for entry in self.allow))


class AskedData(AskedByConfig):
    """Named queries."""

    main_key: ClassVar[str] = "queries"
    queries: Annotated[list[QueryName], Field(min_length=1)] = Field(
        default_factory=list, description="Queries as `source/query`.", examples=["[users/by_id]"]
    )


class AskedRawData(AskedByConfig):
    """Query text of the plugin's own."""

    main_key: ClassVar[str] = "sources"
    sources: Annotated[list[Name], Field(min_length=1)] = Field(default_factory=list, description="Names of sources.", examples=["[users]"])


class AskedFiles(Asked):
    """Files of the plugin's own folder."""

    read: Annotated[list[InnerPath], Field(min_length=1, max_length=100)] = Field(
        description="Paths or globs below its folder.", examples=["[data/*.csv]"]
    )

    def right(self, name: str) -> Right:
        """The right that is asked for."""
        return Right(name, frozenset(self.read))


class PermissionsModel(Strict):
    """What a plugin asks for. Anything not asked for is denied."""

    request_headers: AskedHeaders | None = Field(default=None, alias="request.headers", description="Read request headers.")
    request_cookies: AskedCookies | None = Field(default=None, alias="request.cookies", description="Read cookies.")
    request_query: AskedQuery | None = Field(default=None, alias="request.query", description="Read query parameters.")
    request_body: Asked | None = Field(default=None, alias="request.body", description="Read the request's body.")
    request_client: Asked | None = Field(default=None, alias="request.client", description="See the client's address.")
    request_principal: Asked | None = Field(default=None, alias="request.principal", description="See who the caller is.")
    response_headers: AskedHeaders | None = Field(default=None, alias="response.headers", description="Modifiers: see headers of answers.")
    response_set_headers: AskedSetHeaders | None = Field(default=None, alias="response.set_headers", description="Set restricted headers.")
    response_body: Asked | None = Field(default=None, alias="response.body", description="Modifiers: read the body of answers.")
    secrets: AskedSecrets | None = Field(default=None, description="Read secrets.")
    kv: AskedKv | None = Field(default=None, description="Keep data in key-value storage.")
    network: AskedConnections | None = Field(default=None, description="Connect to hosts.")
    data: AskedData | None = Field(default=None, description="Run named queries of data sources.")
    data_raw: AskedRawData | None = Field(default=None, alias="data.raw", description="Send query text of its own to data sources.")
    files: AskedFiles | None = Field(default=None, description="Read files of its own folder.")

    @model_validator(mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        if isinstance(value, list):
            raise fault("is a list; permissions are a mapping by name.", "Write `secrets: {names: [api_keys]}`, for example.")
        if isinstance(value, dict):
            return {name: {} if asked is True else asked for name, asked in value.items()}
        return value

    def build(self) -> Permissions:
        """The permissions by name."""
        return Permissions({p.right.name: p for p in self._asked()})

    def _asked(self) -> Iterator[Permission]:
        for attribute, info in type(self).model_fields.items():
            asked: Asked | None = getattr(self, attribute)
            if asked is not None:
                name = info.alias or attribute
                keys = tuple(asked.config) if isinstance(asked, AskedByConfig) else ()
                yield Permission(asked.right(name), asked.optional, asked.reason, keys)
