"""Keys and cookies of logins in production and in development, as operators and browsers meet them."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.testing import Client
from mockforge_plugin import Allow, AuthPlugin, Principal, Request, Response, endpoint
from mockforge_plugin.login import Sessions
from tests.support.desk import HTML, KEYS, Visitor, configuration


def keyless(**more: Any) -> dict[str, Any]:
    """Without a key of sessions."""
    config = configuration(key=[])
    del config["plugins"]["desk"]["config"]["session"]["key"], config["plugins"]["desk"]["grants"]["secrets"]
    return {**config, **more}


async def test_without_a_key_the_server_does_not_start_but_in_development() -> None:
    with pytest.raises(RuntimeError) as refused:
        async with Client(MockForge(config=load_config(keyless()))):
            pass
    assert "session.key: outside development sessions need a key" in str(refused.value)
    async with Client(MockForge(config=load_config(keyless(dev=True)))) as client:
        visitor = Visitor(client)
        await visitor.log_in("ada")
        assert await visitor.user() == "ada"


async def test_a_short_key_is_refused_and_not_told() -> None:
    config = configuration()
    config["secrets"]["new_key"] = {"value": "s3cret"}
    with pytest.raises(RuntimeError) as refused:
        async with Client(MockForge(config=load_config(config))):
            pass
    assert "the secret 'new_key' has fewer than 32 characters" in str(refused.value) and "s3cret" not in str(refused.value)


SECURE, PLAIN = "__Host-desk", "desk"


@pytest.mark.parametrize(("is_dev", "host", "session", "name"), [
    (False, "app.example", {}, SECURE), (False, "127.0.0.1:8000", {}, SECURE), (False, "localhost", {}, SECURE),
    (True, "app.example", {}, SECURE), (True, "127.0.0.1:8000", {}, PLAIN), (True, "localhost:8000", {}, PLAIN),
    (True, "[::1]:8000", {}, PLAIN),
    (True, "localhost.evil.example", {}, SECURE), (True, "127.0.0.1.evil.example", {}, SECURE),
    (False, "app.example", {"secure": False}, PLAIN), (False, "127.0.0.1", {"secure": False}, PLAIN),
])  # fmt: skip
async def test_cookies_are_secure_but_on_this_machine_in_development_or_where_it_is_written(
    is_dev: bool, host: str, session: dict[str, Any], name: str
) -> None:
    config = load_config({**configuration(**session), "dev": is_dev})
    async with Client(MockForge(config=config), host=host) as client:
        answer = await client.get("/", headers=HTML)
        line = answer.header("set-cookie") or ""
    assert line.startswith(f"{name}-begun=") and ("; Secure" in line) is (name == SECURE)
    assert "; HttpOnly" in line and line.endswith("; SameSite=Lax")


async def test_an_object_of_the_developer_is_told_of_development_and_may_have_sessions() -> None:
    class Own(AuthPlugin):
        def init(self) -> None:
            self.sessions = Sessions.from_config(
                {"key": "any"} if not self.plugin.development else None, lambda _: KEYS["new_key"], self.plugin
            )

        async def authenticate(self, request: Request) -> Allow | None:
            session = await self.sessions.find(request)
            return None if session is None else session.allow

        @endpoint("in")
        async def log_in(self, request: Request) -> Response:
            return Response.text("in", headers=await self.sessions.begin(request, Allow(Principal("ada"))))

    for is_dev, name in ((False, "__Host-session"), (True, "session")):
        config = load_config({"version": 1, "dev": is_dev, "protect": [{"path": "/x", "auth": ["own"]}]}, own=("own",))
        async with Client(MockForge(config=config, plugins=[Own()]), host="127.0.0.1") as client:
            visitor = Visitor(client)
            await visitor.ask("GET", "/own/in")
            assert list(visitor.cookies) == [name]
            assert [(await each.ask("GET", "/x")).status for each in (visitor, Visitor(client))] == [404, 401]
