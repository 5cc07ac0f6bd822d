"""`mockforge routes`: the routes of a configuration, or the one that answers a request, and why no other does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.cli.report import guard, table
from mockforge_asgi.config import Config
from mockforge_asgi.config.objects import RouteConfig
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.mocks.explain import decide
from mockforge_asgi.mocks.responders import ROUTES
from mockforge_asgi.mocks.routes import build_routes, plugins_named
from mockforge_asgi.plugins.consistency import check_plugins
from mockforge_asgi.text import escape

_SAFE: Final = "/:@!$&'()*+,;=~%-._?[]"


@dataclass(frozen=True, slots=True)
class Question:
    """A request that is asked about; `target` is a path with its query, `headers` are lines such as `accept: text/html`."""

    method: str
    target: str
    headers: Sequence[str] = ()
    body: str = ""

    def snapshot(self) -> RequestSnapshot:
        """The request as the product sees it. Raises ConfigError."""
        if not self.target.startswith("/"):
            raise ConfigError(f"the path {self.target!r} does not begin with '/': write one such as /users/7.")
        parts = urlsplit(f"http://mock{quote(self.target, safe=_SAFE)}")
        return RequestSnapshot(
            {
                "type": "http",
                "method": self.method.upper(),
                "path": unquote(parts.path),
                "raw_path": parts.path.encode(),
                "query_string": parts.query.encode(),
                "headers": [_header(line) for line in self.headers],
            }
        )


def _header(line: str) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise ConfigError(f"the header {line!r} has no colon: write it as 'name: value'.")
    return name.strip().lower().encode(), value.strip().encode()


def listed(config: Config) -> str:
    """Every route: methods, path, what it answers with, who guards it, and where it is written."""
    protection = Protection(config.protect)
    rows = [
        ("|".join(route.match.methods) or "ANY", route.match.path, answer(route), guard(route.match.methods, route.match.path, protection))
        for route in config.routes
    ]
    places = [route.place for route in config.routes]
    heading = ("METHOD", "PATH", "ANSWER", "WHO MAY", "WHERE")
    return escape(table([heading, *((*row, place) for row, place in zip(rows, places, strict=True))]) if rows else "There are no routes.")


def decided(config: Config, question: Question) -> tuple[str, bool]:
    """Which route answers and why no other does, and whether there is one. Raises ConfigError, RequestRejected."""
    index, request = build_routes(config.routes, sources=config.sources), question.snapshot()
    body = JsonBody(question.body.encode(), request.header("content-type", "") or "")
    text, found = decide(index, request, body), index.match(request, body)
    lines = [text]
    rule = Protection(config.protect).rule_for(request.method, request.path)
    if rule is not None:
        lines.append(f"Before it, auth is asked: {', '.join(rule.auth)} (mode {rule.mode}, by the rule for {rule.path}).")
    lines += [f"Before it, plugin {name} is asked, as about every request." for name in _asked_first(config)]
    return escape("\n".join(lines)), isinstance(found, tuple)


def _asked_first(config: Config) -> list[str]:
    """The response plugins that are asked about every request before the routes are."""
    named = plugins_named(config.routes)
    plugins = check_plugins(config).authorized if config.plugins else {}
    wanted = {name: config.plugins[name].priority for name, found in plugins.items() if "response" in found.manifest.kinds}
    return [name for name, priority in wanted.items() if (priority is None and name not in named) or (priority or ROUTES + 1) <= ROUTES]


def answer(route: RouteConfig) -> str:
    """What a route answers with, in a word or two."""
    response = route.response
    return f"plugin {response.value}" if response.kind == "plugin" else response.kind
