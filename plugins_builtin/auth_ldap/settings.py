"""The configuration as frozen values, and what is wrong with one that a JSON Schema cannot say."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from .names import DnKey, dn_key, filter_problem, folded, is_dn_template

Problem: TypeAlias = tuple[str, str]
MEMBERS: Final = "(|(member={dn})(uniqueMember={dn}))"
"""The groups of a member, unless the configuration says otherwise."""
_PORTS: Final = {"ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a directory is, and how the connection is protected."""

    uri: str
    host: str
    port: int
    tls: Literal["ldaps", "starttls", "none"]


@dataclass(frozen=True, slots=True)
class Users:
    """How the entry of a user is found."""

    base: str
    filter: str = "(uid={user})"
    scope: str = "subtree"


@dataclass(frozen=True, slots=True)
class Groups:
    """Which groups count, and how they are found."""

    base: str
    base_key: DnKey
    read: str = "search"
    filter: str = MEMBERS
    nested: int = 5
    max: int = 200
    name: str = "cn"
    names: str = "name"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a login needs to know."""

    servers: tuple[Server, ...]
    ca_file: str | None
    bind_dn: str | None
    bind_secret: str | None
    users: Users | None
    bind_as: str | None
    groups: Groups | None
    roles: Mapping[str | DnKey, tuple[str, ...]]
    id: str
    name: str
    email: str
    more: Mapping[str, str]
    realm: str
    cache_s: float
    cache_entries: int
    threads: int
    queue: int
    connect_s: float
    login_s: float
    retry_s: float

    @property
    def attributes(self) -> list[str]:
        """What is read of a user's entry."""
        wanted = [self.id, self.name, self.email, *self.more.values()]
        if self.groups is not None and self.groups.read == "member_of":
            wanted.append("memberOf")
        return list(dict.fromkeys(wanted))


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings of a configuration that has no problems; what it leaves out has its default."""
    groups, attributes, cache, pool, timeouts = (config.get(k) or {} for k in ("groups", "attributes", "cache", "pool", "timeouts"))
    return Settings(
        tuple(_server(uri, bool(config.get("starttls"))) for uri in config["servers"]),
        config.get("ca_file"),
        config.get("bind_dn"),
        config.get("bind_password"),
        Users(**config["users"]) if config.get("users") else None,
        config.get("bind_as"),
        Groups(base_key=dn_key(groups["base"]) or (), **groups) if groups else None,
        {dn_key(group) or folded(group): _listed(roles) for group, roles in (config.get("roles") or {}).items()},
        attributes.get("id", "uid"),
        attributes.get("name", "cn"),
        attributes.get("email", "mail"),
        attributes.get("more") or {},
        config.get("realm", "mockforge"),
        cache.get("seconds", 0),
        cache.get("entries", 1000),
        pool.get("threads", 4),
        pool.get("queue", 64),
        timeouts.get("connect_s", 2),
        timeouts.get("login_s", 5),
        timeouts.get("retry_s", 10),
    )


def _listed(roles: str | Sequence[str]) -> tuple[str, ...]:
    return (roles,) if isinstance(roles, str) else tuple(roles)


def _server(uri: str, starttls: bool) -> Server:
    """Raises ValueError."""
    parts = urlsplit(uri)
    is_more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or not parts.hostname or is_more:
        raise ValueError(uri)
    tls: Literal["ldaps", "starttls", "none"] = "ldaps" if parts.scheme == "ldaps" else "starttls" if starttls else "none"
    return Server(f"{parts.scheme}://{parts.netloc}", parts.hostname, parts.port or _PORTS[parts.scheme], tls)


def problems(config: Mapping[str, Any]) -> list[Problem]:
    """What is wrong: where, and what to do."""
    return [*_server_problems(config), *_login_problems(config), *_filter_problems(config), *_group_problems(config)]


def _server_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    starttls, insecure = bool(config.get("starttls")), bool(config.get("insecure"))
    servers = []
    for i, uri in enumerate(config["servers"]):
        try:
            servers.append(_server(uri, starttls))
        except ValueError:
            yield f"servers.{i}", f"{uri[:100]!r} is not a server. Write ldaps://host or ldap://host, with :port if need be."
    for server in servers:
        if server.tls == "none" and not insecure:
            what = f"{server.uri} would be sent passwords that anybody on the way can read."
            yield "servers", f"{what} Write ldaps://, or `starttls: true`; `insecure: true` if that is meant."
    if starttls and insecure:
        yield "insecure", "contradicts `starttls: true`. Remove one of them."
    if starttls and servers and all(server.tls == "ldaps" for server in servers):
        yield "starttls", "is for ldap:// servers, and there is none. Remove it."
    if config.get("ca_file"):
        yield from _ca_problems(config["ca_file"])


def _ca_problems(file: str) -> Iterator[Problem]:
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        yield "ca_file", f"{file[:200]!r} is no PEM file of certificates. Name one with the certificate of the authority."
    except OSError as error:
        what = f"{os.path.abspath(file)[:200]!r} cannot be read: {error.strerror}."
        yield "ca_file", f"{what} Name a PEM file with the certificate of the authority, best by its whole path."


def _login_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    has_account, has_users, bind_as = bool({"bind_dn", "bind_password"} & set(config)), "users" in config, config.get("bind_as")
    anonymous = bool(config.get("search_anonymously"))
    if ("bind_dn" in config) != ("bind_password" in config):
        yield "bind_dn", "needs `bind_password`, and the other way round. `bind_password` is the name of a secret."
    if dn_key(config.get("bind_dn", "dc=x")) is None:
        yield "bind_dn", "is no DN. Write one such as cn=mock,ou=services,dc=example,dc=com."
    if bind_as is not None:
        yield from _template_problems(bind_as, has_users)
        if has_account or anonymous:
            yield "bind_as", "contradicts `bind_dn` and `search_anonymously`: users log in without being looked up. Remove one of them."
        return
    if not has_users:
        yield "users", "is missing. Say where users are found, or by `bind_as` what to log in with."
    elif has_account and anonymous:
        yield "search_anonymously", "contradicts `bind_dn`: users are looked up by that account. Remove one of them."
    elif not has_account and not anonymous:
        yield "bind_dn", "is missing: who looks users up? Name an account; `search_anonymously: true` if the directory lets anybody."


def _template_problems(bind_as: str, has_users: bool) -> Iterator[Problem]:
    if bind_as.count("{user}") != 1:
        yield "bind_as", "must have {user} once, where the user name belongs."
    elif not is_dn_template(bind_as) and not has_users:
        yield "bind_as", "is no DN, so that the user's entry must be searched. Add `users`."


def _filter_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    users, groups = config.get("users") or {}, config.get("groups") or {}
    for place, text, names in (("users", users.get("filter"), ("{user}",)), ("groups", groups.get("filter"), ("{user}", "{dn}"))):
        if text is None:
            continue
        if not any(name in text for name in names):
            yield f"{place}.filter", f"must have {' or '.join(names)}: else it means the same for everybody."
        elif (wrong := filter_problem(text)) is not None:
            yield f"{place}.filter", wrong


def _group_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    groups = config.get("groups")
    for place in ("users", "groups"):
        if config.get(place) and dn_key(config[place]["base"]) is None:
            yield f"{place}.base", "is no DN. Write one such as ou=people,dc=example,dc=com."
    if config.get("roles") and not groups:
        yield "roles", "needs `groups`: without it nobody is in any."
    if groups and "{user}" in groups.get("filter", "") and groups.get("nested", 5) > 0:
        yield "groups.nested", "must be 0 with {user} in the filter: groups within groups are members by their DN."
    if groups and groups.get("filter", MEMBERS) != MEMBERS and groups.get("read", "search") != "search":
        yield "groups.filter", "is for `read: search` only. Remove it."
    timeouts = config.get("timeouts") or {}
    if timeouts.get("connect_s", 2) > timeouts.get("login_s", 5):
        yield "timeouts.connect_s", "is longer than `login_s`, within which everything must end."
