"""Renderer: a template response becomes a response: values gathered, template run under its limits, failures told by template and line."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from jinja2 import Template

from mockforge_asgi.config.sources.objects import SourceConfig
from mockforge_asgi.errors import ConfigError, MockForgeError, PluginUnavailable, TemplateFailed
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.headers import BadHeader, wire_headers
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.templates.bounds.meter import DEFAULT_LIMITS, METER, SLICE_S, Meter, OverLimit, TemplateLimits
from mockforge_asgi.templates.bounds.runtime import BoundContext, Values
from mockforge_asgi.templates.callables import DataSources, PluginFunctions, PluginProviders, Query, is_provider
from mockforge_asgi.templates.compiler import Compiled, Compiler
from mockforge_asgi.templates.faker import Faker
from mockforge_asgi.templates.functions import make_functions
from mockforge_asgi.templates.request_view import TemplateRequest
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.templates.tokens import TokenTemplate
from mockforge_asgi.templates.turns import Turns
from mockforge_asgi.templates.waiting import result_of, with_waiting
from mockforge_asgi.types import Headers

Seed: TypeAlias = Literal["request"] | int | None
"""`request`: random values follow from the request's fingerprint; a number: every rendering draws the same; None: no two are alike."""

RESERVED: Final = frozenset(["data", "request", "vars"])
"""Names that always mean the host's; a variable of a response of that name is reached as `vars.name`. Plugins' aliases are such too."""


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
        plugin: Callable[[str], Plugin] | None = None,
        sources: Mapping[str, SourceConfig] = MappingProxyType({}),
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
        self._locale = locale
        functions = {**make_functions(clock), "faker": Faker(locale)}
        self.compiler: Final = Compiler(store, awaited=self._aliases.keys() | {"data"}, functions=functions, clock=clock, sources=sources)

    def check(self) -> None:
        """Compile everything. Raises ConfigError with every fault."""
        problems = self.compiler.check()
        if problems:
            raise ConfigError("the templates cannot be used", problems)

    async def render(self, exchange: Exchange, response: TemplateResponse) -> MockResponse:
        """The response. Raises TemplateFailed, and what reading the body, a plugin's function or a query raises."""
        if response.header_templates:
            response = await self._with_headers(exchange, response)
        if response.body is not None:
            return MockResponse.checked(response.status, response.headers, response.body, response.length)
        compiled = self.compiler.get(response.template)
        return self._finish(compiled, await self._text(compiled, exchange, response), response)

    async def _text(self, compiled: Compiled, exchange: Exchange, response: TemplateResponse) -> str:
        if compiled.needs_body:
            await exchange.body()
        random = None if self._seed is None else await self._random(compiled, exchange)
        values = self._values(compiled, exchange, response)
        meter = Meter(self._limits, self._timer, random)
        token = METER.set(meter)
        try:
            if compiled.may_wait:
                return await with_waiting(partial(self._text_with_plugins, compiled.template, values, meter), meter.begin_slice)
            parts, texts = _pieces(compiled.template, values), list[str]()
            while not _take(parts, texts, meter):
                since = meter.seen
                await self._turn()
                meter.waited(since)
            return "".join(texts)
        except MockForgeError:
            raise
        except Exception as error:
            raise _failure(compiled, error) from error
        finally:
            METER.reset(token)
            if meter.macros is not None:
                meter.close()

    def _text_with_plugins(self, template: Template | TokenTemplate, values: Values, meter: Meter) -> str:
        """The text where plugins are called: as `_text` makes it, but within `with_waiting`, where `result_of` stands for `await`."""
        parts, texts = _pieces(template, values), list[str]()
        while not _take(parts, texts, meter):
            since = meter.seen
            result_of(self._turn())
            meter.waited(since)
        return "".join(texts)

    async def _random(self, compiled: Compiled, exchange: Exchange) -> Random:
        fingerprint = await exchange.fingerprint() if self._seed == "request" else ""
        return Random(f"{self._seed}/{fingerprint}/{compiled.name}")

    async def _with_headers(self, exchange: Exchange, response: TemplateResponse) -> TemplateResponse:
        rendered: Headers = ()
        for header, name in response.header_templates:
            text = await self._text(self.compiler.get(name), exchange, response)
            try:
                rendered += wire_headers([(header, text)])
            except BadHeader as error:
                raise TemplateFailed(name, 0, str(error)) from None
            if header == "content-type" and response.body is not None and MediaType.of(text).charset not in ("", "utf-8"):
                raise TemplateFailed(name, 0, "another charset than UTF-8 for a body that is written already")
        kept = tuple(pair for pair in response.headers if pair[0] != b"content-type" or pair[0] not in dict(rendered))
        return replace(response, headers=(*kept, *rendered))

    def explain(self, response: TemplateResponse, error: MockForgeError) -> TemplateFailed:
        """The failure of a rendering, with the template's location and line. Of a plugin's, which has its own event, it tells one line."""
        if isinstance(error, TemplateFailed):
            name, line, message = error.template, error.line, error.message
        else:
            (name, line), message = _at(response.template, error), str(error).partition("\n")[0]
        return TemplateFailed(name, line, message, self.compiler.store.location(name))

    def _values(self, compiled: Compiled, exchange: Exchange, response: TemplateResponse) -> Values:
        values = Values(compiled.globals)
        values.update(response.vars)
        for name in compiled.uses:
            if name == "request":
                values[name] = TemplateRequest(exchange)
            elif name == "vars":
                values[name] = dict(response.vars)
            elif name == "data":
                if self._query is not None:
                    values[name] = DataSources(self._sources.keys(), self._query, exchange)
            else:
                plugin = self._function_plugin(name)
                # Any plugin may have an alias; where it has no functions, the name is free for a variable.
                if name not in response.vars or plugin.functions:
                    values[name] = PluginFunctions(plugin, exchange)
        if compiled.providers:
            values["faker"] = Faker(self._locale, partial(self._providers, exchange))
        return values

    def _providers(self, exchange: Exchange, alias: str) -> PluginProviders | None:
        """The providers of the plugin that templates call so; None where there is none that has any."""
        if alias not in self._aliases:
            return None
        plugin = self._function_plugin(alias)
        return PluginProviders(plugin, exchange, self._locale) if any(map(is_provider, plugin.functions)) else None

    def _function_plugin(self, alias: str) -> Plugin:
        name = self._aliases[alias]
        try:
            if self._plugin is not None:
                return self._plugin(name)
        except KeyError:
            pass
        raise PluginUnavailable(name, f"templates call it as '{alias}', and it is not loaded")

    def _finish(self, compiled: Compiled, text: str, response: TemplateResponse) -> MockResponse:
        headers, declared = response.headers, None
        for name, value in headers:
            if name == b"content-type":
                declared = value
                break
        try:
            body = compiled.format.finish(text)
            if declared is not None and b"charset" in declared.lower():
                body = MediaType.of(declared.decode("latin-1")).encode(text)
        except (TypeError, ValueError) as error:
            raise TemplateFailed(compiled.name, 0, str(error)) from error
        if declared is None:
            headers = ((b"content-type", compiled.format.content_type), *headers)
        return MockResponse.checked(response.status, headers, body, response.length)


def _pieces(template: Template | TokenTemplate, values: Values) -> Iterator[str]:
    """The text, piece by piece as it is made."""
    if isinstance(template, TokenTemplate):
        return template.parts(values)
    return template.root_render_func(BoundContext(template.environment, values, template.name, template.blocks))


def _take(parts: Iterator[str], texts: list[str], meter: Meter) -> bool:
    """Take pieces of text until there are no more, or until the slice is over and it is the turn of others (False). Raises OverLimit."""
    size, most, look_at = meter.size, meter.limits.output_bytes, meter.size + _UNSEEN
    meter.until = meter.seen + SLICE_S
    for part in parts:
        texts.append(part)
        size += len(part)
        if size > look_at:
            look_at = size + _UNSEEN
            meter.check_time()  # as filters and calls do
            if size > most:
                meter.check_text(size)
        if meter.seen > meter.until:
            meter.size = size
            return False
    if size > most:
        meter.check_text(size)
    return True


def _failure(compiled: Compiled, error: Exception) -> TemplateFailed:
    """What is raised for an error that is not ours inside a template: its message, with the author's template and line."""
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
