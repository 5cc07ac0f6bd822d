"""The map of the house shows the house: what it names is there, and no folder is left out."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

PACKAGE = ROOT / "mockforge_asgi"
PAGE = ROOT / "docs" / "explanation" / "architecture.md"


def named() -> set[str]:
    """Files and folders in backticks."""
    return set(re.findall(r"`([\w/]+(?:\.py|/))`", PAGE.read_text(encoding="utf-8")))


def test_what_the_map_names_is_there() -> None:
    places = named()
    assert len(places) > 50
    assert [place for place in sorted(places) if not ((PACKAGE / place).exists() or (ROOT / place).exists())] == []


def test_every_folder_is_on_the_map() -> None:
    folders = {f"{file.parent.relative_to(PACKAGE).as_posix()}/" for file in PACKAGE.rglob("__init__.py")} - {"./"}
    assert folders - named() - {"cli/starter/plugins/greeter/"} == set()
