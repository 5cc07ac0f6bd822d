"""The `grants:` of a plugin, as written: nested by subject, each part optional.

grants:
  request: {headers: [x-api-key], body: true}
  secrets: [api_keys]
  network: [https://api.example.com, {allow: "http://10.0.0.5:8080", private: true}]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, model_validator

from mockforge_asgi.config.fields import (
    CookieName,
    GrantedNetwork,
    HeaderName,
    InnerPath,
    Name,
    QueryName,
    QueryParameter,
    SetHeaderName,
    Strict,
    as_list,
    network_entry,
    short_form,
)
from mockforge_asgi.config.objects import Grants, Right
from mockforge_asgi.config.parsing.pydantic_errors import fault

_TEXT = {"type": "string"}


class RequestGrants(Strict):
    """What of the request the plugin sees beyond method and path. `*` in a list: all of them."""

    headers: Annotated[list[HeaderName], *short_form(as_list, _TEXT)] = Field(default_factory=list, description="Header names it may read.")
    cookies: Annotated[list[CookieName], *short_form(as_list, _TEXT)] = Field(default_factory=list, description="Cookies it may read.")
    query: Annotated[list[QueryParameter], *short_form(as_list, _TEXT)] = Field(
        default_factory=list, description="Query parameters it may read."
    )
    body: bool = Field(default=False, description="Whether it may read the body.")
    client: bool = Field(default=False, description="Whether it sees the client's address.")
    principal: bool = Field(default=False, description="Whether it sees who the caller is.")


class ResponseGrants(Strict):
    """What the plugin may see and do of answers beyond making its own."""

    body: bool = Field(default=False, description="Whether a modifier may read the answer's body.")
    headers: Annotated[list[HeaderName], *short_form(as_list, _TEXT)] = Field(
        default_factory=list, description="Headers of the answer that a modifier sees; `*` for all."
    )
    set_headers: Annotated[list[SetHeaderName], *short_form(as_list, _TEXT)] = Field(
        default_factory=list, description="Restricted headers that it may set, such as set-cookie."
    )


class KvGrant(Strict):
    """How much the plugin may keep in key-value storage."""

    max_keys: int | None = Field(default=None, ge=1, le=1_000_000, description="The most keys.")
    max_bytes: int | None = Field(default=None, ge=1, le=1 << 30, description="The most bytes, keys and values together.")


class DataGrant(Strict):
    """Which data the plugin may ask for."""

    queries: list[QueryName] = Field(default_factory=list, description="Named queries as `source/query`.")
    raw: list[Name] = Field(default_factory=list, description="Sources it may send query text of its own to.")


class FilesGrant(Strict):
    """Which of its own files the plugin may read."""

    read: list[InnerPath] = Field(default_factory=list, description="Paths or globs below the plugin's folder.")


def _kv(value: Any) -> Any:
    return {} if value is True else None if value is False else value


def _queries(value: Any) -> Any:
    return {"queries": value} if isinstance(value, list) else {"queries": [value]} if isinstance(value, str) else value


def _files(value: Any) -> Any:
    return {"read": value} if isinstance(value, list) else {"read": [value]} if isinstance(value, str) else value


_STRINGS = {"type": "array", "items": {"type": "string"}}


class GrantsModel(Strict):
    """What the operator allows one plugin; nothing unless written here."""

    request: RequestGrants = Field(default_factory=RequestGrants, description="What it sees of the request.")
    response: ResponseGrants = Field(default_factory=ResponseGrants, description="What it may do with the answer.")
    secrets: Annotated[list[Name], *short_form(as_list, _TEXT)] = Field(default_factory=list, description="Secrets it may read, by name.")
    kv: Annotated[KvGrant | None, *short_form(_kv, {"type": "boolean"})] = Field(default=None, description="Key-value storage.")
    network: list[Annotated[GrantedNetwork, *short_form(network_entry, _TEXT)]] = Field(
        default_factory=list, description="Where it may connect."
    )
    data: Annotated[DataGrant, *short_form(_queries, _STRINGS)] = Field(default_factory=DataGrant, description="Data it may ask for.")
    files: Annotated[FilesGrant, *short_form(_files, _STRINGS)] = Field(
        default_factory=FilesGrant, description="Its own files it may read."
    )

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, value: Any) -> Any:
        dotted = sorted(k for k in value if isinstance(k, str) and "." in k) if isinstance(value, dict) else []
        if dotted:
            first, _, rest = dotted[0].partition(".")
            raise fault(f"'{dotted[0]}' is the form of plugin.yaml; grants are nested.", f"Write `{first}: {{{rest}: …}}`.")
        return value

    def build(self) -> Grants:
        """The grants as rights by permission name."""
        return Grants({right.name: right for right in self._rights()})

    def _rights(self) -> Iterator[Right]:
        names = {
            "request.headers": self.request.headers,
            "request.cookies": self.request.cookies,
            "request.query": self.request.query,
            "response.headers": self.response.headers,
            "response.set_headers": self.response.set_headers,
            "secrets": self.secrets,
            "data": self.data.queries,
            "data.raw": self.data.raw,
            "files": self.files.read,
        }
        flags = {
            "request.body": self.request.body,
            "request.client": self.request.client,
            "request.principal": self.request.principal,
            "response.body": self.response.body,
        }
        yield from (Right(name, frozenset(values)) for name, values in names.items() if values)
        yield from (Right(name) for name, is_granted in flags.items() if is_granted)
        if self.kv is not None:
            yield Right("kv", max_keys=self.kv.max_keys, max_bytes=self.kv.max_bytes)
        if self.network:
            yield Right("network", network=tuple(entry.rule() for entry in self.network))
