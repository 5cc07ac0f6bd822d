"""The plugin that pytest finds by itself once the package is installed: fixtures over what `mockforge_asgi.testing` has.

Nothing is loaded before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mockforge_asgi.testing import OidcProvider, SamlProvider, Server


@pytest.fixture
def mockforge_server() -> Iterator[Callable[..., Server]]:
    """Serves a configuration or an ASGI app on the loopback until the test ends: `mockforge_server("mockforge.yaml").url`."""
    from mockforge_asgi.testing import Server

    with ExitStack() as servers:

        def serve(target: Any, *, root_path: str = "") -> Server:
            return servers.enter_context(Server(target, root_path=root_path))

        yield serve


@pytest.fixture(scope="session")
def mockforge_idp_config() -> dict[str, Any]:
    """The configuration of `mockforge_idp`: override it for users and clients of your own."""
    return {}


@pytest.fixture(scope="session")
def mockforge_idp(mockforge_idp_config: dict[str, Any]) -> Iterator[OidcProvider]:
    """An OpenID provider on the loopback: `mockforge_idp.token("ada", defect="expired")`."""
    from mockforge_asgi.testing import OidcProvider

    with OidcProvider(mockforge_idp_config) as provider:
        yield provider


@pytest.fixture(scope="session")
def mockforge_saml_idp_config() -> dict[str, Any]:
    """The configuration of `mockforge_saml_idp`: override it for users and service providers of your own."""
    return {}


@pytest.fixture(scope="session")
def mockforge_saml_idp(mockforge_saml_idp_config: dict[str, Any]) -> Iterator[SamlProvider]:
    """A SAML identity provider on the loopback: `mockforge_saml_idp.response("ada", acs=…, audience=…, defect="expired")`."""
    from mockforge_asgi.testing import SamlProvider

    with SamlProvider(mockforge_saml_idp_config) as provider:
        yield provider
