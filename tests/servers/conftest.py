"""Each server is started once for all tests, when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.server_processes import COMMANDS, Running, running

Start = Callable[[str, str], Running]


@pytest.fixture(scope="package")
def start() -> Iterator[Start]:
    """Gives the running server of a name with an app of `apps`."""
    with ExitStack() as stack:
        known: dict[tuple[str, str], Running] = {}

        def starts(name: str, app: str) -> Running:
            if (name, app) not in known:
                known[name, app] = stack.enter_context(running(name, app))
            return known[name, app]

        yield starts


@pytest.fixture(params=list(COMMANDS))
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    name: str = request.param
    return name


@pytest.fixture
def wrapped(server: str, start: Start) -> Running:
    """The app in `MockForge` under that server."""
    return start(server, "WRAPPED")


@pytest.fixture
def bare(server: str, start: Start) -> Running:
    """The app alone under that server."""
    return start(server, "BARE")
