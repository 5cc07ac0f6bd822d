"""Protection: the operator's `protect:` rules, compiled.

One rule decides about a request: among those whose path and method match, the most specific path (longest literal beginning, then
fewest `**`, then most segments), then one that names methods over one for all, then the first written. A rule for GET covers HEAD; a
websocket handshake is a GET; a trailing slash, in the request or in the rule, does not lead around a rule.

To an app that sets a root path of its own, `/api/x` and `/x` are one path: rules may name either, and guard both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.errors import ConfigError, Problem
from mockforge_asgi.http.paths import below
from mockforge_asgi.http.snapshot import with_head
from mockforge_asgi.routing.glob import PathGlob
from mockforge_asgi.routing.passthrough import ClaimedPaths

_Entry: TypeAlias = tuple[Callable[[str], bool], frozenset[str], ProtectRule, str]
"""What tells whether a path matches, the methods (empty: all), the rule, and how a path begins that surely matches (`/a/` of `/a/**`)."""


class Protection:
    """Which rule, if any, a request falls under. `root_path` is what the app sets for itself; a part of it may be a mount's.

    A request is compared only with the rules that begin with its first segment, and with those that begin with a wildcard.
    """

    __slots__ = ("_anywhere", "_by_first", "_entries", "_roots", "claims", "is_any", "rules")

    def __init__(self, rules: Iterable[ProtectRule] = (), root_path: str = "") -> None:
        self._roots = tuple(root_path[at:] for at, char in enumerate(root_path) if char == "/")
        compiled = [(_glob(rule, place), with_head(frozenset(map(str.upper, rule.methods))), rule) for place, rule in enumerate(rules)]
        compiled.sort(key=partial(_precedence, self._roots))
        self.rules: Final = tuple(rule for _, _, rule in compiled)
        self.is_any: Final = bool(compiled)
        self._entries: tuple[_Entry, ...] = tuple((glob.matches, methods, rule, _below(glob)) for glob, methods, rule in compiled)
        self._anywhere, self._by_first = _by_first_segment(zip(self._entries, (glob for glob, _, _ in compiled), strict=True))
        claimed = (path for rule in self.rules for path in (*self._names(rule.path), *self._roots))
        self.claims: Final = ClaimedPaths(claimed, checked=self.is_any)

    def rule_for(self, method: str, path: str) -> ProtectRule | None:
        """The rule that decides; None: not protected."""
        if self._roots or path[:1] != "/":
            return self._rule_by_any_name(method, path)
        for matches, methods, rule, beginning in self._by_first.get(path[1:].partition("/")[0], self._anywhere):
            if methods and method.upper() not in methods:
                continue
            if (beginning and path.startswith(beginning)) or matches(path) or (path[-1] == "/" and path != "/" and matches(path[:-1])):
                return rule
        return None

    def _rule_by_any_name(self, method: str, path: str) -> ProtectRule | None:
        names = self._names(path)
        for matches, methods, rule, _ in self._entries:
            if not methods or method.upper() in methods:
                for name in names:
                    if _matches(matches, name):
                        return rule
        return None

    def _names(self, path: str) -> tuple[str, ...]:
        """The path, and as it is without the app's root path and with it."""
        return (path, *(name for root in self._roots for name in (below(root, path), root + below(root, path))))


def _by_first_segment(entries: Iterable[tuple[_Entry, PathGlob]]) -> tuple[list[_Entry], dict[str, list[_Entry]]]:
    """The rules that may be about a path with any first segment, and by first segment those about one with that, all in their order."""
    anywhere, by_first = list[_Entry](), dict[str, list[_Entry]]()
    for entry, glob in entries:
        first = _first_segment(glob)
        if first is not None:
            if first not in by_first:
                by_first[first] = anywhere.copy()
            by_first[first].append(entry)
            continue
        for some in (anywhere, *by_first.values()):
            some.append(entry)
    return anywhere, by_first


def _below(glob: PathGlob) -> str:
    base = glob.pattern.removesuffix("**")
    return base if base != glob.pattern and base.endswith("/") and base != "/" and "*" not in base and "{" not in base else ""


def _first_segment(glob: PathGlob) -> str | None:
    """The first segment of all paths that it matches; None where it may be any."""
    first = glob.pattern[1:].partition("/")[0]
    return None if "*" in first or "{" in first else first


def _glob(rule: ProtectRule, place: int) -> PathGlob:
    try:
        return PathGlob(rule.path.rstrip("/") or "/")
    except ValueError as error:
        raise ConfigError("the protection rules cannot be used", [Problem(f"protect[{place}].path", f"{error}.")]) from None


def _precedence(roots: tuple[str, ...], entry: tuple[PathGlob, frozenset[str], ProtectRule]) -> tuple[int, int, int, bool]:
    glob, methods, _ = entry
    inner = next((name for root in roots if (name := below(root, glob.pattern)) != glob.pattern), glob.pattern)
    glob = PathGlob(inner or "/")
    return -len(glob.prefix), glob.pattern.count("**"), -glob.pattern.count("/"), not methods


def _matches(matches: Callable[[str], bool], path: str) -> bool:
    return matches(path) or (len(path) > 1 and path[-1] == "/" and matches(path[:-1])) or (path == "" and matches("/"))
