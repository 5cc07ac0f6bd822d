"""What plugins share stands in the folder of each, since a plugin is its folder; it must be the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDERS = Path(__file__).resolve().parents[2]
TOKENS = {"auth_jwt", "auth_oidc"}
READERS = {*TOKENS, "auth_oauth2"}
LOGINS = {"auth_oidc", "auth_oauth_custom"}
SHARED = {
    "answers.py": LOGINS,
    "bearer.py": READERS | LOGINS,
    "claims.py": TOKENS,
    "client.py": LOGINS,
    "flow.py": LOGINS,
    "jwks.py": TOKENS,
    "keys.py": TOKENS,
    "principal.py": READERS | LOGINS,
    "provider.py": READERS | LOGINS | {"auth_saml"},
    "seen.py": READERS,
    "signed.py": TOKENS,
    "strict_json.py": READERS | LOGINS,
}
"""Files, and the plugins that have them: at the top of their folders or in a room of it."""


@pytest.mark.parametrize("name", SHARED)
def test_shared_files_are_the_same(name: str) -> None:
    found = [path for path in FOLDERS.rglob(name) if "The same file stands in every built-in plugin" in path.read_text()]
    plugins = {path.relative_to(FOLDERS).parts[0] for path in found}
    assert plugins >= SHARED[name]
    assert len({path.read_text() for path in found}) == 1, f"{name} differs between {', '.join(sorted(plugins))}"
