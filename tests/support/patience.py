"""The fixture that gives a busy machine time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Making an instance ready has all the time that a busy machine takes, not the five seconds that it has in production."""
    from mockforge_asgi.wasm import host
    from mockforge_asgi.wasm.fiber import SETUP

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "SETUP", replace(SETUP, timeout_s=120.0))
        yield
