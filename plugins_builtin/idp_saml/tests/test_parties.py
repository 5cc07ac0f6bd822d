"""Logins at service providers that we did not write, in each way that they ask for one."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mockforge_asgi.testing import SamlProvider, Server
from plugins_builtin.idp_saml.keys import Signer
from plugins_builtin.idp_saml.tests.conftest import Listed
from plugins_builtin.idp_saml.tests.pages import form_of, said
from plugins_builtin.idp_saml.tests.parties import JSON, AuthSaml, Idp, NodeServer, Party, PySaml2, Python3Saml, auth_saml, browser

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


def test_auth_saml_and_this_provider_know_each_other_by_their_metadata(sp_key: Signer, tmp_path: Path) -> None:
    told, certificate = tmp_path / "sp.xml", tmp_path / "sp.crt"
    certificate.write_text(sp_key.pem.partition("-----END PRIVATE KEY-----\n")[2])
    own = {"entity_id": "urn:orders", "private_key": "key", "certificate": str(certificate), "want_assertions_encrypted": True}
    secrets = {"key": {"value": sp_key.key_pem.decode()}}
    notices = Starlette(routes=[Route("/sp.xml", lambda request: PlainTextResponse(told.read_text()))])
    with Server(notices) as notice_board:
        listed = [{"entity_id": "urn:orders", "metadata_url": f"{notice_board.url}/sp.xml"}]
        with (
            SamlProvider({"service_providers": listed, "signed_requests": True}) as provider,
            auth_saml(provider.metadata_url, "both", config=own, secrets=secrets) as sp,
        ):
            told.write_text(sp.http.get(f"{sp.origin}/saml/metadata").text)
            _both_know(sp, provider)


def _both_know(sp: AuthSaml, provider: SamlProvider) -> None:
    begun = sp.begin()
    form = form_of(sp.http.post(begun.url, data={"user": "ada"}))
    assert b"EncryptedAssertion" in b64decode(form.fields["SAMLResponse"])
    assert sp.http.post(form.action, data=form.fields, follow_redirects=True).json()["id"] == "ada"
    page = sp.http.get(f"{provider.url}/idp/logout")
    ended = sp.http.post(form_of(page).action, follow_redirects=True)
    assert said(ended) == "You are logged out here."
    assert sp.http.get(f"{sp.origin}/me", headers={"accept": "text/html"}).status_code == 302
