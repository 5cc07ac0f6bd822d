"""Renderer: a template answer becomes a response: values gathered, template run under its limits, failures told by template and line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from random import Random
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeAlias

from jinja2 import Template

from mockforge_asgi.errors import ConfigError, MockForgeError, PluginUnavailable, TemplateFailed
from mockforge_asgi.http.answers import MockResponse, TemplateAnswer
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.templates.compiled import Compiled, Compiler
from mockforge_asgi.templates.facts import RequestFacts
from mockforge_asgi.templates.fake import Faker
from mockforge_asgi.templates.functions import CHANCE, make_functions
from mockforge_asgi.templates.limits import DEFAULT_LIMITS, METER, Meter, OverLimit, TemplateLimits
from mockforge_asgi.templates.services import DataSources, FunctionPlugin, PluginFunctions, Query
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.templates.tokens import TokenTemplate

Seed: TypeAlias = Literal["request"] | int | None
"""`request`: chance follows from the request's fingerprint; a number: every rendering draws the same; None: no two are alike."""

RESERVED: Final = frozenset(["data", "request", "vars"])
"""Names that always mean the host's; a variable of an answer of that name is reached as `vars.name`. Plugins' aliases are such too."""


class Renderer:
    """Renders the templates of a store.

    `aliases` maps the names under which templates call plugins to the plugins' names; `plugin` gives the current generation of one.
    `sources` are the data sources that `query` serves.
    """

    def __init__(
        self,
        store: TemplateStore,
        *,
        aliases: Mapping[str, str] = MappingProxyType({}),
        plugin: Callable[[str], FunctionPlugin] | None = None,
        sources: frozenset[str] = frozenset(),
        query: Query | None = None,
        limits: TemplateLimits = DEFAULT_LIMITS,
        seed: Seed = None,
        locale: str = "en_US",
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        taken = sorted(RESERVED.intersection(aliases))
        if taken:
            raise ConfigError(f"a plugin cannot have the alias {', '.join(taken)}: templates use that name for something else")
        self._aliases, self._plugin, self._sources, self._query = dict(aliases), plugin, sources, query
        self._limits, self._seed, self._timer = limits, seed, timer
        self._reserved = RESERVED | self._aliases.keys()
        functions = {**make_functions(clock), "faker": Faker(locale)}
        self.compiler: Final = Compiler(store, awaited=self._aliases.keys() | {"data"}, functions=functions, clock=clock)

    def check(self) -> None:
        """Compile everything. Raises ConfigError with every fault."""
        problems = self.compiler.check()
        if problems:
            raise ConfigError("the templates cannot be used", problems)

    def render_now(self, exchange: Exchange, answer: TemplateAnswer) -> MockResponse | None:
        """The response where nothing has to be waited for, else None. Raises TemplateFailed."""
        compiled = self.compiler.get(answer.template)
        if compiled.is_async or self._seed == "request" or (compiled.needs_body and exchange.intake.body_now is None):
            return None
        return self._finish(compiled, answer, self._run(compiled, self._values(compiled, exchange, answer), self._chance(compiled, "")))

    async def render(self, exchange: Exchange, answer: TemplateAnswer) -> MockResponse:
        """The response. Raises TemplateFailed, and what a plugin's function or a query raises."""
        compiled = self.compiler.get(answer.template)
        if compiled.needs_body:
            await exchange.body()
        chance = self._chance(compiled, await exchange.fingerprint() if self._seed == "request" else "")
        values = self._values(compiled, exchange, answer)
        if compiled.is_async:
            return self._finish(compiled, answer, await self._run_waiting(compiled, values, chance))
        return self._finish(compiled, answer, self._run(compiled, values, chance))

    def explain(self, answer: TemplateAnswer, error: MockForgeError) -> TemplateFailed:
        """The failure of a rendering with the template's place and line; of a plugin's only the first line, for it is told by itself."""
        if isinstance(error, TemplateFailed):
            name, line, message = error.template, error.line, error.message
        else:
            (name, line), message = _at(answer.template, error), str(error).partition("\n")[0]
        return TemplateFailed(name, line, message, self.compiler.store.place(name))

    def _chance(self, compiled: Compiled, fingerprint: str) -> Random | None:
        return None if self._seed is None else Random(f"{self._seed}/{fingerprint}/{compiled.name}")

    def _values(self, compiled: Compiled, exchange: Exchange, answer: TemplateAnswer) -> dict[str, Any]:
        values = {**compiled.globals, **answer.vars}
        uses = compiled.uses
        for name in uses & self._reserved:
            if name == "request":
                values[name] = RequestFacts(exchange)
            elif name == "vars":
                values[name] = dict(answer.vars)
            elif name == "data":
                if self._query is not None:
                    values[name] = DataSources(self._sources, self._query, exchange)
            else:
                plugin = self._function_plugin(name)
                # Any plugin may have an alias; where it has no functions, the name is free for a variable.
                if plugin.functions or name not in answer.vars:
                    values[name] = PluginFunctions(plugin, exchange)
        return values

    def _function_plugin(self, alias: str) -> FunctionPlugin:
        name = self._aliases[alias]
        try:
            if self._plugin is not None:
                return self._plugin(name)
        except KeyError:
            pass
        raise PluginUnavailable(name, f"templates call it as '{alias}', and it is not loaded")

    def _run(self, compiled: Compiled, values: dict[str, Any], chance: Random | None) -> str:
        with _Rendering(compiled, Meter(self._limits, self._timer), chance) as made:
            if isinstance(compiled.template, TokenTemplate):
                made.add(compiled.template.render(values))
            else:
                for part in compiled.template.root_render_func(_context(compiled.template, values)):
                    made.add(part)
        return made.text

    async def _run_waiting(self, compiled: Compiled, values: dict[str, Any], chance: Random | None) -> str:
        assert isinstance(compiled.template, Template)
        with _Rendering(compiled, Meter(self._limits, self._timer), chance) as made:
            parts: Any = compiled.template.root_render_func(_context(compiled.template, values))
            async with aclosing(parts):
                async for part in parts:
                    made.add(part)
        return made.text

    def _finish(self, compiled: Compiled, answer: TemplateAnswer, text: str) -> MockResponse:
        try:
            body = compiled.kind.finish(text)
        except TypeError as error:
            raise TemplateFailed(compiled.name, 0, str(error)) from error
        headers = answer.headers
        if not any(name == b"content-type" for name, _ in headers):
            headers = ((b"content-type", compiled.kind.content_type), *headers)
        return MockResponse(answer.status, headers, body)


class _Rendering:
    """One run of a template: its meter and its chance in force, its text collected, what goes wrong told by template and line."""

    __slots__ = ("_chance", "_compiled", "_parts", "_size", "_tokens", "_used")

    def __init__(self, compiled: Compiled, used: Meter, chance: Random | None) -> None:
        self._compiled, self._used, self._chance = compiled, used, chance
        self._parts: list[str] = []
        self._size = 0

    def __enter__(self) -> Self:
        self._tokens = METER.set(self._used), CHANCE.set(self._chance)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        METER.reset(self._tokens[0])
        CHANCE.reset(self._tokens[1])
        if isinstance(error, Exception):
            raise _failure(self._compiled, error) from error

    def add(self, part: str) -> None:
        """Take the next piece of text. Raises OverLimit."""
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._used.limits.output_bytes:
            self._used.check_text(self._size)

    @property
    def text(self) -> str:
        """All that was taken."""
        return "".join(self._parts)


def _context(template: Template, values: dict[str, Any]) -> Any:
    return template.environment.context_class(template.environment, values, template.name, template.blocks)


def _failure(compiled: Compiled, error: Exception) -> MockForgeError:
    """What is raised for an error inside a template: ours as it is, anything else with the author's template and line."""
    if isinstance(error, MockForgeError):
        return error
    name, line = _at(compiled.name, error)
    if isinstance(error, RecursionError):
        return TemplateFailed(name, line, "macros, includes or recursive loops nest too deep")
    message = (str(error) or type(error).__name__)[:1000]
    if isinstance(error, OverLimit):
        message += ". Make the template do less"
    return TemplateFailed(name, line, message)


def _at(name: str, error: Exception) -> tuple[str, int]:
    """Template and line where it happened; 0 where that cannot be told."""
    line, traceback = 0, error.__traceback__
    while traceback is not None:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            name, line = template.name or name, template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return name, line
