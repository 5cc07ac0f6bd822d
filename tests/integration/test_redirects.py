"""Whoever redirects, to an address in any characters: the client gets one that it can follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_plugin import AuthPlugin, Decision, Reply, Request, Response, ResponsePlugin
from tests.support.plugin_packages import folder, minimal

TARGET, SENT = "/größe/日本?q=%C3%A9", "/gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC?q=%C3%A9"
CODE = f"from mockforge_plugin import Response\ndef generate(request):\n    return Response.redirect({TARGET!r}, 303)\n"


class Away(ResponsePlugin):
    """Redirects everything."""

    def generate(self, request: Request) -> Response:
        """To the same place."""
        return Response.redirect(TARGET, 303)


class Login(AuthPlugin):
    """Sends whoever comes to a login page."""

    def authenticate(self, request: Request) -> Decision:
        """By an answer of its own."""
        return Reply(Response.redirect(TARGET, 303))


@pytest.mark.parametrize("by", ["route", "sandboxed", "own", "auth"])
async def test_a_redirect_is_percent_encoded_once(tmp_path: Path, by: str) -> None:
    folder(tmp_path, {"plugin.yaml": minimal("away", kinds="[response]"), "plugin.py": CODE}, name="away")
    route = {"match": {"path": "/x"}, "response": {"status": 303, "headers": {"Location": TARGET}, "text": ""}}
    config: dict[str, Any] = {
        "route": {"routes": [route]},
        "sandboxed": {"plugins": {"away": {"use": str(tmp_path / "away")}}, "dev": True},
        "own": {},
        "auth": {"protect": [{"path": "/**", "auth": ["login"]}]},
    }
    own: dict[str, list[object]] = {"own": [Away()], "auth": [Login()]}
    async with Client(MockForge(None, {"version": 1, **config[by]}, plugins=own.get(by, []))) as client:
        answer = await client.get("/x")
    assert (answer.status, answer.header("location")) == (303, SENT)
