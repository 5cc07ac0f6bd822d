"""The value types that plugins receive and return: requests, responses, decisions.

Pure standard library and importable natively and inside the sandbox. How they become JSON documents is
`mockforge_plugin.operations.documents`; what the host does with them is the host's affair.
"""

from __future__ import annotations

import json as _json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from mockforge_plugin.cookies import SameSite, cookie
from mockforge_plugin.pairs import Pairs, pairs
from mockforge_plugin.slots import WithKnown, set_known, setters

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list of values, dict of str to value."""


@dataclass(frozen=True, slots=True, init=False)
class Principal:
    """Who the credentials belong to."""

    id: str
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    name: str | None = None
    email: str | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)

    def __init__(
        self,
        id: str,
        roles: tuple[str, ...] = (),
        groups: tuple[str, ...] = (),
        name: str | None = None,
        email: str | None = None,
        attributes: Mapping[str, Json] | None = None,
    ) -> None:
        _set_id(self, id)
        _set_roles(self, roles)
        _set_groups(self, groups)
        _set_name(self, name)
        _set_email(self, email)
        _set_attributes(self, {} if attributes is None else attributes)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Principal:
        """The principal of its document."""
        return cls(
            document["id"],
            tuple(document.get("roles", ())),
            tuple(document.get("groups", ())),
            document.get("name"),
            document.get("email"),
            document.get("attributes") or {},
        )


_set_id, _set_roles, _set_groups, _set_name, _set_email, _set_attributes = setters(Principal)


@dataclass(frozen=True, slots=True)
class Body:
    """A body as the plugin holds it: whole, or still at the host (`available` bytes, fetch with `read()` of its owner)."""

    data: bytes | None = None
    available: int = 0

    @property
    def size(self) -> int:
        """Its length in bytes, wherever it is."""
        return self.available if self.data is None else len(self.data)


def body_of(document: Mapping[str, Any] | None) -> Body:
    """The body of a body document: `{"text"}`, `{"base64"}`, `{"available": n}` or nothing."""
    if not document:
        return Body(b"")
    if "text" in document:
        return Body(document["text"].encode())
    if "base64" in document:
        return Body(b64decode(document["base64"], validate=True))
    return Body(None, document["available"])


def body_document(body: bytes | Body) -> dict[str, Json]:
    """The document of a body: text when it is UTF-8, else base64."""
    data = body.data if isinstance(body, Body) else body
    if data is None:
        return {"available": body.available if isinstance(body, Body) else 0}
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode("ascii")}


@dataclass(frozen=True, slots=True, init=False)
class Response:
    """A whole HTTP answer, or the name of an operator's template with variables for it.

    From a modifier the body may be a `Body` that is still at the host: it stays as it is.
    """

    status: int = 200
    headers: Pairs = ()
    body: bytes | Body = b""
    template: str | None = None
    vars: Mapping[str, Json] = field(default_factory=dict)

    def __init__(
        self,
        status: int = 200,
        headers: Pairs = (),
        body: bytes | Body = b"",
        template: str | None = None,
        vars: Mapping[str, Json] | None = None,
    ) -> None:
        _set_status(self, status)
        _set_headers(self, headers)
        _set_body(self, body)
        _set_template(self, template)
        _set_vars(self, {} if vars is None else vars)

    @classmethod
    def json(cls, value: Json, status: int = 200, headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None) -> Response:
        """An answer of `application/json`."""
        text = _json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return cls(status, (("content-type", "application/json"), *pairs(headers)), text.encode())

    @classmethod
    def text(cls, text: str, status: int = 200, headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None) -> Response:
        """An answer of `text/plain; charset=utf-8`."""
        return cls(status, (("content-type", "text/plain; charset=utf-8"), *pairs(headers)), text.encode())

    @classmethod
    def html(cls, text: str, status: int = 200, headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None) -> Response:
        """An answer of `text/html; charset=utf-8`."""
        return cls(status, (("content-type", "text/html; charset=utf-8"), *pairs(headers)), text.encode())

    @classmethod
    def redirect(cls, url: str, status: int = 302, headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None) -> Response:
        """An answer that sends the client to another address (RFC 9110 §15.4)."""
        return cls(status, (("location", url), *pairs(headers)))

    @classmethod
    def render(
        cls,
        template: str,
        vars: Mapping[str, Json] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None,
    ) -> Response:
        """An answer that the host renders from the operator's template of that name."""
        return cls(status, pairs(headers), b"", template, dict(vars or {}))

    def with_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age_s: int | None = None,
        path: str = "/",
        http_only: bool = True,
        secure: bool | None = None,
        same_site: SameSite = "Lax",
    ) -> Response:
        """This answer with one more cookie set: see `cookie`. It needs the grant `response.set_headers: [set-cookie]`."""
        made = cookie(name, value, max_age_s=max_age_s, path=path, http_only=http_only, secure=secure, same_site=same_site)
        return replace(self, headers=(*self.headers, made))

    def without_cookie(self, name: str, *, path: str = "/", secure: bool | None = None) -> Response:
        """This answer, which has the browser forget a cookie that was set with that path."""
        return self.with_cookie(name, "", max_age_s=0, path=path, secure=secure)


_set_status, _set_headers, _set_body, _set_template, _set_vars = setters(Response)


@dataclass(frozen=True, slots=True, init=False)
class Allow(WithKnown):
    """The caller may pass, as this principal."""

    principal: Principal
    claims: Mapping[str, Json] = field(default_factory=dict)
    set_headers: Pairs = ()
    """Headers set on the answer (a refreshed session cookie, say); restricted names need a grant."""

    def __init__(self, principal: Principal, claims: Mapping[str, Json] | None = None, set_headers: Pairs = ()) -> None:
        _set_principal(self, principal)
        _set_claims(self, {} if claims is None else claims)
        _set_set_headers(self, set_headers)
        set_known(self, None)


_set_principal, _set_claims, _set_set_headers = setters(Allow)


@dataclass(frozen=True, slots=True)
class Deny:
    """The caller may not pass. `challenge` becomes `WWW-Authenticate` (RFC 9110 §11.6.1)."""

    status: int = 401
    reason: str = "authentication failed"
    challenge: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The plugin answers the request itself (a redirect to a login page, say)."""

    response: Response


Decision: TypeAlias = Allow | Deny | Reply | None
"""What an auth plugin says; None means "not mine, ask the next"."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a plugin is: `ok`, `degraded` or `down`, and why."""

    status: str = "ok"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """Who the plugin is: the name that the operator gave it, the version of its manifest, and whether it runs in development mode.

    `base_dir` is the folder that relative paths of the configuration begin at, for native plugins; the others have no files.
    """

    id: str = ""
    version: str = ""
    development: bool = False
    prefix: str = ""  # what the paths of its endpoints begin with
    base_dir: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a template function."""

    name: str
    type: str = "any"
    description: str = ""
    required: bool = True
    default: Json = None
    var_args: bool = False


@dataclass(frozen=True, slots=True)
class FunctionMetadata:
    """What a template function is called, takes and gives."""

    name: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    returns: str = "any"
    examples: tuple[str, ...] = ()
    category: str | None = None
    pure: bool = False


class Fake:
    """What a provider of fake data draws from, `fake` among its arguments: the same values for the same seed, in every kit (SplitMix64)."""

    __slots__ = ("_state", "locale", "seed")

    def __init__(self, seed: int, locale: str = "en_US") -> None:
        self.seed, self.locale, self._state = seed, locale, seed

    def float(self) -> float:
        """A number from 0 up to, but not, 1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (self._state ^ self._state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        return ((mixed ^ mixed >> 31) >> 11) / 2**53

    def integer(self, low: int, high: int) -> int:
        """One of the whole numbers from `low` to `high`, both among them."""
        return low + int(self.float() * (high - low + 1))

    def choice(self, items: Sequence[Any]) -> Any:
        """One of the items."""
        return items[self.integer(0, len(items) - 1)]
