"""Permissions that name keys of the configuration, made definite: `secrets: {config: [bind_password]}` asks for the secret named there.

What stands at a key is data of the operator's: it is checked like names in a manifest, and a `*` in it never means all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from mockforge_asgi.config.hosts import is_address
from mockforge_asgi.config.network import BadRule, NetworkRule
from mockforge_asgi.config.objects import Right
from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.errors import Problem
from mockforge_asgi.exact_json import Json
from mockforge_asgi.security.egress.addresses import is_never_meant
from mockforge_asgi.security.permissions import Permission, Permissions
from mockforge_asgi.text import quote

MAX_NAMES: Final = 1000
"""The most values that one permission takes from a configuration."""

_TOKEN: Final = re.compile(r"[!#$%&'+\-.^_`|~0-9A-Za-z]{1,256}\Z")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}\Z")
_QUERY: Final = re.compile(r"[A-Za-z_][\w.-]{0,127}/[A-Za-z_][\w.-]{0,127}\Z", re.ASCII)
_PARAMETER: Final = re.compile(r"[^\x00-\x1f\x7f*]{1,256}\Z")


class _Unfit(Exception):
    """A value that names nothing: what is wrong, and what to write."""


def resolved(permissions: Permissions, config: Json, places: Locations, base: Path) -> tuple[Permissions, list[Problem]]:
    """The permissions with what the configuration names, and what is wrong there; `base` is where the configuration stands.

    One that comes to name nothing is not asked for.
    """
    problems: list[Problem] = []
    asked: dict[str, Permission] = {}
    for name, permission in permissions.asked.items():
        if not permission.config:
            asked[name] = permission
            continue
        right = _right(permission, config, places, base, problems)
        if right.names or right.network:
            asked[name] = replace(permission, right=right, config=())
    return Permissions(asked), problems


def _right(permission: Permission, config: Json, places: Locations, base: Path, problems: list[Problem]) -> Right:
    """What is asked for by name in the manifest, and what the configuration adds."""
    right, names, rules = permission.right, set(permission.right.names), dict.fromkeys(permission.right.network)
    for path, value in _values(config, permission.config):
        try:
            if right.name == "network":
                rules[origin(value)] = None
            else:
                names.add(_CHECKS[right.name](value))
        except _Unfit as error:
            problems.append(places.problem((*base, *path), *error.args))
    return replace(right, names=frozenset(names), network=tuple(rules))


def _values(config: Json, keys: tuple[str, ...]) -> Iterator[tuple[Path, Json]]:
    """(path, value) of what stands at those keys; of a list, each entry. What is not there is not asked for."""
    count = 0
    for key in keys:
        for path, value in _at(config, tuple(key.split(".")), ()):
            for place, one in [((*path, i), item) for i, item in enumerate(value)] if isinstance(value, list) else [(path, value)]:
                count += one is not None
                if count > MAX_NAMES:
                    return
                if one is not None:
                    yield place, one


def _at(value: Json, keys: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Json]]:
    if not keys:
        yield path, value
    elif isinstance(value, Mapping):
        for key in value if keys[0] == "*" else [keys[0]]:
            if key in value:
                yield from _at(value[key], keys[1:], (*path, key))
    elif isinstance(value, list) and keys[0] == "*":
        for i, item in enumerate(value):
            yield from _at(item, keys[1:], (*path, i))


def origin(url: Json) -> NetworkRule:
    """The rule for a URL's scheme, host and port. Addresses inside are meant: the operator wrote it."""
    if not isinstance(url, str) or len(url) > 4096 or not (url.isascii() and url.isprintable()) or " " in url:
        raise _Unfit(f"{quote(url)} is not a URL.", "Write one such as https://idp.example.com/keys.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _Unfit(f"{quote(url)} is not a URL.", "Write one such as https://idp.example.com/keys.") from None
    if parts.scheme not in ("http", "https"):
        raise _Unfit(f"{quote(url)} is not an http or https URL.", "Write one such as https://idp.example.com/keys.")
    if "@" in parts.netloc:
        raise _Unfit("the URL has a user in it, and a configuration is no place for credentials.", "Remove it.")
    if "*" in host:
        raise _Unfit(f"{quote(url)} has a '*' where its host stands.", "Name the host.")
    text = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port is not None else "")
    try:
        rule = NetworkRule.parse(text, private=True)
    except BadRule as error:
        raise _Unfit(f"{quote(url)}: {error.what}", error.remedy) from None
    if is_address(rule.host) and is_never_meant(ip_address(rule.host)):
        what = f"{quote(url)} is at an address that is never connected to: link-local, metadata, unspecified or multicast."
        raise _Unfit(what, "Name another.")
    return rule


def _matching(pattern: re.Pattern[str], what: str, *, lower: bool = False) -> Callable[[Json], str]:
    def check(value: Json) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise _Unfit(f"{quote(value)} is not {what}.", f"Write {what}.")
        return value.lower() if lower else value

    return check


_CHECKS: Final[Mapping[str, Callable[[Json], str]]] = {
    "request.headers": _matching(_TOKEN, "the name of a header", lower=True),
    "request.cookies": _matching(_TOKEN, "the name of a cookie"),
    "request.query": _matching(_PARAMETER, "the name of a query parameter"),
    "response.headers": _matching(_TOKEN, "the name of a header", lower=True),
    "response.set_headers": _matching(_TOKEN, "the name of a header", lower=True),
    "secrets": _matching(_NAME, "the name of an entry under `secrets:`"),
    "data": _matching(_QUERY, "a named query, such as users/by_id"),
    "data.raw": _matching(_NAME, "the name of a source"),
}
"""How a value of the configuration becomes a name, by permission."""
