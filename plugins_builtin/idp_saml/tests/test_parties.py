"""Logins at service providers that we did not write, in each way that they ask for one."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from plugins_builtin.idp_saml.tests.conftest import Listed
from plugins_builtin.idp_saml.tests.parties import JSON, Idp, NodeServer, Party, PySaml2, Python3Saml, browser

LIBRARIES = ("python3-saml", "pysaml2", "node-saml", "samlify")
SAID = {"name": "Ada Lovelace", "email": "ada@example.com", "roles": ["admin", "member"], "groups": "staff"}


def _single(attributes: object) -> dict[str, object]:
    """One value for one, however a library has it."""
    assert isinstance(attributes, dict)
    return {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in attributes.items()}


@pytest.mark.parametrize("signs", ["both", "assertion", "response"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_whoever_is_on_this_machine_logs_in(library: str, signs: str, idp: Idp, node: NodeServer, folder: Path) -> None:
    party: Party
    if library == "python3-saml":
        party = Python3Saml(idp, signs, None)
    else:
        party = PySaml2(idp, signs, None, folder) if library == "pysaml2" else node.parties(idp, signs, None)[library]
    taken = party.log_in("ada")
    assert taken.name == ("ada@example.com" if library == "samlify" else "ada"), taken.why  # samlify asks for e-mail addresses
    assert _single(taken.attributes) == SAID


@pytest.mark.parametrize("library", LIBRARIES)
def test_those_that_are_listed_sign_their_requests_and_get_encrypted_assertions(library: str, listed: Listed) -> None:
    party = listed.parties[library]
    begun = party.begin()
    with browser() as http:
        answer = http.post(begun.url, data={"user": "grace"}, headers=JSON)
        assert answer.status_code == 200, answer.text
        assert b"EncryptedAssertion" in b64decode(answer.json()["SAMLResponse"])
        taken = party.take(answer.json()["SAMLResponse"], begun)
    assert (taken.name or "").partition("@")[0] == "grace", taken.why
