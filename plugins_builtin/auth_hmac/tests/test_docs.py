"""The how-to is true: its signer, as it stands there, is let in by its configuration."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "auth-hmac.md"


async def test_the_signer_of_the_how_to_signs_what_its_configuration_accepts() -> None:
    shown = blocks(PAGE)
    config = yaml.safe_load([block.text for block in shown if block.title == "mockforge.yaml"][-1])
    signer: dict[str, Any] = {}
    exec(next(block.text for block in shown if block.title == "signed_request.py"), signer)
    key, url = config["secrets"]["ci_key"]["value"].encode(), "http://127.0.0.1:8000/orders/7?express=1"
    async with Client(MockForge(config=config), host="127.0.0.1:8000") as client:
        headers = signer["sign"](key, "ci", "POST", url, b'{"item": "tea"}', {"content-type": "application/json"})
        answer = await client.post("/orders/7?express=1", headers=headers, body=b'{"item": "tea"}')
        assert (answer.status, answer.text) == (200, "ci: deployer")
        again = await client.post("/orders/7?express=1", headers=headers, body=b'{"item": "tea"}')
        assert again.status == 401
        bare = signer["sign"](key, "ci", "GET", "http://127.0.0.1:8000/orders/7")
        assert (await client.get("/orders/7", headers=bare)).status == 200
    assert b64encode(hashlib.sha256(b'{"item": "tea"}').digest()).decode() in PAGE.read_text()
