"""Fixtures of the kit's tests: the sandbox, and plugins in both worlds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import pytest

from tests.support.golden_cases import Instance
from tests.support.memory_host_calls import HostCalls
from tests.support.native_kit_harness import NativeInstance
from tests.support.python_sandbox_harness import Sandbox

Load: TypeAlias = Callable[..., Instance]


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """The Python sandbox component, built if need be, compiled once."""
    return Sandbox()


@pytest.fixture(params=["native", "sandbox"])
def load(request: pytest.FixtureRequest) -> Load:
    """Loads a plugin's files, natively and in the sandbox."""
    if request.param == "native":
        return NativeInstance
    box: Sandbox = request.getfixturevalue("sandbox")

    def in_sandbox(files: Mapping[str, str] | str, doors: HostCalls | None = None) -> Instance:
        return box.load(files, doors)

    return in_sandbox
