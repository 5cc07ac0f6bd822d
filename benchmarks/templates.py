"""What rendering costs: a short JSON answer, one with a loop of ten, one that calls a function, tokens; beside bytes that are ready."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from time import perf_counter

from benchmarks.figures import Figure, Turn, compare, summary
from benchmarks.in_process import receive, scope, send
from mockforge_asgi.contract import FunctionMetadata
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import TemplateResponse
from mockforge_asgi.plugins.plugin import Plugin, PluginMeta
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.types import Json

TEMPLATES = {
    "text.json": '{"status":"ok"}',
    "short.json": '{"hello":"{{ name }}","path":"{{ request.path }}"}',
    "loop.json": '{"items":[{% for i in xs %}{"id":{{ i }},"name":"{{ name }}"}{% if not loop.last %},{% endif %}{% endfor %}]}',
    "call.json": '{"hello":"{{ name }}","initials":"{{ names.initials(name) }}"}',
    "fake.tokens.json": '{"id":"{{uuid}}","hello":"{{name}}","path":"{{path}}"}',
}
AGAINST = {"call.json": "short.json", "loop.json": "short.json", "fake.tokens.json": "short.json"}


class Names(Plugin):
    """A template plugin without a sandbox: what the template's side of a call costs."""

    def __init__(self) -> None:
        self.name, self.functions = "names", (FunctionMetadata("initials"),)
        self.facts = PluginMeta("names", "names", "1.0.0", "", "native", frozenset({"template"}))

    async def call_function(self, exchange: Exchange | None, name: str, args: Sequence[Json], kwargs: Mapping[str, Json]) -> Json:
        """The first letters."""
        return "".join(word[0] for word in args[0].split())


def rendering(renderer: Renderer, name: str) -> Callable[[], Awaitable[object]]:
    """One rendering, as the middleware does it."""
    exchange = Exchange(scope("/hello/Ada"), receive, send)
    answer = TemplateResponse(template=name, vars={"name": "Ada Lovelace", "xs": list(range(10))})

    return lambda: renderer.render(exchange, answer)


async def timed(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """Microseconds of one call, as the mean."""
    begun = perf_counter()
    for _ in range(calls):
        await call()
    return (perf_counter() - begun) / calls * 1e6


async def run(quick: bool) -> AsyncIterator[Figure]:
    """All cases in turns."""
    calls, turns = (1_000, 3) if quick else (20_000, 9)
    names = Names()
    renderer = Renderer(TemplateStore(None, TEMPLATES), aliases={"names": "names"}, plugin=lambda name: names)
    cases = {name: rendering(renderer, name) for name in TEMPLATES}
    seen: dict[str, list[Turn]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, call in cases.items():
            value = await timed(call, calls)
            if turn:  # the first turn warms up
                seen[name].append(Turn(value))
    figures = [
        Figure(bench="templates", case=name, value=summary(s).value, unit="us", conditions={"calls": calls}) for name, s in seen.items()
    ]
    for figure in compare(figures, AGAINST):
        yield figure
