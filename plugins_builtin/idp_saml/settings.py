"""What the configuration says: the addresses of this provider, and its users."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from mockforge_plugin import Request

from .assertions import EMAIL, NAME_ID_FORMATS, PERSISTENT, TRANSIENT, UNSPECIFIED, NameId
from .elements import new_id

USERS: Final[Sequence[Mapping[str, Any]]] = (
    {"id": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "roles": ["admin", "member"], "groups": ["staff"]},
    {"id": "grace", "name": "Grace Hopper", "email": "grace@example.com", "roles": ["member"], "groups": ["staff"]},
    {"id": "alan", "name": "Alan Turing", "email": "alan@example.com"},
)
"""The users where the configuration names none."""
_READ_IN_TWO_WAYS: Final = frozenset(' \\<>"')
"""Characters of no URI (RFC 3986); browsers take a backslash for a slash, so that a host may end before it."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


class BadAddress(ValueError):
    """A request from which this provider's own address cannot be told."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this provider is, as browsers and service providers know it; all that it says of itself agrees with it."""

    base: str
    entity_id: str

    @classmethod
    def of(cls, config: Mapping[str, Any], request: Request, endpoint: str) -> Addresses:
        """Those that the configuration gives, else those of a request to the endpoint at that path. Raises BadAddress."""
        base = config.get("public_url") or _base(request, endpoint)
        return cls(base, config.get("entity_id") or f"{base}/metadata")

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers write it."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def path(self) -> str:
        """The path below which everything is."""
        return urlsplit(self.base).path + "/"

    @property
    def is_on_loopback(self) -> bool:
        """Whether it is reached on its own machine."""
        return is_loopback(self.base)

    def at(self, endpoint: str) -> str:
        """The address of an endpoint, `sso` for one."""
        return f"{self.base}/{endpoint}"


def _base(request: Request, endpoint: str) -> str:
    if not _HOST.fullmatch(request.host):
        raise BadAddress("the request's Host header is not a host name")
    path = request.raw_path if request.raw_path.endswith(endpoint) else unquote(request.raw_path)
    return f"{request.scheme}://{request.host.lower()}{path.removesuffix(endpoint)}"


def is_loopback(url: str) -> bool:
    """Whether the address is one of the machine itself, by a name or number that can be nothing else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or parts.username is not None:
            return False
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def is_web_address(url: str) -> bool:
    """Whether it is an http or https address without anything that browsers and servers read in two ways."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.username is None
            and url.isprintable()
            and not set(url) & _READ_IN_TWO_WAYS
        )
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in."""

    id: str
    name: str | None = None
    email: str | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    """The name of the secret with the password; None: whoever chooses this user is let in."""
    defect: str | None = None

    @classmethod
    def from_config(cls, entry: Mapping[str, Any]) -> User:
        """That of an entry of `users`."""
        attributes = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in entry.get("attributes", {}).items()}
        roles, groups = tuple(entry.get("roles", ())), tuple(entry.get("groups", ()))
        name, email, password, defect = (entry.get(key) for key in ("name", "email", "password", "defect"))
        return cls(entry["id"], name, email, roles, groups, attributes, password, defect)

    def said(self) -> dict[str, Sequence[str]]:
        """The attributes of an assertion; those of the configuration win."""
        one = {"name": self.name, "email": self.email}
        many = {"roles": self.roles, "groups": self.groups}
        found: dict[str, Sequence[str]] = {name: (value,) for name, value in one.items() if value is not None}
        return {**found, **{name: values for name, values in many.items() if values}, **self.attributes}

    def name_id(self, wanted: str) -> NameId | None:
        """What it is called in a format; None for formats, and users, without such a name."""
        if wanted == TRANSIENT:
            return NameId(new_id(), wanted)
        if wanted == EMAIL:
            return None if self.email is None else NameId(self.email, wanted)
        return NameId(self.id, wanted) if wanted in (UNSPECIFIED, PERSISTENT) else None


def users(config: Mapping[str, Any]) -> dict[str, User]:
    """Who can log in, by id."""
    return {user.id: user for user in map(User.from_config, config.get("users") or USERS)}


def name_id_format(config: Mapping[str, Any]) -> str:
    """The format of names where a service provider asks for none."""
    return NAME_ID_FORMATS[config["name_id_format"]]


def problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(place, words) of what a schema cannot say of addresses and users."""
    url = config.get("public_url")
    if url is not None and (not is_web_address(url) or url.endswith("/") or "?" in url or "#" in url):
        yield "public_url", "it is not an address such as https://idp.example/idp, without a slash, query or fragment at its end"
    seen: set[str] = set()
    for number, user in enumerate(config.get("users") or ()):
        if user["id"] in seen:
            yield f"users[{number}].id", f"'{user['id']}' is there twice"
        seen.add(user["id"])
