"""One directory for all tests of a process, which none of them changes, and another where one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.openldap import INSTALL, OpenLdap, is_installed, openldap
from tests.support.toolchains import missing


@pytest.fixture(scope="session", autouse=True)
def there_is_a_server() -> None:
    """Without slapd nothing here can be tested; with `CI` set it must be there."""
    if not is_installed():
        missing(f"slapd is missing: {INSTALL}")


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    """A running server that stays as it is."""
    with openldap(tmp_path_factory.mktemp("ldap") / "slapd") as running:
        yield running


@pytest.fixture
def own_directory(tmp_path: Path) -> Iterator[OpenLdap]:
    """A running server of the test's own."""
    with openldap(tmp_path / "slapd") as running:
        yield running
