"""What holds for all tests: nothing depends on how fast the machine is."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

# Collecting is most of a short run. It leaves no garbage to look for; and where Python is told to keep no bytecode beside sources, that of
# the tests is kept in a folder of its own. The tests themselves run as they were told.
_KEEPS_NONE, _PREFIX = sys.dont_write_bytecode, sys.pycache_prefix
if _KEEPS_NONE:
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "bytecode")
gc.disable()
# A shell starts what is in the background with interrupts ignored, and what is started here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from hypothesis import HealthCheck, settings  # noqa: E402

from tests.support.patience import patience as patience  # noqa: E402  # a fixture

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Once all is collected, Python does as it was told."""
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = _KEEPS_NONE, _PREFIX
        gc.enable()
