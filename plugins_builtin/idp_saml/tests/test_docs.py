"""The how-to is true: its configurations are good ones, and its commands do what it says."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml

from mockforge_asgi.config import load_config
from mockforge_asgi.testing import Server
from plugins_builtin.idp_saml.keys import Signer
from plugins_builtin.idp_saml.tests.pages import form_of
from plugins_builtin.idp_saml.tests.parties import browser
from tests.docs.pages import ROOT, blocks
from tests.support.served import served
from tests.support.server_processes import free_port

PAGE = ROOT / "docs" / "how-to" / "idp-saml.md"
CONFIGS: list[dict[str, Any]] = [yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"]
COMMANDS = [block.text.strip() for block in blocks(PAGE) if block.language == "sh"]


def test_one_line_starts_it_and_a_command_without_a_browser_logs_in() -> None:
    (command,) = (text for text in COMMANDS if text.startswith("curl"))
    shown = next(block.text.strip() for block in blocks(PAGE) if block.language == "text")
    with Server(CONFIGS[0]) as server:
        words = [word.replace("http://127.0.0.1:8000", server.url) for word in shlex.split(command)]
        done = subprocess.run([*words, "--noproxy", "*"], capture_output=True, text=True, check=True, timeout=30)
        assert done.stdout.startswith(shown.partition("…")[0])


def test_the_addresses_are_those_of_the_table() -> None:
    rows = [
        line.strip("| ").split(" | ")
        for line in PAGE.read_text().splitlines()
        if "`http://127.0.0.1:8000/idp/" in line and line.startswith("|")
    ]
    with Server(CONFIGS[0]) as server, browser() as http:
        for _, address in rows:
            url = address.strip("` |").replace("http://127.0.0.1:8000", server.url)
            answer = http.get(url.replace("ENTITY_ID", "urn:sp").replace("ADDRESS", "http://127.0.0.1:9000/acs"))
            assert answer.status_code == (400 if url.endswith(("/sso", "/slo")) else 200), url
    assert len(rows) == 5


def test_both_sides_stand_in_one_file(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "mockforge.yaml"
    file.write_text(yaml.safe_dump(CONFIGS[1]).replace(":8000", f":{port}"))
    with served(file, port) as server, browser(follow_redirects=True) as http:
        page = http.get(f"http://127.0.0.1:{server.port}/orders/me", headers={"accept": "text/html"})
        onward = form_of(http.post(form_of(page).action, data={**form_of(page).fields, "user": "ada"}))
        assert http.post(onward.action, data=onward.fields).text == "Hello ada: admin, member"


def test_a_configuration_of_ones_own_is_a_good_one(monkeypatch: Any) -> None:
    monkeypatch.setenv("BOBS_PASSWORD", "x")
    config = CONFIGS[2]
    load_config(config)
    with Server(config) as server, browser() as http:
        page = http.get(f"{server.url}/idp/login?sp=urn:example:wiki").text
        assert all(f'id="user-{name}"' in page for name in ("eve", "late", "bob"))


def test_a_key_of_ones_own_is_made_as_it_says(tmp_path: Path) -> None:
    (command,) = (text for text in COMMANDS if text.startswith("openssl"))
    subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert Signer.read((tmp_path / "idp.pem").read_text()).key.key_size == 2048
