"""One served mock for all tests of a process that do not change it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plugins_builtin.auth_saml.tests.forge import pair
from plugins_builtin.auth_saml.tests.mock import IDP_KEY, Mock, config, serving


@pytest.fixture(scope="session")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """A mock: `saml` by default settings, `whole` for responses that are signed as a whole, `started` also by the provider,
    `known` at an address of its own,
    `sealed` for encrypted ones, `mapped` with settings for the principal."""
    folder = tmp_path_factory.mktemp("saml")
    made = config(folder, pair(IDP_KEY), pair("idp-ec", curve=True))
    plugins = {
        "saml": made,
        "whole": {**made, "want_assertions_signed": False, "want_messages_signed": True, "session": {"cookie": "w", "login_cookie": "w-l"}},
        "known": {**made, "public_url": "https://orders.example", "session": {"cookie": "k", "login_cookie": "k-l"}},
        "sealed": {**made, "want_assertions_encrypted": True, "session": {"cookie": "e", "login_cookie": "e-l"}},
        "mapped": {
            **made, "idps": {"corp": {**made["idps"]["corp"], "id_prefix": "corp:", "name": "cn"}}, "principal": "uid", "email": "urn:mail",
            "groups": ["groups", "more"], "claims": ["uid"], "session": {"cookie": "m", "login_cookie": "m-l"},
        },
        "started": {**made, "idp_initiated": True, "allow_cbc": True, "session": {"cookie": "s", "login_cookie": "s-l"}},
    }  # fmt: skip
    with serving(folder, plugins, backoff=False) as made_mock:
        yield made_mock
