"""The TypeScript kit in the whole product: the hello example and its cases, bounds, chance; the kit's own tests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mockforge_asgi.plugins.testkit.harness import Harness
from tests.golden import typescript

HELLO = typescript.KIT / "hello"
MOST_LINES = 520
ODD = """
import { fn, plugin } from "mockforge-plugin";

export default plugin({
  functions: {
    chance: fn({ call: () => [String(Math.random()), crypto.randomUUID()] }),
    spin: fn({ call: () => { for (;;); } }),
  },
});
"""
MANIFEST = """
manifest_version: 1
id: odd
version: 1.0.0
contract: "0.1"
kinds: [template]
runtime: component
entry: plugin.wasm
"""


def test_the_kits_own_tests_pass() -> None:
    done = typescript.run("npm", "test", cwd=typescript.installed())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout and "# pass 0" not in done.stdout


def test_the_world_is_the_one_of_the_contract() -> None:
    contract = (Path(__file__).resolve().parents[2] / "mockforge_plugin" / "wit" / "plugin.wit").read_text()
    assert contract.startswith((typescript.KIT / "plugin.wit").read_text())


def test_the_package_holds_all_that_a_build_needs() -> None:
    done = typescript.run("npm", "pack", "--dry-run", "--json", cwd=typescript.installed())
    packed = {file["path"] for file in json.loads(done.stdout)[0]["files"]}
    sources = {path.relative_to(typescript.KIT).as_posix() for folder in ("src", "quickjs") for path in (typescript.KIT / folder).iterdir()}
    assert packed == sources | {"bin.mjs", "build.mjs", "package.json", "plugin.wit", "tsconfig.json"}


def test_the_kit_is_small() -> None:
    """Without comments, the types that authors see, and what QuickJS lacks."""
    files = [path for path in (typescript.KIT / "src").glob("*.ts") if path.name != "types.ts"]
    lines = [line.strip() for path in files for line in path.read_text().splitlines()]
    assert len([line for line in lines if line and not line.startswith(("//", "/**"))]) <= MOST_LINES


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin with odd functions, built."""
    folder = tmp_path_factory.mktemp("plugins") / "odd"
    folder.mkdir()
    (folder / "plugin.ts").write_text(ODD)
    (folder / "plugin.yaml").write_text(MANIFEST)
    done = typescript.built(folder, folder / "plugin.wasm")
    assert done.returncode == 0, done.stderr
    return folder


async def test_the_hello_example_passes_its_cases(tmp_path: Path) -> None:
    folder = shutil.copytree(HELLO, tmp_path / "hello", ignore=shutil.ignore_patterns("node_modules", "*.wasm"))
    done = typescript.built(folder, folder / "plugin.wasm")
    assert done.returncode == 0, done.stderr
    async with Harness(folder) as trial:
        verdicts = [verdict async for verdict in trial.run()]
    assert [(verdict.case.name, verdict.differs) for verdict in verdicts if verdict.differs] == []
    assert len(verdicts) == 6


async def test_an_endless_loop_ends_at_the_budget_and_the_next_instance_has_its_own_chance(odd: Path) -> None:
    async with Harness(odd) as trial:
        first = await trial.call("template.call", {"function": "chance"})
        spun = await trial.call("template.call", {"function": "spin"})
        second = await trial.call("template.call", {"function": "chance"})
    assert spun.error is not None and spun.error["details"]["limit"] == "cpu_ms" and spun.slices > 1
    assert (first.error, second.error) == (None, None)
    assert not {*first.answer} & {*second.answer}
