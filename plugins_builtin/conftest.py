"""What holds for the tests of the built-in plugins, as for all others."""

from __future__ import annotations

from tests.support.patience import patience as patience  # a fixture
