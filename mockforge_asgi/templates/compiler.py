"""Compiled templates: each compiled once, to plain functions.

A template is looked at together with all that it includes, imports and extends: what they need of the request, and whether one of them
calls a plugin or a data source, so that the rendering may have to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.loaders import FunctionLoader

from mockforge_asgi.config.sources.objects import SourceConfig
from mockforge_asgi.errors import Problem, TemplateFailed
from mockforge_asgi.locks import ProcessLock
from mockforge_asgi.templates.bounds.ast import names_in
from mockforge_asgi.templates.bounds.environment import BoundedEnvironment
from mockforge_asgi.templates.bounds.filters import filters_for
from mockforge_asgi.templates.formats import Format, format_of
from mockforge_asgi.templates.functions import choice
from mockforge_asgi.templates.queries import unknown_queries
from mockforge_asgi.templates.request_view import BODY_PARTS
from mockforge_asgi.templates.store import Source, TemplateStore
from mockforge_asgi.templates.tokens import TokenTemplate

_OF_HOST: Final = frozenset(["request", "vars"])
"""Names that mean the host's without waiting."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to be rendered. `uses` holds the names of the host's that it takes, `globals` what it takes of what all have."""

    name: str
    format: Format
    template: Template | TokenTemplate
    may_wait: bool
    """Whether it calls a plugin or a data source."""
    needs_body: bool
    uses: frozenset[str]
    globals: Mapping[str, Any]
    providers: frozenset[str] = frozenset()
    """The plugins, by their aliases, whose providers of fake data it asks for."""


@dataclass(slots=True)
class _Reach:
    """What a template and all it refers to ask for."""

    sources: dict[str, Source]
    uses: set[str]
    providers: set[str]
    needs_body: bool = False
    is_open: bool = False
    """Whether it refers to templates by computed names, so that anything may be asked for."""


class Compiler:
    """Compiles the templates of a store. `awaited` holds the names that may have to be waited for: plugins' aliases and `data`."""

    def __init__(
        self,
        store: TemplateStore,
        *,
        awaited: Collection[str],
        functions: Mapping[str, Any],
        clock: Callable[[], float],
        sources: Mapping[str, SourceConfig] = MappingProxyType({}),
    ) -> None:
        self.store: Final = store
        self._sources = sources
        self._awaited, self._functions, self._clock = frozenset(awaited), dict(functions), clock
        self._compiled: dict[str, Compiled] = {}
        self._environments: dict[str, BoundedEnvironment] = {}
        self._looking = ProcessLock()

    def get(self, name: str) -> Compiled:
        """The template of that name, compiled. Raises TemplateFailed."""
        if not self.store.is_live:
            return self._compiled.get(name) or self._remember(name)
        with self._looking.here():  # another event loop's thread may ask at the same time
            if self.store.is_edited():  # a changed file may be included anywhere
                self._compiled.clear()
                self._environments.clear()
            return self._compiled.get(name) or self._remember(name)

    def _remember(self, name: str) -> Compiled:
        compiled = self._compiled[name] = self._compile(name)
        return compiled

    def check(self) -> list[Problem]:
        """Compiles everything; every fault found, also in what templates ask of data sources."""
        problems = dict.fromkeys(self.store.problems)
        for name in sorted(self.store.names):
            try:
                format = self.get(name).format
            except TemplateFailed as error:
                problems[Problem(self._place(error.template, error.line), error.message)] = None
                continue
            if ".tokens" not in name:
                tree = self._environment(format)._parse(self._source(name).text, name, name)
                for line, what, remedy in unknown_queries(tree, self._sources):
                    problems[Problem(self._place(name, line), what, remedy)] = None
        return list(problems)

    def _place(self, name: str, line: int) -> str:
        location = self.store.location(name)
        return location + f" line {line}" * bool(line) if location else f"templates {name}" + f":{line}" * bool(line)

    def _compile(self, name: str) -> Compiled:
        source, format = self._source(name), format_of(name)
        if ".tokens" in name:
            tokens = TokenTemplate(source.text, format, self._clock)
            return Compiled(name, format, tokens, False, tokens.needs_body, frozenset(["request"]), {})
        reach = _Reach({}, set(), set())
        try:
            environment = self._environment(format)
            self._follow(name, environment, reach)
            for used in reach.sources:
                environment.get_template(used)
            template = environment.get_template(name)
        except TemplateSyntaxError as error:
            raise TemplateFailed(error.name or name, error.lineno, error.message or "cannot be read") from error
        except (RecursionError, MemoryError, SyntaxError, ValueError, TemplateError) as error:
            text = "nests too deep" if isinstance(error, RecursionError | MemoryError) else str(error)
            raise TemplateFailed(name, getattr(error, "lineno", None) or 0, f"cannot be compiled: {text}") from error
        known = environment.globals
        if reach.is_open:
            reach.uses |= self._awaited | known.keys() | _OF_HOST
            reach.providers |= self._awaited
        return Compiled(
            name,
            format,
            template,
            may_wait=bool(reach.providers) or not self._awaited.isdisjoint(reach.uses),
            needs_body=reach.needs_body or reach.is_open,
            uses=frozenset((reach.uses - known.keys()) & (self._awaited | _OF_HOST)),
            globals={name: known[name] for name in known.keys() & reach.uses},
            providers=frozenset(reach.providers),
        )

    def _source(self, name: str) -> Source:
        try:
            source = self.store.find(name)
        except ValueError as error:
            raise TemplateFailed(name, 0, str(error)) from None
        if source is None:
            known = ", ".join(sorted(self.store.names)[:10]) or "none"
            raise TemplateFailed(name, 0, f"there is no template of that name; known are: {known}")
        return source

    def _follow(self, name: str, environment: BoundedEnvironment, reach: _Reach) -> None:
        todo = [name]
        while todo:
            name = todo.pop()
            if name in reach.sources:
                continue
            reach.sources[name] = source = self._source(name)
            tree = environment._parse(source.text, name, name)
            try:
                reach.uses |= names_in(tree)
            except TemplateSyntaxError as error:
                error.name = name
                raise
            reach.needs_body = reach.needs_body or any(_body_parts(tree))
            reach.providers |= self._awaited.intersection(_parts_of("faker", tree, self._awaited))
            self._refer(name, tree)
            for other in meta.find_referenced_templates(tree):
                if other is None:
                    reach.is_open = True
                elif self.store.find(other) is not None:
                    todo.append(other)

    def _refer(self, name: str, tree: nodes.Template) -> None:
        """Raises TemplateFailed for a template that must be there and is not."""
        for node in tree.find_all((nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)):
            other = getattr(node, "template", None)
            if not isinstance(other, nodes.Const) or not isinstance(other.value, str) or getattr(node, "ignore_missing", False):
                continue
            if self.store.find(other.value) is None:
                raise TemplateFailed(name, node.lineno, f"refers to {other.value!r}, which is not there")

    def _environment(self, format: Format) -> BoundedEnvironment:
        if format.name not in self._environments:
            loader, filters = FunctionLoader(self._load), filters_for(format, choice)
            self._environments[format.name] = BoundedEnvironment(format, loader, functions=self._functions, filters=filters)
        return self._environments[format.name]

    def _load(self, name: str) -> tuple[str, str, None] | None:
        source = self.store.find(name)
        return None if source is None else (source.text, name, None)


def _parts_of(name: str, tree: nodes.Template, any_of: Collection[str]) -> Iterator[str]:
    """The parts of the thing of that name that a template takes; `any_of` for one that is computed, or for the thing itself."""
    taken = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if not isinstance(node, nodes.Getattr | nodes.Getitem) or not isinstance(node.node, nodes.Name) or node.node.name != name:
            continue
        taken.add(id(node.node))
        if isinstance(node, nodes.Getattr):
            yield node.attr
        elif isinstance(node.arg, nodes.Const):
            yield str(node.arg.value)
        else:
            yield from any_of
    if any(node.name == name and id(node) not in taken for node in tree.find_all(nodes.Name)):
        yield from any_of


def _body_parts(tree: nodes.Template) -> Iterator[bool]:
    """Whether anything in it looks like `request.body`, `request.json` or `request.text`."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            yield node.attr in BODY_PARTS
        elif isinstance(node, nodes.Getitem):
            is_request = isinstance(node.node, nodes.Name) and node.node.name == "request"
            yield node.arg.value in BODY_PARTS if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else is_request
