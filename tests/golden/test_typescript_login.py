"""Probe of the contract in TypeScript: the same login as in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.golden import test_oidc_login as python
from tests.golden.production import Production, ProductionInstance
from tests.support.memory_host_calls import HostCalls


@pytest.fixture
def login(production: Production, typescript_component: Path) -> python.Login:
    """A browser without cookies."""

    def load(_: Mapping[str, str], doors: HostCalls) -> ProductionInstance:
        made = production.component(typescript_component, doors)
        made.call("golden.use", "oidc_login")
        return made

    return python.Login(load)


test_a_login_ends_with_a_session = python.test_a_login_ends_with_a_session
test_a_callback_is_good_once = python.test_a_callback_is_good_once
test_a_callback_of_another_browser_is_refused = python.test_a_callback_of_another_browser_is_refused
test_a_token_of_another_login_or_too_old_is_refused = python.test_a_token_of_another_login_or_too_old_is_refused
test_a_program_is_told_and_not_redirected = python.test_a_program_is_told_and_not_redirected
test_configuration_is_checked_field_by_field = python.test_configuration_is_checked_field_by_field
