"""What the template tests share: exchanges without a server, plugins in plain Python, one-line rendering."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mockforge_asgi.config.sources.objects import SourceConfig
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.plugins.plugin import Plugin, PluginMeta
from mockforge_asgi.reload.watcher import Watcher
from mockforge_asgi.templates.bounds.meter import TemplateLimits
from mockforge_asgi.templates.callables import Query
from mockforge_asgi.templates.renderer import Renderer, Seed
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.types import Json, Message
from mockforge_plugin.values import FunctionMetadata


def exchange(
    url: str = "/hello/Ada",
    *,
    method: str = "GET",
    headers: Mapping[str, str] = MappingProxyType({}),
    body: bytes = b"",
    route: str | None = None,
    params: Mapping[str, Json] = MappingProxyType({}),
) -> Exchange:
    """A request on its way, as a server would have brought it."""
    path, _, query = url.partition("?")
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    if body:
        pairs.append((b"content-length", b"%d" % len(body)))

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        raise AssertionError(f"nothing is sent here: {message}")

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": pairs,
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 5000),
        "root_path": "",
    }
    made = Exchange(scope, receive, send)
    if route is not None:
        made.matched(route, dict(params))
    return made


class PlainPlugin(Plugin):
    """A template plugin of plain functions; `calls` remembers what was asked."""

    def __init__(self, name: str, made: Mapping[str, Callable[..., Json | Awaitable[Json]]], *, on_failure: str = "error") -> None:
        self.facts = PluginMeta(name, name, "1.0.0", "", "native", frozenset({"template"}), on_failure=on_failure)
        self.name, self.functions = name, tuple(FunctionMetadata(function) for function in made)
        self.made, self.calls = made, list[tuple[str, tuple[Json, ...], dict[str, Json]]]()

    async def call_function(self, exchange: Exchange | None, name: str, args: Sequence[Json], kwargs: Mapping[str, Json]) -> Json:
        """What the function of that name gives."""
        self.calls.append((name, tuple(args), dict(kwargs)))
        value = self.made[name](*args, **kwargs)
        return await value if isinstance(value, Awaitable) else value


def renderer(
    templates: Mapping[str, str],
    *plugins: PlainPlugin,
    folder: Path | None = None,
    is_live: bool = False,
    limits: TemplateLimits | None = None,
    query: Query | None = None,
    sources: Sequence[str] = (),
    seed: Seed = None,
    **options: Any,
) -> Renderer:
    """A renderer of these templates, with these plugins under their own names."""
    by_name = {plugin.name: plugin for plugin in plugins}
    return Renderer(
        TemplateStore(folder, templates, watcher=Watcher() if is_live else None),
        aliases={name: name for name in by_name},
        plugin=by_name.__getitem__,
        sources={name: SourceConfig(name, name) for name in sources},
        query=query,
        limits=limits or TemplateLimits(time_ms=60_000),
        seed=seed,
        **{"turn": no_others, **options},
    )


async def no_others() -> None:
    """Nobody else waits for the loop."""


async def render(text: str, kind: str = "txt", *plugins: PlainPlugin, on: Exchange | None = None, **vars: Json) -> str:
    """The text that a template of that kind makes."""
    made = renderer({f"t.{kind}": text}, *plugins)
    response = await made.render(on or exchange(), TemplateResponse(template=f"t.{kind}", vars=vars))
    return response.body.decode()


def render_now(text: str, kind: str = "txt", *, limits: TemplateLimits | None = None, on: Exchange | None = None, **vars: Json) -> str:
    """The same for a template that waits for nobody."""
    answer = TemplateResponse(template=f"t.{kind}", vars=vars)
    return at_once(renderer({f"t.{kind}": text}, limits=limits), on or exchange(), answer).body.decode()


def at_once(made: Renderer, on: Exchange, answer: TemplateResponse) -> MockResponse:
    """What a renderer makes where nothing has to be waited for."""
    try:
        made.render(on, answer).send(None)
    except StopIteration as ended:
        assert isinstance(ended.value, MockResponse)
        return ended.value
    raise AssertionError("the rendering waits")
