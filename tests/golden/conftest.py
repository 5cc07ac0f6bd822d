"""The golden cases run in three worlds: natively, in the sandbox by itself, and in the sandbox on the product's own host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden import typescript
from tests.golden.production import Production
from tests.plugin_kit.conftest import Load, sandbox
from tests.support.native_kit_harness import NativeInstance

__all__ = ["sandbox"]


@pytest.fixture(scope="session")
def production() -> Iterator[Production]:
    """The product's host for Python guests, on a loop of its own."""
    made = Production()
    yield made
    made.close()


@pytest.fixture(scope="session")
def typescript_component(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All golden plugins in TypeScript, in one component."""
    return typescript.golden_component(tmp_path_factory.mktemp("typescript") / "golden.wasm")


@pytest.fixture(params=["native", "sandbox", "production"])
def load(request: pytest.FixtureRequest) -> Iterator[Load]:
    """Loads a plugin's files, in each world."""
    if request.param == "native":
        yield NativeInstance
        return
    world = request.getfixturevalue(request.param)
    load: Load = world.load
    yield load
    if isinstance(world, Production):
        world.free()
