"""What identity providers share stands in the folder of each, since a plugin is its folder; it must be the same everywhere."""

from __future__ import annotations

from pathlib import Path

FOLDERS = Path(__file__).resolve().parents[2]


def test_the_pages_are_the_same() -> None:
    texts = {path.parent.name: path.read_text() for path in FOLDERS.glob("idp_*/page.py")}
    assert {"idp_oidc", "idp_saml"} <= texts.keys()
    assert len(set(texts.values())) == 1, f"page.py differs between {', '.join(sorted(texts))}"
