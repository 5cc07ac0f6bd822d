"""Tools that a test builds with and that need not be on every machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """A tool is not here: passed over on a developer's machine, a failure where CI is set, which would hide it for ever."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
