"""Protection: the operator's `protect:` rules, compiled.

One rule decides about a request: among those whose path and method match, the most specific path (longest literal beginning, then
fewest `**`, then most segments), then one that names methods over one for all, then the first written. A rule for GET covers HEAD; a
websocket handshake is a GET; a trailing slash, in the request or in the rule, does not lead around a rule.
"""

from __future__ import annotations

from collections.abc import Iterable

from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.errors import ConfigError, Problem
from mockforge_asgi.http.claims import Claims
from mockforge_asgi.http.path_glob import PathGlob


class Protection:
    """Which rule, if any, a request falls under."""

    __slots__ = ("_rules", "claims")

    def __init__(self, rules: Iterable[ProtectRule] = ()) -> None:
        compiled = [(_glob(rule, place), _methods(rule), rule) for place, rule in enumerate(rules)]
        self._rules = tuple(sorted(compiled, key=_precedence))
        self.claims = Claims(rule.path for _, _, rule in compiled)

    @property
    def is_any(self) -> bool:
        """Whether there is one."""
        return bool(self._rules)

    def covers(self, path: str) -> bool:
        """Whether some rule is about that path, whatever the method."""
        return any(_matches(glob, path) for glob, _, _ in self._rules)

    def rule_for(self, method: str, path: str) -> ProtectRule | None:
        """The rule that decides; None: not protected."""
        for glob, methods, rule in self._rules:
            if (not methods or method.upper() in methods) and _matches(glob, path):
                return rule
        return None


def _glob(rule: ProtectRule, place: int) -> PathGlob:
    try:
        return PathGlob(rule.path.rstrip("/") or "/")
    except ValueError as error:
        raise ConfigError("the protection rules cannot be used", [Problem(f"protect[{place}].path", f"{error}.")]) from None


def _methods(rule: ProtectRule) -> frozenset[str]:
    methods = frozenset(method.upper() for method in rule.methods)
    return methods | {"HEAD"} if "GET" in methods else methods


def _precedence(entry: tuple[PathGlob, frozenset[str], ProtectRule]) -> tuple[int, int, int, bool]:
    glob, methods, _ = entry
    return -len(glob.prefix), glob.pattern.count("**"), -glob.pattern.count("/"), not methods


def _matches(glob: PathGlob, path: str) -> bool:
    return glob.matches(path) or (len(path) > 1 and path[-1] == "/" and glob.matches(path[:-1])) or (path == "" and glob.matches("/"))
