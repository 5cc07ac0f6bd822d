"""What a page shows as a file of tests is run by pytest, with the other files of the page beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks

WITH_TESTS = [page for page in PAGES if any(Path(block.title).name.startswith("test_") for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_TESTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.title:
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.text)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "mockforge_asgi.testing.pytest_plugin", "-p", "no:cacheprovider", "-W", "error"]
    ran = subprocess.run([*command, "."], cwd=tmp_path, env=environment, text=True, capture_output=True, check=False, timeout=120)
    assert ran.returncode == 0 and "passed" in ran.stdout, ran.stdout + ran.stderr
