"""What plugins share stands in the folder of each, since a plugin is its folder; it must be the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDERS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["bearer.py", "principal.py", "provider.py", "seen.py", "strict_json.py"])
def test_shared_files_are_the_same(name: str) -> None:
    texts = {path.parent.name: path.read_text() for path in FOLDERS.glob(f"*/{name}")}
    assert {"auth_jwt", "auth_oauth2"} <= texts.keys()
    assert len(set(texts.values())) == 1, f"{name} differs between {', '.join(sorted(texts))}"
