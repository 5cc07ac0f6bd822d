"""Protection: the operator's `protect:` rules, compiled.

One rule decides about a request: among those whose path and method match, the most specific path (longest literal beginning, then
fewest `**`, then most segments), then one that names methods over one for all, then the first written. A rule for GET covers HEAD; a
websocket handshake is a GET; a trailing slash, in the request or in the rule, does not lead around a rule.

To an app that sets a root path of its own, `/api/x` and `/x` are one path: rules may name either, and guard both.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.errors import ConfigError, Problem
from mockforge_asgi.http.paths import below
from mockforge_asgi.routing.glob import PathGlob
from mockforge_asgi.routing.passthrough import ClaimedPaths


class Protection:
    """Which rule, if any, a request falls under. `root_path` is what the app sets for itself; a part of it may be a mount's."""

    __slots__ = ("_roots", "_rules", "claims")

    def __init__(self, rules: Iterable[ProtectRule] = (), root_path: str = "") -> None:
        self._roots = tuple(root_path[at:] for at, char in enumerate(root_path) if char == "/")
        compiled = [(_glob(rule, place), _methods(rule), rule) for place, rule in enumerate(rules)]
        self._rules = tuple(sorted(compiled, key=partial(_precedence, self._roots)))
        claimed = (path for _, _, rule in compiled for path in (*self._names(rule.path), *self._roots))
        self.claims = ClaimedPaths(claimed, checked=self.is_any)

    @property
    def is_any(self) -> bool:
        """Whether there is one."""
        return bool(self._rules)

    def covers(self, path: str) -> bool:
        """Whether some rule is about that path, whatever the method."""
        return any(_matches(glob, name) for name in self._names(path) for glob, _, _ in self._rules)

    def rule_for(self, method: str, path: str) -> ProtectRule | None:
        """The rule that decides; None: not protected."""
        names = self._names(path)
        for glob, methods, rule in self._rules:
            if not methods or method.upper() in methods:
                for name in names:
                    if _matches(glob, name):
                        return rule
        return None

    def _names(self, path: str) -> tuple[str, ...]:
        """The path, and as it is without the app's root path and with it."""
        return (path, *(name for root in self._roots for name in (below(root, path), root + below(root, path))))


def _glob(rule: ProtectRule, place: int) -> PathGlob:
    try:
        return PathGlob(rule.path.rstrip("/") or "/")
    except ValueError as error:
        raise ConfigError("the protection rules cannot be used", [Problem(f"protect[{place}].path", f"{error}.")]) from None


def _methods(rule: ProtectRule) -> frozenset[str]:
    methods = frozenset(method.upper() for method in rule.methods)
    return methods | {"HEAD"} if "GET" in methods else methods


def _precedence(roots: tuple[str, ...], entry: tuple[PathGlob, frozenset[str], ProtectRule]) -> tuple[int, int, int, bool]:
    glob, methods, _ = entry
    inner = next((name for root in roots if (name := below(root, glob.pattern)) != glob.pattern), glob.pattern)
    glob = PathGlob(inner or "/")
    return -len(glob.prefix), glob.pattern.count("**"), -glob.pattern.count("/"), not methods


def _matches(glob: PathGlob, path: str) -> bool:
    return glob.matches(path) or (len(path) > 1 and path[-1] == "/" and glob.matches(path[:-1])) or (path == "" and glob.matches("/"))
