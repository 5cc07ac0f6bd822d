"""The how-to is true: its directory is made and asked as it says, and the configuration it shows is a good one."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge, PluginRuntime
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.events import CallFinished, Event
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


@contextmanager
def throw_away(folder: Path, *, encrypted: bool = False) -> Iterator[tuple[str, str]]:
    """The page's own directory, and the ports it listens on: ldap, ldaps."""
    for block in blocks(HOW_TO):
        if block.title:
            (folder / block.title).write_text(block.text)
    make = next(block.text for block in of(HOW_TO, "sh") if "slapadd" in block.text).rstrip().removesuffix("&")
    ports = str(free_port()), str(free_port())
    if encrypted:
        certify = next(block.text for block in of(HOW_TO, "sh") if "openssl" in block.text)
        subprocess.run(["sh", "-ec", certify], cwd=folder, check=True, capture_output=True)
        lines = next(block.text for block in of(HOW_TO, "text") if block.text.startswith("TLSCertificateFile"))
        (folder / "slapd.conf").write_text((folder / "slapd.conf").read_text().replace("database mdb", f"{lines}database mdb"))
        both = re.search(r'-h "ldap:.*?"', HOW_TO.read_text())
        assert both is not None
        make = make.replace("-h ldap://127.0.0.1:3890", both[0])
    make = make.replace("3890", ports[0]).replace("6360", ports[1]).replace("/usr/sbin/slapd ", "exec /usr/sbin/slapd ")
    process = subprocess.Popen(["sh", "-c", make], cwd=folder)
    try:
        until_it_accepts(int(ports[0]), process)
        yield ports
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(20)


@pytest.mark.parametrize(("uri", "more"), [("ldaps://localhost:6360", {}), ("ldap://localhost:3890", {"starttls": True})])
async def test_the_throw_away_directory_speaks_tls_as_the_page_shows(uri: str, more: dict[str, Any], tmp_path: Path) -> None:
    assert uri in HOW_TO.read_text()
    with throw_away(tmp_path, encrypted=True) as (ldap, ldaps):
        config = first(HOW_TO)
        at = uri.replace("3890", ldap).replace("6360", ldaps)
        config["plugins"]["auth-ldap"]["config"].update(servers=[at], ca_file=str(tmp_path / "ca.pem"), **more)
        config["secrets"] = {"ldap_password": {"value": "looks-users-up"}}
        async with Client(MockForge(config=config)) as client:
            response = await client.get("/orders/me", headers=basic("ada", "engine"))
            assert (response.status, response.text.strip()) == (200, "Ada Lovelace: admin")
        strict = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        strict.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
        with socket.create_connection(("localhost", int(ldaps))) as plain, strict.wrap_socket(plain, server_hostname="localhost") as safe:
            assert safe.version() in ("TLSv1.2", "TLSv1.3")


async def test_a_configuration_that_is_refused_is_told_and_nothing_else(tmp_path: Path) -> None:
    config = first(HOW_TO)
    config["plugins"]["auth-ldap"]["config"]["ca_file"] = str(tmp_path / "none.pem")
    config["secrets"] = {"ldap_password": {"value": "looks-users-up"}}
    runtime, heard = PluginRuntime(config), list[Event]()
    runtime.events.subscribe(heard.append)
    with pytest.raises(ConfigError, match=r"none\.pem' cannot be read"):
        await runtime.start()
    await runtime.stop()
    assert [event for event in heard if isinstance(event, CallFinished) and event.outcome != "ok"] == []


async def test_the_throw_away_directory_answers_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with throw_away(tmp_path) as (port, _):
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
