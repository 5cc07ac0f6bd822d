"""A provider for the tests of this plugin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plugins_builtin.auth_oauth_custom.tests.github_app import CALLBACK
from tests.support.github import GitHub, github


@pytest.fixture
def hub() -> Iterator[GitHub]:
    """One of the test's own."""
    with github(CALLBACK) as running:
        yield running
