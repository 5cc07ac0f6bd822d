"""The list of built-in plugins says what must be installed for each."""

from __future__ import annotations

import pytest

from mockforge_asgi.cli import builtin
from mockforge_asgi.cli.builtin import builtin_table


def needs() -> dict[str, str]:
    heading, *rows = builtin_table().splitlines()
    begin, end = heading.index("NEEDS"), heading.index("DESCRIPTION")
    return {row.split()[0]: row[begin:end].strip() for row in rows}


def test_a_plugin_needs_the_extra_of_its_modules_and_http_where_it_connects() -> None:
    found = needs()
    assert found["auth-jwt"] == "auth, http for jwks_url"
    assert found["auth-oauth2"] == "http"
    assert found["auth-api-key"] == "", "what comes with this package is no extra"


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "find_spec", lambda name: None)
    assert needs()["auth-oauth2"] == "http (not installed)"
    assert needs()["auth-jwt"] == "auth, http (not installed) for jwks_url"
