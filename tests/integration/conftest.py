"""What the tests of the whole product share."""

from __future__ import annotations

import pytest

from tests.integration.canaries import forget_others


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest) -> None:
    """Tests of isolation look at the guests of their own."""
    if request.module.__name__.rpartition(".")[2].startswith("test_isolation"):
        forget_others()
