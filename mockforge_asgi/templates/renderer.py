"""Renderer: a template answer becomes a response: values gathered, template run under its limits, failures told by template and line."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeAlias

from jinja2 import Template

from mockforge_asgi.errors import ConfigError, MockForgeError, PluginUnavailable, TemplateFailed
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.headers import BadHeader, wire_header
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.templates.bounds.meter import DEFAULT_LIMITS, METER, Meter, OverLimit, TemplateLimits
from mockforge_asgi.templates.callables import DataSources, FunctionPlugin, PluginFunctions, Query
from mockforge_asgi.templates.compiler import Compiled, Compiler
from mockforge_asgi.templates.faker import Faker
from mockforge_asgi.templates.functions import CHANCE, make_functions
from mockforge_asgi.templates.request_view import TemplateRequest
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.templates.tokens import TokenTemplate
from mockforge_asgi.templates.turns import Turns
from mockforge_asgi.types import Headers

Seed: TypeAlias = Literal["request"] | int | None
"""`request`: chance follows from the request's fingerprint; a number: every rendering draws the same; None: no two are alike."""

RESERVED: Final = frozenset(["data", "request", "vars"])
"""Names that always mean the host's; a variable of an answer of that name is reached as `vars.name`. Plugins' aliases are such too."""


SLICE_S: Final = 0.001
"""How long a rendering computes before others get their turn, where it can be interrupted: between two pieces of its text."""
_UNSEEN: Final = 1024
"""How much text is taken between two looks at the clock."""


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
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        taken = sorted(RESERVED.intersection(aliases))
        if taken:
            raise ConfigError(f"a plugin cannot have the alias {', '.join(taken)}: templates use that name for something else")
        self._aliases, self._plugin, self._sources, self._query = dict(aliases), plugin, sources, query
        self._limits, self._seed, self._timer, self._turn = limits, seed, timer, turn or Turns()
        self._reserved = RESERVED | self._aliases.keys()
        functions = {**make_functions(clock), "faker": Faker(locale)}
        self.compiler: Final = Compiler(store, awaited=self._aliases.keys() | {"data"}, functions=functions, clock=clock)

    def check(self) -> None:
        """Compile everything. Raises ConfigError with every fault."""
        problems = self.compiler.check()
        if problems:
            raise ConfigError("the templates cannot be used", problems)

    async def render(self, exchange: Exchange, answer: TemplateResponse) -> MockResponse:
        """The response. Raises TemplateFailed, and what reading the body, a plugin's function or a query raises."""
        if answer.header_templates:
            answer = await self._with_headers(exchange, answer)
        if answer.body is not None:
            return MockResponse(answer.status, answer.headers, answer.body, answer.length)
        return self._finish(*await self._render(exchange, answer, answer.template), answer)

    async def _render(self, exchange: Exchange, answer: TemplateResponse, name: str) -> tuple[Compiled, str]:
        compiled = self.compiler.get(name)
        if compiled.needs_body:
            await exchange.body()
        chance = self._chance(compiled, await exchange.fingerprint() if self._seed == "request" else "")
        return compiled, await self._run(compiled, self._values(compiled, exchange, answer), chance)

    async def _with_headers(self, exchange: Exchange, answer: TemplateResponse) -> TemplateResponse:
        rendered: Headers = ()
        for header, name in answer.header_templates:
            _, text = await self._render(exchange, answer, name)
            try:
                rendered += (wire_header(header, text),)
            except BadHeader as error:
                raise TemplateFailed(name, 0, str(error)) from None
            if header == "content-type" and answer.body is not None and MediaType.of(text).charset not in ("", "utf-8"):
                raise TemplateFailed(name, 0, "another charset than UTF-8 for a body that is written already")
        kept = tuple(pair for pair in answer.headers if pair[0] != b"content-type" or pair[0] not in dict(rendered))
        return replace(answer, headers=(*kept, *rendered))

    def explain(self, answer: TemplateResponse, error: MockForgeError) -> TemplateFailed:
        """The failure of a rendering with the template's place and line; of a plugin's only the first line, for it is told by itself."""
        if isinstance(error, TemplateFailed):
            name, line, message = error.template, error.line, error.message
        else:
            (name, line), message = _at(answer.template, error), str(error).partition("\n")[0]
        return TemplateFailed(name, line, message, self.compiler.store.place(name))

    def _chance(self, compiled: Compiled, fingerprint: str) -> Random | None:
        return None if self._seed is None else Random(f"{self._seed}/{fingerprint}/{compiled.name}")

    def _values(self, compiled: Compiled, exchange: Exchange, answer: TemplateResponse) -> dict[str, Any]:
        values = {**compiled.globals, **answer.vars}
        uses = compiled.uses
        for name in uses & self._reserved:
            if name == "request":
                values[name] = TemplateRequest(exchange)
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

    async def _run(self, compiled: Compiled, values: dict[str, Any], chance: Random | None) -> str:
        template, used = compiled.template, Meter(self._limits, self._timer)
        with _Rendering(compiled, used, chance) as made:
            if isinstance(template, TokenTemplate):
                parts: Any = template.parts(values)
            else:
                parts = template.root_render_func(_context(template, values))
            if compiled.is_async:
                async with aclosing(parts):
                    async for part in parts:
                        if made.add(part):
                            await self._let_others(made, used)
            else:
                for part in parts:
                    if made.add(part):
                        await self._let_others(made, used)
            return made.text

    async def _let_others(self, made: _Rendering, used: Meter) -> None:
        since = used.seen
        await self._turn()
        used.waited(since)
        made.go_on()

    def _finish(self, compiled: Compiled, text: str, answer: TemplateResponse) -> MockResponse:
        headers = answer.headers
        declared = next((value for name, value in headers if name == b"content-type"), None)
        try:
            body = compiled.kind.finish(text)
            if declared is not None and b"charset" in declared.lower():
                body = MediaType.of(declared.decode("latin-1")).encode(text)
        except (TypeError, ValueError) as error:
            raise TemplateFailed(compiled.name, 0, str(error)) from error
        if declared is None:
            headers = ((b"content-type", compiled.kind.content_type), *headers)
        return MockResponse(answer.status, headers, body, answer.length)


class _Rendering:
    """One run of a template: its meter and its chance in force, its text collected, what goes wrong told by template and line."""

    __slots__ = ("_chance", "_compiled", "_looked_at", "_parts", "_size", "_tokens", "_until", "_used")

    def __init__(self, compiled: Compiled, used: Meter, chance: Random | None) -> None:
        self._compiled, self._used, self._chance = compiled, used, chance
        self._parts: list[str] = []
        self._size = self._looked_at = 0

    def __enter__(self) -> Self:
        self._tokens = METER.set(self._used), CHANCE.set(self._chance)
        self.go_on()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        METER.reset(self._tokens[0])
        CHANCE.reset(self._tokens[1])
        if isinstance(error, Exception):
            raise _failure(self._compiled, error) from error

    def go_on(self) -> None:
        """A slice of computing begins."""
        self._until = self._used.seen + SLICE_S

    def add(self, part: str) -> bool:
        """Take the next piece of text; whether the slice is over, so that it is the others' turn. Raises OverLimit."""
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._looked_at + _UNSEEN:
            self._looked_at = self._size
            self._used.check_time()  # as filters and calls do
            if self._size > self._used.limits.output_bytes:
                self._used.check_text(self._size)
        return self._used.seen > self._until

    @property
    def text(self) -> str:
        """All that was taken. Raises OverLimit."""
        if self._size > self._used.limits.output_bytes:
            self._used.check_text(self._size)
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
