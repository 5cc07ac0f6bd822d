"""Permissions: what a plugin asks for, what the operator grants, and what comes of it.

The effective right is the intersection; nothing is allowed by default. It is enforced elsewhere, by who believes nothing else than
`EffectivePermissions`: at each host call (`plugins/hostcalls/hostcalls.py`), in what a plugin is shown (`http/request_document.py`) and in
what it answers (`contract/results.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from mockforge_asgi.config.network import BadRule as BadRule
from mockforge_asgi.config.network import NetworkRule as NetworkRule
from mockforge_asgi.config.network import meet
from mockforge_asgi.config.objects import Grants as Grants
from mockforge_asgi.config.objects import Right as Right
from mockforge_asgi.http.request_document import RequestView

NAMES: Final = {
    "request.headers": "reads headers",
    "request.cookies": "reads cookies",
    "request.query": "reads query parameters",
    "request.body": "reads the request's body",
    "request.client": "sees the client's address",
    "request.principal": "sees who the caller is",
    "response.headers": "reads headers of answers",
    "response.set_headers": "sets restricted headers",
    "response.body": "reads the body of answers",
    "secrets": "reads secrets",
    "kv": "keeps data in key-value storage",
    "network": "connects to",
    "data": "runs the queries",
    "data.raw": "sends query text of its own to",
    "files": "reads files of its own folder",
}
"""Every permission, and what it lets a plugin do."""

WILDCARD: Final = frozenset({"request.headers", "request.cookies", "request.query", "response.headers"})
"""Permissions whose names may be `*`: all of them."""

_GLOB_SIGNS: Final = frozenset("*?[")

DEFAULT_MAX_KEYS: Final = 1000
DEFAULT_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Permission:
    """One entry of a manifest's `permissions:`."""

    right: Right
    optional: bool = False
    reason: str = ""
    config: tuple[str, ...] = ()
    """Keys of the plugin's configuration, dotted, `*` for any: what stands there is asked for too (`plugins/asked.py`)."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a plugin asks for, by permission name."""

    asked: Mapping[str, Permission] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class KvRight:
    """How much a plugin may keep."""

    max_keys: int = DEFAULT_MAX_KEYS
    max_bytes: int = DEFAULT_MAX_BYTES


@dataclass(frozen=True, slots=True)
class EffectivePermissions:
    """What a plugin may do. Header names are lower-case; None as a set of names means all."""

    request_view: RequestView = field(default_factory=RequestView)
    response_headers: frozenset[str] | None = frozenset()
    response_body: bool = False
    set_headers: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    kv: KvRight | None = None
    network: tuple[NetworkRule, ...] = ()
    data: frozenset[str] = frozenset()
    """Named queries, as `source/query`."""
    data_raw: frozenset[str] = frozenset()
    """Sources that take query text of the plugin's own."""
    files: tuple[str, ...] = ()
    """Paths and globs below the plugin's folder."""


NOTHING: Final = EffectivePermissions()
"""No right at all."""


@dataclass(frozen=True, slots=True)
class Intersection:
    """What comes of asking and granting: the effective rights, what is needed but not granted, what is granted but not asked for."""

    effective: EffectivePermissions
    missing: tuple[Permission, ...] = ()
    unasked: tuple[Right, ...] = ()


def intersect(permissions: Permissions, grants: Grants) -> Intersection:
    """The rights that are both asked for and granted."""
    met: dict[str, Right] = {}
    missing: list[Permission] = []
    for name, permission in permissions.asked.items():
        right, lacking = _meet(permission.right, grants.rights.get(name))
        if right is not None:
            met[name] = right
        if lacking is not None and not permission.optional:
            missing.append(Permission(lacking, reason=permission.reason))
    unasked = tuple(_unasked(permissions, grants))
    return Intersection(_effective(met), tuple(missing), unasked)


def what_it_asks(permissions: Permissions, *, any_host: bool = True) -> Grants:
    """Grants of all that a plugin asks for; `any_host` false leaves out connections to any host: whoever runs it names those."""
    named = {name: p.right if any_host else _named(p.right) for name, p in permissions.asked.items()}
    return Grants({name: right for name, right in named.items() if right is not None})


def _named(right: Right) -> Right | None:
    if not right.network:
        return right
    rules = tuple(rule for rule in right.network if rule.host != "*")
    return Right(right.name, network=rules) if rules else None


def is_asked(permissions: Permissions, permission: str, name: str = "") -> bool:
    """Whether a plugin asks for that, by that name if there is one."""
    asked = permissions.asked.get(permission)
    if asked is None or not name or asked.config:
        return asked is not None
    wanted = name.lower() if permission == "request.headers" else name
    return not asked.right.names or any(_meet_name(permission, each, wanted) is not None for each in asked.right.names)


def _meet(asked: Right, granted: Right | None) -> tuple[Right | None, Right | None]:
    """(what is allowed, what is lacking) of one permission."""
    if granted is None:
        return None, asked
    if asked.network:
        return _meet_network(asked, granted)
    if asked.names:
        return _meet_names(asked, granted)
    if asked.name == "kv":
        return _meet_sizes(asked, granted)
    return asked, None


def _meet_network(asked: Right, granted: Right) -> tuple[Right | None, Right | None]:
    met: dict[NetworkRule, None] = {}
    lacking = []
    for rule in asked.network:
        found = [narrow for grant in granted.network if (narrow := meet(rule, grant))]
        met.update(dict.fromkeys(found))
        if not found:
            lacking.append(rule)
    return Right("network", network=tuple(met)) if met else None, Right("network", network=tuple(lacking)) if lacking else None


def _meet_names(asked: Right, granted: Right) -> tuple[Right | None, Right | None]:
    found = {narrow for a in asked.names for g in granted.names if (narrow := _meet_name(asked.name, a, g)) is not None}
    lacking = frozenset(a for a in asked.names if not any(_meet_name(asked.name, a, g) is not None for g in granted.names))
    met = frozenset({"*"}) if "*" in found else frozenset(found)
    return Right(asked.name, met) if met else None, Right(asked.name, lacking) if lacking else None


def _meet_name(permission: str, asked: str, granted: str) -> str | None:
    if asked == granted or (granted == "*" and permission in WILDCARD):
        return asked
    if asked == "*" and permission in WILDCARD:
        return granted
    if permission == "files" and _covers(granted, asked):
        return asked
    return granted if permission == "files" and _covers(asked, granted) else None


def _covers(wide: str, narrow: str) -> bool:
    """Whether one glob matches every path that another one matches; False where that is not plain to see.

    A glob that is matched as if it were a path has its own `*` and `?` taken by a `*`, never by a `?` or a set.
    """
    if _GLOB_SIGNS.isdisjoint(narrow):
        return fnmatchcase(narrow, wide)
    return "?" not in wide and "[" not in wide and "[" not in narrow and fnmatchcase(narrow, wide)


def _meet_sizes(asked: Right, granted: Right) -> tuple[Right, None]:
    keys = [n for n in (asked.max_keys, granted.max_keys) if n is not None]
    size = [n for n in (asked.max_bytes, granted.max_bytes) if n is not None]
    return Right("kv", max_keys=min(keys, default=DEFAULT_MAX_KEYS), max_bytes=min(size, default=DEFAULT_MAX_BYTES)), None


def _unasked(permissions: Permissions, grants: Grants) -> Iterator[Right]:
    for name, granted in grants.rights.items():
        asked = permissions.asked.get(name)
        if asked is None:
            yield granted
            continue
        names = frozenset(g for g in granted.names if not any(_meet_name(name, a, g) is not None for a in asked.right.names))
        rules = tuple(g for g in granted.network if not any(meet(a, g) for a in asked.right.network))
        if names or rules:
            yield Right(name, names, rules)


def _effective(met: Mapping[str, Right]) -> EffectivePermissions:
    def names(permission: str) -> frozenset[str]:
        return met[permission].names if permission in met else frozenset()

    def open_names(permission: str) -> frozenset[str] | None:
        found = names(permission)
        return None if "*" in found else found

    kv = met.get("kv")
    return EffectivePermissions(
        request_view=RequestView(
            open_names("request.headers"),
            _with_prefixes(open_names("request.cookies")),
            open_names("request.query"),
            "request.body" in met,
            "request.client" in met,
            "request.principal" in met,
        ),
        response_headers=open_names("response.headers"),
        response_body="response.body" in met,
        set_headers=names("response.set_headers"),
        secrets=names("secrets"),
        kv=KvRight(kv.max_keys or DEFAULT_MAX_KEYS, kv.max_bytes or DEFAULT_MAX_BYTES) if kv else None,
        network=met["network"].network if "network" in met else (),
        data=names("data"),
        data_raw=names("data.raw"),
        files=tuple(sorted(names("files"))),
    )


def _with_prefixes(names: frozenset[str] | None) -> frozenset[str] | None:
    """The cookies and those of the same names with a prefix, which only says how they were set (RFC 6265bis §4.1.3)."""
    return None if names is None else names | {prefix + name for name in names for prefix in ("__Host-", "__Secure-")}
