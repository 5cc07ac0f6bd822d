"""The plugin that pytest finds by itself once the package is installed: fixtures over what `mockforge_asgi.testing` has.

Nothing is loaded before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mockforge_asgi.testing import Server


@pytest.fixture
def mockforge_server() -> Iterator[Callable[..., Server]]:
    """Serves a configuration or an ASGI app on the loopback until the test ends: `mockforge_server("mockforge.yaml").url`."""
    from mockforge_asgi.testing import Server

    with ExitStack() as servers:

        def serve(target: Any, *, root_path: str = "") -> Server:
            return servers.enter_context(Server(target, root_path=root_path))

        yield serve
