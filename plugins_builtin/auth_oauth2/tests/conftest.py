"""A provider for the tests of this plugin."""

from __future__ import annotations

from tests.support.identity_provider import idp as idp
from tests.support.identity_provider import provider as provider
