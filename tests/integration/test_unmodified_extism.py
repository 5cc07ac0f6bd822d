"""An Extism plugin that knows nothing of this host, as the reference says: mapped, asked for, granted, and called."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from mockforge_asgi.config import load_config
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.plugins.consistency import check_plugins
from mockforge_asgi.plugins.package.static_checks import validate
from mockforge_asgi.testing import Client
from tests.docs.pages import ROOT, blocks
from tests.support.extism_guests import PLAIN

PAGE = ROOT / "docs/reference/extism.md"
SILENT = "'count_vowels' answers requests from their body, which it may not read: its input is always empty."


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """The page's files, and the plugin's code."""
    for block in blocks(PAGE):
        if block.title.endswith(("vowels/plugin.yaml", "mockforge.yaml")):
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.text)
    shutil.copy(PLAIN, tmp_path / "plugins/vowels/plugin.wasm")
    return tmp_path


async def test_a_plugin_mapped_as_documented_counts_the_vowels_of_the_body(documented: Path) -> None:
    assert validate(documented / "plugins/vowels", "p").warnings == ()
    assert check_plugins(load_config(documented / "mockforge.yaml")).warnings == ()
    async with Client(MockForge(None, documented / "mockforge.yaml")) as client:
        answer = await client.post("/vowels", body=b"Hello, World!")
    assert (answer.status, answer.json()["count"], answer.header("content-type")) == (200, 3, "application/json")


@pytest.mark.parametrize(
    ("asked", "granted", "remedy"),
    [
        ("", "", "Add `request.body: {reason: …}` under `permissions:` in its manifest, and grant it."),
        ("request.client: {reason: r}", "client", "Add `request.body: {reason: …}` under `permissions:`"),
        ("request.body: {reason: r, optional: true}", "", "If that is meant, write under `grants:`\n        request: {body: true}"),
        ("request.body: {reason: r, optional: true}", "body", ""),
    ],
)
async def test_an_export_that_never_gets_a_body_is_warned_of(documented: Path, asked: str, granted: str, remedy: str) -> None:
    folder, file = documented / "plugins/vowels", documented / "mockforge.yaml"
    manifest = re.sub(r"permissions:\n.*\n", f"permissions: {{{asked}}}\n", (folder / "plugin.yaml").read_text())
    (folder / "plugin.yaml").write_text(manifest)
    config = yaml.safe_load(file.read_text())
    config["plugins"]["vowels"]["grants"] = {"request": {granted: True}} if granted else {}
    told = [str(warning) for warning in check_plugins(load_config(config, base_dir=documented)).warnings]
    by_validate = [str(warning) for warning in validate(folder, "p").warnings]
    assert len(told) == bool(remedy) and all(SILENT in words and remedy in words for words in told)
    assert [SILENT in words and words.startswith("p/plugin.yaml:") for words in by_validate] == [True] * ("request.body" not in asked)


async def test_template_functions_need_no_body(documented: Path) -> None:
    path = documented / "plugins/vowels/plugin.yaml"
    text = re.sub(r"permissions:\n.*\n", "", path.read_text()).replace("response: count_vowels, ", "").replace("[response, ", "[")
    path.write_text(text)
    assert validate(path.parent, "p").warnings == ()


@pytest.mark.parametrize("page", ["docs/reference/extism.md", "docs/reference/manifest.md"])
def test_every_documented_mapping_asks_for_the_body(page: str) -> None:
    manifests = [yaml.safe_load(block.text) for block in blocks(ROOT / page) if block.title.endswith("plugin.yaml")]
    mapped = [m for m in manifests if isinstance(m["entry"], dict) and "response" in m["entry"]]
    assert mapped and all("request.body" in m.get("permissions", {}) for m in mapped)
