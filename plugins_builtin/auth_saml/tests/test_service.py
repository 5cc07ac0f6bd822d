"""Several providers of one service: none of them holds up the logins at another."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from mockforge_plugin import Request
from mockforge_plugin.login import Site
from plugins_builtin.auth_saml import worker
from plugins_builtin.auth_saml.parameters import Refused
from plugins_builtin.auth_saml.service import Service
from plugins_builtin.auth_saml.tests.forge import Login, encoded, metadata, pair
from tests.support.kit_world import World, inside, reply

KEY, OTHER = pair("idp"), pair("idp-other")
SITE = Site("https://orders.example", "/saml")
ACS, ENTITY_ID = "https://orders.example/saml/acs", "https://orders.example/saml/metadata"


class Providers(World):
    """A world with a worker process that is this one, in which `partner` answers when it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(patch, now_s=time.time())
        self.partner = asyncio.Event()

    async def call(self, name: str, payload: dict[str, Any]) -> Any:
        """What the worker's function gives, or metadata."""
        if name == "process.call":
            return getattr(worker, payload["function"])(*payload["args"], **payload["kwargs"])
        self.asked.append(payload)
        if "partner" in payload["url"]:
            await self.partner.wait()
        pairs = {"https://corp.example/": metadata(KEY), "https://partner.example/": metadata(OTHER, entity_id="https://partner.example")}
        return reply(pairs[payload["url"]].encode(), content_type="application/samlmetadata+xml")


def service() -> Service:
    """One with two providers."""
    config = {
        "idps": {name: {"metadata_url": f"https://{name}.example/"} for name in ("corp", "partner")},
        "processes": {"most": 1, "queue": 8, "timeout_s": 5},
        "want_assertions_signed": True, "want_messages_signed": False, "want_assertions_encrypted": False, "allow_cbc": False,
        "leeway_s": 60, "metadata_refresh_s": 3600, "timeout_ms": 3000,
    }  # fmt: skip
    return Service.from_config(config, SITE, lambda name: "")


async def test_a_provider_that_is_silent_holds_up_no_login_at_another(monkeypatch: pytest.MonkeyPatch) -> None:
    world, made = Providers(monkeypatch), service()
    login = Login(ACS, ENTITY_ID, "_request")
    with inside(world):
        await made.idps["corp"].known()
        waits = asyncio.ensure_future(made.idps["partner"].known())
        said = await asyncio.wait_for(made.read_login(Request(), encoded(login.signed(KEY))), 5)
        assert said["provider"] == "corp"
        partners = made.read_login(Request(), encoded(replace(login, issuer="https://partner.example").signed(OTHER)))
        asked = asyncio.ensure_future(partners)
        await asyncio.sleep(0.05)
        assert not asked.done(), "its own metadata are waited for"
        world.partner.set()
        assert (await asked)["provider"] == "partner" and (await waits).entity_id == "https://partner.example"


async def test_a_message_by_nobody_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world, made = Providers(monkeypatch), service()
    world.partner.set()
    with inside(world), pytest.raises(Refused, match="none of the configured providers"):
        await made.read_login(Request(), encoded(replace(Login(ACS, ENTITY_ID, "_r"), issuer="https://evil.example").signed(KEY)))
