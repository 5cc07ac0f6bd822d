"""RouteIndex: which route answers a request, in time that does not grow with the number of routes.

Fixed paths are looked up in one dictionary, all others by walking a tree of segments. Among routes that match, the first of this
order answers: the more specific path (`pattern`), more matchers, a method named over HEAD served by GET over any method, the
one declared first. What a route's plan is does not matter here.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.http.paths import ENCODED_SLASH
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.routing.matchers import Matcher
from mockforge_asgi.routing.pattern import Key, PathPattern, Segment, Value

A_co = TypeVar("A_co", covariant=True)
A = TypeVar("A")
Params: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Route(Generic[A_co]):
    """One route. `methods` None: any. `source` says where it was written."""

    pattern: PathPattern
    plan: A_co
    methods: frozenset[str] | None = None
    matchers: tuple[Matcher, ...] = ()
    source: str = ""
    needs_body: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs_body", any(matcher.needs_body for matcher in self.matchers))

    def method_rank(self, method: str) -> int | None:
        """How well the method fits, smaller is better; None: not at all. HEAD is served by what serves GET (RFC 9110 §9.3.2)."""
        if self.methods is None:
            return 2
        if method in self.methods:
            return 0
        return 1 if method == "HEAD" and "GET" in self.methods else None

    def __str__(self) -> str:
        methods = "ANY" if self.methods is None else "|".join(sorted(self.methods))
        return f"{methods} {self.pattern.text}"


class Undecided(Enum):
    """The body must be read before it is known which route answers."""

    NEEDS_BODY = "needs body"


NEEDS_BODY: Final = Undecided.NEEDS_BODY


class _Node(Generic[A]):
    """A place in the tree: all patterns that begin alike."""

    __slots__ = ("any", "children", "is_plain", "lengths", "literals", "manys", "mixed", "others", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[A]] = {}
        self.children: dict[Key, _Node[A]] = {}
        """Every place below that is not of a literal, by its segment's key."""
        self.mixed: dict[str, list[tuple[Segment, _Node[A]]]] = {}
        """Mixes of text and parameters by the text they begin with, the more specific first; `lengths` are those of that text."""
        self.lengths: list[int] = []
        self.others: list[tuple[Segment, _Node[A]]] = []
        """Other segments that are neither literal nor many, the more specific first."""
        self.manys: list[tuple[Segment, int, _Node[A]]] = []
        """`**` and `{x:path}` with the number of segments after them, the longest first."""
        self.routes: tuple[Route[A], ...] = ()
        self.is_plain = True
        """Whether all places below are of literals and of parameters of one segment; `any`: the one of such a parameter that takes any
        text, where there is no other."""
        self.any: _Node[A] | None = None

    def finish(self) -> list[_Node[A]]:
        """All that is right below is there; gives that."""
        self.is_plain = not self.manys and not self.mixed
        if len(self.others) == 1 and self.others[0][0].takes_any:
            self.any = self.others[0][1]
        return [*self.literals.values(), *self.children.values()]


class _Table(Generic[A]):
    """Every route that serves one method, each place's candidates in order."""

    __slots__ = ("fixed", "root")

    def __init__(self, routes: Iterable[Route[A]], method: str) -> None:
        root = _Node[A]()
        ranked = [(route, rank) for route in routes if (rank := route.method_rank(method)) is not None]
        fixed: dict[str, list[Route[A]]] = {}
        for route, _ in sorted(ranked, key=lambda r: (-len(r[0].matchers), r[1])):
            if route.pattern.is_literal:
                fixed.setdefault(route.pattern.text, []).append(route)
            else:
                node = _place(root, route.pattern.segments)
                node.routes = (*node.routes, route)
        self.fixed = {path: tuple(found) for path, found in fixed.items()}
        todo = root.finish()
        self.root: Final = root if todo else None
        while todo:
            todo += todo.pop().finish()

    def find(self, path: str) -> Route[A] | None:
        """The first route at that path, matchers left aside."""
        fixed = self.fixed.get(path)
        if fixed is not None:
            return fixed[0]
        segments = path.split("/")
        found = None if self.root is None or segments[0] else _walk(self.root, segments, 1, [], None, None)
        return None if found is None or found is NEEDS_BODY else found[0]


def _place(node: _Node[A], segments: tuple[Segment, ...]) -> _Node[A]:
    """The place of a pattern below that one, made where it is not there."""
    for position, segment in enumerate(segments):
        if segment.literal is not None:
            node = node.literals.setdefault(segment.literal, _Node())
        elif segment.is_many:
            node = _many(node, segment, len(segments) - position - 1)
        else:
            node = _other(node, segment)
    return node


def _many(node: _Node[A], segment: Segment, tail: int) -> _Node[A]:
    child = node.children.get(segment.key)
    if child is None:
        child = node.children[segment.key] = _Node()
        insort(node.manys, (segment, tail, child), key=lambda entry: entry[0].key)
    return child


def _other(node: _Node[A], segment: Segment) -> _Node[A]:
    child = node.children.get(segment.key)
    if child is None:
        child = node.children[segment.key] = _Node()
        among = node.mixed.setdefault(segment.prefix, []) if segment.is_mixed else node.others
        insort(among, (segment, child), key=_key)
        if segment.is_mixed and len(segment.prefix) not in node.lengths:
            node.lengths.append(len(segment.prefix))
    return child


def _key(entry: tuple[Segment, _Node[A]]) -> Key:
    return entry[0].key


def _candidates(node: _Node[A], text: str) -> list[tuple[Segment, _Node[A]]]:
    """The places below that the text may lead to, literals and many left aside; the more specific first."""
    if not node.mixed:
        return node.others
    found = [entry for n in node.lengths if n <= len(text) for entry in node.mixed.get(text[:n], ())]
    found.sort(key=_key)
    return [*found, *node.others]


Found: TypeAlias = tuple[Route[A], Params]


class RouteIndex(Generic[A]):
    """Routes, made ready to be asked. Immutable: a changed configuration builds a new one."""

    __slots__ = ("_any", "_tables", "routes")

    def __init__(self, routes: Iterable[Route[A]] = ()) -> None:
        self.routes: Final = tuple(routes)
        methods = {method for route in self.routes for method in route.methods or ()}
        if "GET" in methods:
            methods.add("HEAD")
        self._tables = {method: _Table(self.routes, method) for method in methods}
        self._any = _Table([route for route in self.routes if route.methods is None], "")

    def match(self, request: RequestSnapshot, body: JsonBody | None = None) -> Found[A] | Literal[Undecided.NEEDS_BODY] | None:
        """The route that answers and the path's parameters. NEEDS_BODY when a route before it asks for the body and `body` is None."""
        table = self._tables.get(request.method, self._any)
        path = request.match_path
        fixed = table.fixed.get(path)
        if fixed is not None:
            route = fixed[0]
            if not route.matchers:
                return route, {}
            found = _pick(fixed, request, body)
            if found is not None:
                return found if found is NEEDS_BODY else (found, {})
        segments = path.split("/")
        if table.root is None or segments[0]:
            return None
        walked = _walk(table.root, segments, 1, [], request, body)
        if path is request.path or not isinstance(walked, tuple):
            return walked
        return walked[0], {name: v.replace(ENCODED_SLASH, "/") if isinstance(v, str) else v for name, v in walked[1].items()}

    def methods_at(self, path: str) -> frozenset[str]:
        """Every method that some route serves at that path, whatever else it asks for; `*` among them: any method."""
        found = {method for method, table in self._tables.items() if table.find(path) is not None}
        return frozenset(found | {"*"} if self._any.find(path) is not None else found)

    def at(self, path: str, method: str = "GET") -> Route[A] | None:
        """The first route there whatever it asks for beyond method and path."""
        return self._tables.get(method, self._any).find(path)

    def duplicates(self) -> Iterator[tuple[Route[A], Route[A]]]:
        """(later, earlier) for every route that can never answer because an earlier one asks for just the same."""
        seen: dict[tuple[object, ...], Route[A]] = {}
        for route in self.routes:
            keys = [(route.pattern.shape, method, frozenset(route.matchers)) for method in route.methods or ("*",)]
            earlier = [seen[key] for key in keys if key in seen]
            if len(earlier) == len(keys):
                yield route, earlier[0]
            for key in keys:
                seen.setdefault(key, route)


def _pick(
    candidates: tuple[Route[A], ...], request: RequestSnapshot | None, body: JsonBody | None
) -> Route[A] | Literal[Undecided.NEEDS_BODY] | None:
    if request is None:
        return candidates[0]
    for route in candidates:
        if body is None and route.needs_body:
            # Only ask for the body if nothing else already speaks against the route.
            if all(m.needs_body or m.holds(request, None) for m in route.matchers):
                return NEEDS_BODY
            continue
        for matcher in route.matchers:
            if not matcher.holds(request, body):
                break
        else:
            return route
    return None


def _walk(
    node: _Node[A], segments: list[str], at: int, captured: list[Value], request: RequestSnapshot | None, body: JsonBody | None
) -> Found[A] | Literal[Undecided.NEEDS_BODY] | None:
    """Depth first, the more specific child first, so that the first hit is the one wanted."""
    # As long as there is only one way down, it is followed here, without a call for each segment.
    last = len(segments)
    while at < last and node.is_plain:
        text = segments[at]
        child = node.literals.get(text)
        if child is None:
            child = node.any
            if child is None or not text:
                if not node.others:
                    return None
                break
            captured = [*captured, text]
        elif node.others:
            break
        node, at = child, at + 1
    if at == last:
        if node.routes:
            route = node.routes[0] if not node.routes[0].matchers else _pick(node.routes, request, body)
            if route is not None:
                if route is NEEDS_BODY:
                    return route
                names = route.pattern.names
                return route, dict(zip(names, captured, strict=True)) if None not in names else _named(names, captured)  # type: ignore[arg-type]
    else:
        text = segments[at]
        child = node.literals.get(text)
        if child is not None:
            found = _walk(child, segments, at + 1, captured, request, body)
            if found is not None:
                return found
        for segment, child in _candidates(node, text):
            values = segment.match(text)
            if values is not None:
                found = _walk(child, segments, at + 1, [*captured, *values], request, body)
                if found is not None:
                    return found
    for segment, tail, child in node.manys:
        end = len(segments) - tail
        if end - at >= segment.least:
            found = _walk(child, segments, end, [*captured, "/".join(segments[at:end])], request, body)
            if found is not None:
                return found
    return None


def _named(names: tuple[str | None, ...], captured: list[Value]) -> Params:
    return {name: value for name, value in zip(names, captured, strict=True) if name is not None}
