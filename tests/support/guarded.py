"""An app behind one built-in auth plugin: every request to it answers who the caller is, or the refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.testing import Client, Response
from mockforge_asgi.types import Receive, Scope, Send


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the caller, as the wrapped app sees it."""
    if scope["type"] != "http":
        return
    user, body = scope.get("user"), b"{}"
    if user is not None and user.is_authenticated:
        p = user.principal
        said = {"id": p.id, "roles": p.roles, "groups": p.groups, "name": p.name, "email": p.email, "claims": user.claims}
        body = dumps(said)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def configuration(plugins: Mapping[str, Mapping[str, Any]], *, mode: str = "first", secrets: Mapping[str, str] | None = None) -> Any:
    """A configuration that guards everything with those plugins: by their names their `use` and `config`."""
    return {
        "version": 1,
        "plugins": dict(plugins),
        "backoff": False,  # wrong credentials are what these tests are about
        "protect": [{"path": "/**", "auth": list(plugins), "mode": mode}],
        "secrets": {name: {"value": value} for name, value in (secrets or {}).items()},
    }


@asynccontextmanager
async def guarded(
    plugin: str, config: Mapping[str, Any], *, secrets: Mapping[str, str] | None = None, mode: str = "first"
) -> AsyncIterator[Client]:
    """The app behind that plugin."""
    whole = configuration({plugin: {"use": plugin, "config": dict(config)}}, mode=mode, secrets=secrets)
    async with Client(MockForge(who, config=load_config(whole))) as client:
        yield client


async def ask(client: Client, token: str | None = None, **headers: str) -> Response:
    """A request with a bearer token."""
    shown = {} if token is None else {"authorization": f"Bearer {token}"}
    return await client.get("/", headers={**shown, **headers})
