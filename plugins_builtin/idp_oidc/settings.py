"""What the configuration says: the addresses of this provider, its users and its clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from mockforge_plugin import Request

from .defects import AS_USUAL, Behaviour, behaviour_problems

LOOPBACK: Final = "loopback"
"""In `redirect_uris`: any http address on the machine that the browser runs on."""
USERS: Final[Sequence[Mapping[str, Any]]] = (
    {"id": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "roles": ["admin", "member"], "groups": ["staff"]},
    {"id": "grace", "name": "Grace Hopper", "email": "grace@example.com", "roles": ["member"], "groups": ["staff"]},
    {"id": "alan", "name": "Alan Turing", "email": "alan@example.com"},
)
"""The users where the configuration names none."""
CLIENTS: Final[Sequence[Mapping[str, Any]]] = ({"client_id": "web"}, {"client_id": "spa"})
"""The clients where the configuration names none: `web` has a secret, `spa` has none."""
DEFAULT_SECRETS: Final = {"web": "web-secret"}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

_NO_URI: Final = f"is not a whole address without a fragment. Write one such as https://app.example/callback, or `{LOOPBACK}`"


class BadAddress(ValueError):
    """A request from which this provider's own address cannot be told."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this provider is, as browsers and clients know it; all that it says of itself agrees with it."""

    issuer: str

    @classmethod
    def of(cls, config: Mapping[str, Any], request: Request, path: str) -> Addresses:
        """Those that the configuration gives, else those of a request to the endpoint at that path. Raises BadAddress."""
        given = config.get("public_url")
        if given:
            return cls(given)
        if not _HOST.fullmatch(request.host):
            raise BadAddress("the Host header of the request is not a host name")
        base = unquote(request.raw_path).removesuffix(path)
        return cls(f"{request.scheme}://{request.host.lower()}{quote(base)}")

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers write it."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def path(self) -> str:
        """The path below which everything is."""
        return urlsplit(self.issuer).path + "/"

    def at(self, path: str) -> str:
        """The address of an endpoint, `/token` for one."""
        return self.issuer + path


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in."""

    id: str
    name: str | None = None
    email: str | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    """None: whoever chooses this user is let in."""
    behaviour: Behaviour = AS_USUAL

    def said(self, scopes: Sequence[str]) -> dict[str, Any]:
        """The claims about this user that those scopes give (OIDC Core §5.4); roles, groups and configured claims are always there."""
        found: dict[str, Any] = {"sub": self.id}
        if "profile" in scopes:
            found |= {"name": self.name or self.id, "preferred_username": self.id}
        if "email" in scopes and self.email is not None:
            found |= {"email": self.email, "email_verified": True}
        found |= {key: list(values) for key, values in (("roles", self.roles), ("groups", self.groups)) if values}
        return {**found, **self.claims}


@dataclass(frozen=True, slots=True)
class Client:
    """An application that may send people here and ask for tokens; one without a secret is public."""

    id: str
    secret: str | None = field(default=None, repr=False)
    name: str | None = None
    """What the login page calls it."""
    redirect_uris: tuple[str, ...] = (LOOPBACK,)
    post_logout_redirect_uris: tuple[str, ...] = (LOOPBACK,)
    scopes: tuple[str, ...] | None = None
    """Those that it may ask for; None: all."""
    audience: str | None = None
    needs_pkce: bool = True
    behaviour: Behaviour = AS_USUAL

    def may_return_to(self, uri: str) -> bool:
        """Whether a login may end there."""
        return _is_listed(uri, self.redirect_uris)

    def may_leave_to(self, uri: str) -> bool:
        """Whether a logout may end there."""
        return _is_listed(uri, self.post_logout_redirect_uris)


def _is_listed(uri: str, listed: Sequence[str]) -> bool:
    return (uri in listed and uri != LOOPBACK) or (LOOPBACK in listed and is_loopback(uri))


def is_loopback(url: str) -> bool:
    """Whether it is a web address on the machine itself, without anything that is read in two ways."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        if not _is_plain(url) or parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return False
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and not set(url) & set(' #\\<>"')


def users_of(config: Mapping[str, Any], secret: Callable[[str], str]) -> dict[str, User]:
    """Who can log in, by id; `secret` gives their passwords."""
    return {
        entry["id"]: User(
            entry["id"],
            entry.get("name"),
            entry.get("email"),
            tuple(entry.get("roles", ())),
            tuple(entry.get("groups", ())),
            entry.get("claims", {}),
            secret(entry["password"]) if "password" in entry else None,
            Behaviour.of(entry),
        )
        for entry in config.get("users") or USERS
    }


def clients_of(config: Mapping[str, Any], secret: Callable[[str], str]) -> dict[str, Client]:
    """The clients, by id; `secret` gives their secrets."""
    if not config.get("clients"):
        return {entry["client_id"]: Client(entry["client_id"], DEFAULT_SECRETS.get(entry["client_id"])) for entry in CLIENTS}
    return {
        entry["client_id"]: client_of(entry, secret(entry["client_secret"]) if "client_secret" in entry else None)
        for entry in config["clients"]
    }


def client_of(entry: Mapping[str, Any], secret: str | None) -> Client:
    """The client of an entry."""
    return Client(
        entry["client_id"],
        secret,
        entry.get("name") or entry.get("client_name"),
        tuple(entry.get("redirect_uris", (LOOPBACK,))),
        tuple(entry.get("post_logout_redirect_uris", (LOOPBACK,))),
        tuple(entry["scopes"]) if "scopes" in entry else None,
        entry.get("audience"),
        entry.get("pkce", "required") == "required",
        Behaviour.of(entry),
    )


def problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(place, words) of what a schema cannot say."""
    url = config.get("public_url")
    if url is not None and not _is_base(url):
        yield "public_url", "it is not an address such as https://idp.example/idp, without a slash, query or fragment at its end"
    for key, name in (("users", "id"), ("clients", "client_id")):
        seen: set[str] = set()
        for number, entry in enumerate(config.get(key) or ()):
            if entry[name] in seen:
                yield f"{key}[{number}].{name}", f"'{entry[name]}' is there twice"
            seen.add(entry[name])
            yield from ((f"{key}[{number}].{place}", words) for place, words in behaviour_problems(entry))
    for number, entry in enumerate(config.get("clients") or ()):
        for kind in ("redirect_uris", "post_logout_redirect_uris"):
            for i, uri in enumerate(entry.get(kind, ())):
                if (words := uri_problem(uri)) is not None:
                    yield f"clients[{number}].{kind}[{i}]", words
    known = [entry["id"] for entry in config.get("users") or USERS]
    if (wanted := config.get("auto_login")) is not None and wanted not in known:
        meant = get_close_matches(wanted, known, 1)
        advice = f"Did you mean '{meant[0]}'?" if meant else f"There are {', '.join(known)[:200]}"
        yield "auto_login", f"there is no user '{wanted}'. {advice}"


def uri_problem(uri: str) -> str | None:
    """What is wrong with an address that browsers are sent back to (RFC 6749 §3.1.2)."""
    return None if uri == LOOPBACK or _is_whole(uri) else f"'{uri[:200]}' {_NO_URI}"


def _is_whole(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        has_host = bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False
    is_fit = has_host if parts.scheme in ("http", "https") else parts.scheme not in ("", "javascript", "data", "vbscript")
    return is_fit and _is_plain(uri) and "*" not in uri


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        return has_host and _is_plain(url) and "?" not in url and not url.endswith("/")
    except ValueError:
        return False
