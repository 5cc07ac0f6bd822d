"""An application that says all it can: every logger at DEBUG, every event, and a wrapped app that fails. For uvicorn.

`PLANTED_CONFIG` names the configuration; with `PLANTED_SABOTAGE` plugins fail as soon as they look at a request.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from mockforge_asgi import MockForge, PluginRuntime
from mockforge_asgi.events import Event
from mockforge_asgi.plugins.native import request as _native  # noqa: F401  # so that its kind of request is known
from mockforge_asgi.types import Receive, Scope, Send
from mockforge_plugin import Request

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
logging.getLogger("mockforge").setLevel(logging.DEBUG)


def tell(event: Event) -> None:
    """Print it."""
    print("EVENT", repr(event), flush=True)


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    """An app with a fault."""
    if scope["type"] == "http":
        raise RuntimeError("the wrapped app fails")


def sabotaged(self: Request, *arguments: object) -> NoReturn:
    """In place of looking at a request."""
    raise RuntimeError(f"sabotage {arguments}")


runtime = PluginRuntime(os.environ["PLANTED_CONFIG"])
runtime.events.subscribe(tell)
app = MockForge(fails, runtime=runtime)
if os.environ.get("PLANTED_SABOTAGE"):
    for kind in (Request, *Request.__subclasses__()):
        for name in ("headers", "query", "cookies"):
            setattr(kind, name, property(sabotaged))
        for method in ("header", "header_values"):
            setattr(kind, method, sabotaged)  # an assignment would be a type error, which is what sabotage is
