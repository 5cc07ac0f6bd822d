"""The plugins of the reference's page on other languages: built by its commands where the toolchain is here, and run."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.static_checks import validate
from mockforge_asgi.plugins.testkit.harness import Harness
from tests.docs.pages import ROOT, blocks
from tests.support.toolchains import missing

PAGE = ROOT / "docs/reference/other-languages.md"
TOOLS = {"go": ["go"], "as": ["npm", "npx"], "c": ["clang", "wasm-ld"], "zig": ["zig"]}
WHEEL = find_spec("ziglang")
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), *((WHEEL and WHEEL.submodule_search_locations) or ())])
"""Zig may come from PyPI, whose package keeps it in its own folder."""
FILES = {block.title: block.text for block in blocks(PAGE) if block.title}


def built(language: str, folder: Path, *, instead: tuple[str, str] = ("", "")) -> Path:
    """The page's plugin, made by the page's command; where that cannot be run it is passed over, with `CI` set it fails."""
    if lacking := [tool for tool in TOOLS[language] if shutil.which(tool, path=PATH) is None]:
        missing(f"needs {', '.join(lacking)}")
    for title, text in FILES.items():
        path = folder / title.removeprefix("plugins/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = FILES[f"{language}/build.sh"].replace(*instead)
    done = subprocess.run(
        ["sh", "-ec", command], cwd=folder / language, env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"{language} cannot build it here: {done.stderr[-300:]}")
    shutil.copy(folder / language / "plugin.wasm", folder / "visits")
    return folder / "visits"


@pytest.mark.parametrize("language", TOOLS)
async def test_a_plugin_in_another_language_is_built_checked_and_run_as_the_page_says(language: str, tmp_path: Path) -> None:
    plugin = built(language, tmp_path)
    assert validate(plugin).package.manifest.id == "visits"
    async with Harness(plugin) as trial:
        assert [(verdict.case.name, verdict.differs) async for verdict in trial.run()] == [("vowels and visits", None)]


def test_a_stack_that_is_too_large_is_told_with_the_setting(tmp_path: Path) -> None:
    plugin = built("c", tmp_path, instead=("stack-size=65536", "stack-size=16777216"))
    with pytest.raises(PluginRejected, match=r"needs 17 MiB of memory at the start\. Set limits\.memory_mb to 17"):
        validate(plugin, "p")


async def test_a_command_is_mapped_by_its_entry_and_answers_more_than_once(tmp_path: Path) -> None:
    plugin = built("c", tmp_path, instead=("-mexec-model=reactor", '-D"visit(x)=main(x)"'))
    manifest = plugin / "plugin.yaml"
    manifest.write_text(manifest.read_text().replace("response: visit", "response: _start"))
    cases = FILES["plugins/visits/cases.yaml"]
    (plugin / "cases.yaml").write_text(cases + cases.partition("cases:\n")[2].replace("value: 1", "value: 2"))
    async with Harness(plugin) as trial:
        assert [verdict.differs async for verdict in trial.run()] == [None, None]
