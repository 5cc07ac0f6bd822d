"""Keys whose fetch was begun by a request that is over before they come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockforge_plugin import HostError
from plugins_builtin.auth_jwt.tests.tokens import public, rsa
from plugins_builtin.auth_oidc.tokens.jwks import KeyTimes, RemoteKeys
from plugins_builtin.auth_oidc.tokens.keys import KeySet
from tests.support.kit_world import World, inside, reply

GOOD = reply({"keys": [public(rsa("main"), alg="RS256")]})


class Ending(World):
    """The world of one request, which may be over."""

    is_over = False

    async def call(self, name: str, payload: dict[str, Any]) -> Any:
        """Nothing more, once it is."""
        if self.is_over:
            raise HostError("the call that this host call belongs to is over", code="unavailable")
        return await super().call(name, payload)

    def anew(self) -> World:
        """The world of what belongs to no request."""
        return World(self.patch, self.now_s, answer=self.answer)


async def test_it_takes_them_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Ending(monkeypatch, answer=GOOD), World(monkeypatch, answer=GOOD)
    keys = RemoteKeys("https://idp.example/jwks", KeyTimes(), ("RS256",), KeySet(), clock=lambda: other.now_s)
    with inside(one):
        first = asyncio.ensure_future(keys.find("RS256", "main"))
        await asyncio.sleep(0)  # it has begun the fetch, which has asked nothing yet
    first.cancel()
    one.is_over = True
    with inside(other):
        assert [key.kid for key in await keys.find("RS256", "main")] == ["main"]
