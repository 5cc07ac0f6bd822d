"""The how-to is true: its commands make a key that works, its configuration serves, and its addresses are those of the metadata."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.auth_saml.settings import problems
from plugins_builtin.auth_saml.tests.forge import metadata, pair
from plugins_builtin.auth_saml.tests.mock import Mock
from tests.docs.pages import ROOT, blocks
from tests.support.served import served

HOW_TO = ROOT / "docs" / "how-to" / "auth-saml.md"


def of(title: str) -> str:
    """The page's file, or part of one, of that title."""
    return next(block.text for block in blocks(HOW_TO) if block.title == title)


def test_the_two_mocks_to_try_it_with_log_in(tmp_path: Path) -> None:
    (tmp_path / "idp.yaml").write_text(of("idp.yaml"))
    with served(tmp_path / "idp.yaml") as idp:
        (tmp_path / "orders.yaml").write_text(of("orders.yaml").replace("8001", str(idp.port)))
        with served(tmp_path / "orders.yaml") as orders:
            at = Mock(orders)
            browser = at.browser()
            asked = browser.get("/orders/7")
            form = httpx.post(
                asked.headers["location"], data={"user": "ada"}, headers={"accept": "application/json"}, trust_env=False
            ).json()
            posted = httpx.post(form.pop("acs"), data=form, trust_env=False)
            done = browser.get(posted.headers["location"])
            assert (done.headers["location"], browser.get("/orders/7").json()) == ("/orders/7", {"status": "shipped"})


async def test_its_service_starts_and_describes_itself_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSION_KEY", "0123456789abcdef" * 2)
    subprocess.run(["sh", "-ec", next(block.text for block in blocks(HOW_TO) if "openssl" in block.text)], check=True, capture_output=True)
    config: dict[str, Any] = yaml.safe_load(of("mockforge.yaml"))
    own = config["plugins"]["saml"]["config"]
    assert list(problems({"principal": "name_id", **own})) == []
    Path("idp.xml").write_text(metadata(pair("idp")))
    own["idps"]["corp"] = {"metadata_file": str(tmp_path / "idp.xml")}
    async with Client(MockForge(config=config)) as client:
        described = (await client.get("/saml/metadata")).text
        page = HOW_TO.read_text()
        for address in ("saml/metadata", "saml/acs", "saml/slo"):
            whole = f"https://orders.example/{address}"
            assert whole in described and whole in page
        assert (await client.get("/orders/7")).status == 401
        sent = await client.get("/orders/7", headers={"accept": "text/html"})
        assert sent.status == 302 and "Signature=" in (sent.header("location") or "")


def test_its_part_about_several_providers_fits() -> None:
    config: dict[str, Any] = yaml.safe_load(of("config of the plugin"))
    config["idps"]["partner"] = {**config["idps"]["partner"], "metadata_file": str(HOW_TO)}
    assert list(problems({"principal": "name_id", **config})) == []
