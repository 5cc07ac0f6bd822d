"""A provider for the tests of this plugin, by the fixture that everybody has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mockforge_asgi.testing import OidcProvider
from mockforge_asgi.testing.pytest_plugin import mockforge_idp as mockforge_idp
from mockforge_asgi.testing.pytest_plugin import mockforge_idp_config as mockforge_idp_config
from plugins_builtin.idp_oidc.tests.flow import Flow, flow_to


@pytest.fixture
def flow(mockforge_idp: OidcProvider) -> Iterator[Flow]:
    """A browser without cookies, and its clients."""
    with flow_to(mockforge_idp.issuer) as found:
        yield found
