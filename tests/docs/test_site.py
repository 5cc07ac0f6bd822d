"""The site shows every page, and what is run for a contributor are commands that a contributor has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT


def pages(node: Any) -> Iterator[str]:
    """Every page below a part of the navigation."""
    if isinstance(node, str):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from pages(child)


def test_every_page_is_in_the_navigation_once() -> None:
    shown = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    there = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert set(shown) == there and len(shown) == len(there)


def test_every_page_is_in_the_index() -> None:
    text = (ROOT / "docs" / "index.md").read_text()
    there = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")} - {"index.md"}
    assert [page for page in sorted(there) if f"({page})" not in text] == []


@pytest.mark.parametrize(
    "file", [".ci/run", "justfile", ".pre-commit-config.yaml", ".github/workflows/ci.yml", "CONTRIBUTING.md", "README.md"]
)
def test_the_scripts_that_are_named_are_there(file: str) -> None:
    named = set(re.findall(r"(?:\./)(scripts/\w+|\.ci/run)", (ROOT / file).read_text()))
    assert named and [name for name in named if not (ROOT / name).stat().st_mode & 0o100] == []


def test_continuous_integration_runs_scripts_alone() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line.removeprefix("exec ") for line in lines if line and not line.startswith(("#", "set ", "cd ", "export "))]
    assert commands and all(re.match(r"\./scripts/\w+( --?\w+)*$", command) for command in commands)


@pytest.mark.parametrize("file", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda file: file.name)
def test_what_github_reads_is_yaml(file: Path) -> None:
    assert isinstance(yaml.safe_load(file.read_text()), dict)
