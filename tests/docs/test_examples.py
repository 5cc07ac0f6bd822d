"""The documentation is true: its files load, its Python runs, its commands answer what it shows."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from mockforge_asgi import MockForge, errors
from mockforge_asgi.config import load_config
from mockforge_asgi.contract import protocol as contract
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.reload.app import ReloadingApp
from mockforge_asgi.testing import Client
from tests.docs import figures
from tests.docs.pages import OTHER_PAGES, PAGES, ROOT, Block, BuildRust, Curl, Npm, Serve, Sqlite, Try, blocks, commands
from tests.golden import typescript

IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]


class Reader:
    """Somebody who types what a page shows, in one folder. What is served once is served on while files are edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wrong: list[str] = []
        self._client: Client | None = None
        self._is_told = False

    async def serve(self, file: str = "mockforge.yaml", *, reload: bool = False, is_told: bool = True) -> Client:
        """`mockforge serve`."""
        await self.stop()
        path, dev = self.folder / file, True if reload else None
        config = load_config(path, dev=dev)
        app = (
            ReloadingApp(config, lambda: load_config(path, dev=dev), lambda changed: MockForge(config=changed), report=self._report)
            if config.dev
            else MockForge(config=config)
        )
        self._client, self._is_told = Client(app, host="127.0.0.1:8000"), is_told
        await self._client.__aenter__()
        return self._client

    def _report(self, level: str, text: str) -> None:
        if level == "error":
            self.wrong.append(text)

    async def ask(self, block: Block, command: Curl) -> None:
        """`curl`; a page that does not say how to serve is served anew after each of its files."""
        client = self._client or await self.serve(is_told=False)
        answer = await client.request(command.method, command.path, headers=command.headers, body=command.body)
        found = command.differences(answer.status, answer.headers, answer.text)
        self.wrong += [f"{block.page.name}:{block.line} {difference}" for difference in found]

    async def try_out(self, block: Block, command: Try) -> None:
        """`mockforge plugin …`."""
        words = [str(Path(sys.executable).with_name(command.words[0])), *command.words[1:]]
        done = await asyncio.create_subprocess_exec(
            *words, cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        printed, _ = await asyncio.wait_for(done.communicate(), 60)
        self.wrong += [f"{block.page.name}:{block.line} {difference}" for difference in command.differences(printed.decode())]

    def sqlite(self, command: Sqlite) -> None:
        """`sqlite3`, as far as Python has it."""
        with closing(sqlite3.connect(self.folder / command.database)) as database:
            database.executescript((self.folder / command.script).read_text())

    def npm(self, block: Block, command: Npm) -> None:
        """`npm`; the kit is linked from where it is, and not installed anew."""
        folder = self.folder / command.folder
        if command.words[0] == "install":
            typescript.link(folder)
            return
        done = typescript.run("npm", *command.words, cwd=folder)
        if done.returncode:
            self.wrong.append(f"{block.page.name}:{block.line} {done.stdout}{done.stderr}")

    def build_rust(self, block: Block, command: BuildRust) -> None:
        """`sdk/rust/build.sh`: what the kit's example was built into, if the page's sources are the same; `tests/integration` builds it."""
        crate, hello = self.folder / command.folder, ROOT / "sdk" / "rust" / "hello"
        here, there = (tomllib.loads((folder / "Cargo.toml").read_text()) for folder in (crate, hello))
        del there["dependencies"]["mockforge-plugin"]  # named by the page's own command
        if here != there or (crate / "src/lib.rs").read_text() != (hello / "src/lib.rs").read_text():
            self.wrong.append(f"{block.page.name}:{block.line} the crate is not the one in sdk/rust/hello")
        shutil.copyfile(hello / "hello.wasm", self.folder / command.output)

    async def save(self, block: Block) -> None:
        """A file, as the page shows it."""
        if not self._is_told:
            await self.stop()
        target = self.folder / block.title
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text)

    async def stop(self) -> None:
        """Ctrl+C."""
        if self._client is not None:
            await self._client.__aexit__(None, None, None)
            self._client = None


def place_of(page: Path, folder: Path) -> Path:
    """Where a reader of that page is: in an empty folder, for the README in a clone."""
    if page.name == "README.md":
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("target", "__pycache__"))
    return folder


@pytest.mark.parametrize("page", PAGES, ids=IDS)
async def test_the_commands_of_a_page_answer_what_it_shows(page: Path, tmp_path: Path) -> None:
    reader = Reader(place_of(page, tmp_path))
    try:
        for block in blocks(page):
            if block.title:
                await reader.save(block)
            elif block.language == "console":
                for command in commands(block):
                    if isinstance(command, Serve):
                        await reader.serve(command.file, reload=command.reload)
                    elif isinstance(command, BuildRust):
                        reader.build_rust(block, command)
                    elif isinstance(command, Npm):
                        reader.npm(block, command)
                    elif isinstance(command, Sqlite):
                        reader.sqlite(command)
                    elif isinstance(command, Try):
                        await reader.try_out(block, command)
                    else:
                        await reader.ask(block, command)
    finally:
        await reader.stop()
    assert not reader.wrong, "\n".join(reader.wrong)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    source = ""
    for block in blocks(page):
        if block.title:
            target = tmp_path / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif block.language == "python":
            source += f"\n# {page.name}:{block.line}\n{block.text}"
    if not source:
        return
    folder = place_of(page, tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, "-c", source], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_the_json_of_a_page_parses(page: Path) -> None:
    for block in blocks(page):
        if block.language == "json":
            assert json.loads(block.text) is not None


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text()):
        other = page.parent / target if target else page
        if "://" not in target and (not other.exists() or (anchor and anchor not in anchors(other))):
            broken.append(f"{target}#{anchor}")
    assert not broken


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make, as GitHub and MkDocs name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_error_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "errors.md").read_text()
    names = [n for n, e in vars(errors).items() if isinstance(e, type) and issubclass(e, errors.MockForgeError) and not n.startswith("_")]
    assert [n for n in names if f"`{n}`" not in text] == []


@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (errors.PluginFailed("p", "op", "no"), "PluginFailed", 502),
        (errors.LimitExceeded("p", "op", "cpu_ms", 1), "LimitExceeded", 504),
        (errors.PluginUnavailable("p", "full"), "PluginUnavailable", 503),
        (errors.TemplateFailed("t", 1, "no"), "TemplateFailed", 500),
    ],
)
def test_the_status_of_an_error_is_the_one_in_the_reference(error: errors.MockForgeError, name: str, status: int) -> None:
    line = next(row for row in (ROOT / "docs" / "reference" / "errors.md").read_text().splitlines() if row.startswith(f"| `{name}`"))
    assert response_for(error).status == status
    assert str(status) in line.split("|")[4]


def test_every_operation_and_error_code_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "contract.md").read_text() + (ROOT / "docs" / "reference" / "errors.md").read_text()
    ops = [op for group in contract.OPS.values() for op in group] + list(contract.OPTIONAL_OPS)
    assert [word for word in (*ops, *contract.ERROR_CODES) if f"`{word}`" not in reference] == []


def test_the_component_world_in_the_reference_is_the_one_in_the_kit() -> None:
    shown = next(b.text for b in blocks(ROOT / "docs" / "reference" / "contract.md") if b.language == "wit")
    code = re.sub(r"//[^\n]*", "", (ROOT / "mockforge_plugin" / "wit" / "plugin.wit").read_text())
    assert "".join(shown.split())[:-1] in "".join(code.split())


def test_the_figures_in_the_readme_are_those_of_the_benchmarks() -> None:
    page = (ROOT / "README.md").read_text()
    assert figures.HEADING in (ROOT / "benchmarks" / "README.md").read_text()
    assert page == figures.placed(page), "write them anew: python -m tests.docs.figures"


def test_the_readme_begins_with_a_whole_mock_of_six_lines() -> None:
    first = blocks(ROOT / "README.md")[0]
    assert first.title == "mockforge.yaml" and len(first.text.splitlines()) == 6 and first.line < 10


def test_the_interpreters_that_the_readme_names_are_those_of_the_package() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert wanted == ">=3.11,!=3.14.0,!=3.14.1"
    assert "3.11 or newer (not 3.14.0 or 3.14.1)" in (ROOT / "README.md").read_text()
