"""What identity providers share stands in the folder of each, since a plugin is its folder; it must be the same everywhere."""

from __future__ import annotations

from pathlib import Path


def test_the_pages_are_the_same() -> None:
    texts = {path.parent.name: path.read_text() for path in Path(__file__).resolve().parents[2].glob("idp_*/page.py")}
    assert "idp_oidc" in texts and len(set(texts.values())) == 1, f"page.py differs between {', '.join(sorted(texts))}"
