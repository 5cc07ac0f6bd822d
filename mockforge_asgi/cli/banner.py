"""What `mockforge serve` prints when it listens: where, and every route as a URL to click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import mockforge_asgi
from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.cli.report import endpoint_rows, guard, table
from mockforge_asgi.cli.routes import answer
from mockforge_asgi.config.objects import Config, RouteConfig
from mockforge_asgi.text import escape

if TYPE_CHECKING:
    from mockforge_asgi.plugins.consistency import CheckReport

MOST_ROUTES: Final = 30
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}


def base_url(host: str, port: int, *, is_tls: bool) -> str:
    """The URL under which a browser on this machine finds the server."""
    shown = _EVERYWHERE.get(host) or (f"[{host}]" if ":" in host else host)
    scheme = "https" if is_tls else "http"
    return f"{scheme}://{shown}" + ("" if port == (443 if is_tls else 80) else f":{port}")


def banner(config: Config, report: CheckReport, url: str, *, host: str, workers: int = 1) -> str:
    """The text, without a final line break."""
    mode = ", dev mode: edits apply from the next request" if config.dev else ""
    many = f", {workers} workers" if workers > 1 else ""
    lines = [f"mockforge {mockforge_asgi.__version__}  {config.places.name}{mode}{many}", f"Listening on {url} (Ctrl+C stops)"]
    if host in _EVERYWHERE:
        lines.append("Reachable from other machines too: it listens on every address of this one.")
    protection = Protection(config.protect)
    rows = [*endpoint_rows(config, report, url), *(_route(route, protection, url) for route in config.routes[:MOST_ROUTES])]
    if rows:
        lines.append("\n".join(f"  {line}" for line in table(rows).splitlines()))
    if len(config.routes) > MOST_ROUTES:
        lines.append(f"  … and {len(config.routes) - MOST_ROUTES} more routes")
    return escape("\n".join(lines))


def _route(route: RouteConfig, protection: Protection, url: str) -> tuple[str, str, str, str]:
    match = route.match
    return "|".join(match.methods) or "ANY", f"{url}{match.path}", answer(route), guard(match.methods, match.path, protection)
