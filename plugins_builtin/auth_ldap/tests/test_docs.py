"""The how-to is true: its directory is made and asked as it says, and the configuration it shows is a good one."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.auth_ldap.settings import problems
from plugins_builtin.auth_ldap.tests.mock import basic
from tests.docs.pages import ROOT, Block, blocks
from tests.support.openldap import until_it_accepts
from tests.support.server_processes import free_port

HOW_TO, ACTIVE_DIRECTORY = (ROOT / "docs" / "how-to" / name for name in ("auth-ldap.md", "active-directory.md"))


def of(page: Path, language: str) -> list[Block]:
    """The page's blocks in that language."""
    return [block for block in blocks(page) if block.language == language]


def first(page: Path) -> dict[str, Any]:
    """The page's whole configuration."""
    return dict(yaml.safe_load(of(page, "yaml")[0].text))


async def test_the_throw_away_directory_answers_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks(HOW_TO):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    make = next(block.text for block in of(HOW_TO, "sh") if "slapadd" in block.text)
    port = str(free_port())
    process = subprocess.Popen(
        ["sh", "-c", f"{make.replace('3890', port).rstrip().removesuffix('&').replace('/usr/sbin/slapd ', 'exec /usr/sbin/slapd ')}"],
        cwd=tmp_path,
    )
    try:
        until_it_accepts(int(port), process)
        config = first(HOW_TO)
        said = config["plugins"]["auth-ldap"]["config"]
        said.update(yaml.safe_load(of(HOW_TO, "yaml")[1].text.replace("3890", port)))
        del said["ca_file"]
        serve = next(block.text for block in of(HOW_TO, "sh") if "mockforge serve" in block.text)
        monkeypatch.setenv(*serve.split()[0].split("=", 1))
        shown = next(block.text for block in of(HOW_TO, "text") if "curl" in block.text).splitlines()
        async with Client(MockForge(config=config)) as at:
            for command, answer in zip(shown[::2], shown[1::2], strict=True):
                name, _, password = command.split("-u ")[1].split()[0].partition(":")
                response = await at.get("/orders/me", headers=basic(name, password))
                assert response.text.strip() == answer
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(20)


@pytest.mark.parametrize("page", [HOW_TO, ACTIVE_DIRECTORY], ids=lambda page: page.name)
def test_the_configuration_of_a_page_is_a_good_one(page: Path) -> None:
    config = {**first(page)["plugins"]["auth-ldap"]["config"]}
    del config["ca_file"]
    assert problems(config) == []
    for block in of(page, "yaml")[1:]:
        change = yaml.safe_load(block.text)
        changed = {**config, **change}
        if "bind_as" in change:
            changed = {key: value for key, value in changed.items() if not key.startswith("bind_") or key == "bind_as"}
            changed = changed if "users" in change else {key: value for key, value in changed.items() if key != "users"}
        assert problems(changed) == [], block.text


def test_every_key_is_in_the_how_to() -> None:
    keys = yaml.safe_load((ROOT / "plugins_builtin" / "auth_ldap" / "plugin.yaml").read_text())["config"]["properties"]
    text = HOW_TO.read_text()
    assert [key for key in keys if key not in text] == []
