"""A SAML identity provider for tests, and the responses that it hands out."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime

import pytest
from lxml import etree
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser

from mockforge_asgi.testing import SamlProvider
from mockforge_asgi.testing.pytest_plugin import mockforge_saml_idp as mockforge_saml_idp  # as an installed package has them
from mockforge_asgi.testing.pytest_plugin import mockforge_saml_idp_config as mockforge_saml_idp_config

AUDIENCE, ACS = "http://app.example/metadata", "http://app.example/acs"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
SAML = {"saml": "urn:oasis:names:tc:SAML:2.0:assertion"}


def auth(idp: SamlProvider, fields: dict[str, str] | None = None) -> OneLogin_Saml2_Auth:
    """An application's service provider, in the process of the test."""
    settings = {
        "strict": True,
        "sp": {"entityId": AUDIENCE, "assertionConsumerService": {"url": ACS, "binding": POST}},
        "idp": OneLogin_Saml2_IdPMetadataParser.parse(idp.metadata())["idp"],
        "security": {"wantAssertionsSigned": True},
    }
    return OneLogin_Saml2_Auth({"https": "off", "http_host": "app.example", "script_name": "/acs", "post_data": fields or {}}, settings)


@pytest.mark.parametrize(("defect", "words"), [(None, None), ("none", None), ("expired", "expired"), ("unsigned", "not signed")])
def test_responses_are_good_or_bad_as_they_are_asked_for(mockforge_saml_idp: SamlProvider, defect: str | None, words: str | None) -> None:
    response = mockforge_saml_idp.response("grace", acs=ACS, audience=AUDIENCE, defect=defect)
    sp = auth(mockforge_saml_idp, {"SAMLResponse": response})
    sp.process_response()
    if words is None:
        assert (sp.get_errors(), sp.get_nameid(), sp.get_attribute("roles")) == ([], "grace", ["member"])
    else:
        assert words in str(sp.get_last_error_reason())


def test_a_login_that_the_application_began(mockforge_saml_idp: SamlProvider) -> None:
    with SamlProvider({"service_providers": [{"entity_id": AUDIENCE, "acs": ACS}]}) as idp:
        sp = auth(idp)
        url = sp.login("/home")
        fields = idp.log_in(url, "ada")
        assert url.startswith(idp.sso_url) and fields["RelayState"] == "/home"
        back = auth(idp, fields)
        back.process_response(request_id=sp.get_last_request_id())
        assert (back.get_errors(), back.get_nameid()) == ([], "ada")
    with pytest.raises(RuntimeError, match="is not known here"):
        mockforge_saml_idp.log_in(auth(mockforge_saml_idp).login(), "ada")  # whose address is on no machine


def test_what_it_is_told_is_what_it_says(mockforge_saml_idp: SamlProvider) -> None:
    secrets = {"pw": "correct horse"}
    config = {
        "entity_id": "urn:idp",
        "users": [{"id": "eve", "password": "pw"}],
        "service_providers": [{"entity_id": AUDIENCE, "acs": ACS}],
    }
    with SamlProvider(config, secrets=secrets) as idp:
        fields = idp.log_in(f"{idp.url}/idp/login?sp={AUDIENCE}", "eve")
        root = etree.fromstring(b64decode(fields["SAMLResponse"]))
        assert root.findtext("saml:Issuer", None, SAML) == idp.entity_id == "urn:idp"
        with pytest.raises(RuntimeError, match="password"):
            idp.log_in(f"{idp.url}/idp/login?sp={AUDIENCE}", "eve", password="wrong")
    assert mockforge_saml_idp.entity_id == mockforge_saml_idp.metadata_url
    response = mockforge_saml_idp.response(acs=ACS, audience=AUDIENCE, in_response_to="_7", defect="expired")
    root = etree.fromstring(b64decode(response))
    assert root.get("InResponseTo") == "_7" and root.find(".//saml:Conditions", SAML) is not None
    assert datetime.fromisoformat(root.find(".//saml:Conditions", SAML).get("NotOnOrAfter")) < datetime.now(UTC)


def test_what_it_refuses_is_told_in_its_words(mockforge_saml_idp: SamlProvider) -> None:
    with pytest.raises(RuntimeError, match="there is no defect of that name; there are expired, "):
        mockforge_saml_idp.response(acs=ACS, audience=AUDIENCE, defect="nonsense")
    with pytest.raises(RuntimeError, match="there is no such user"):
        mockforge_saml_idp.response("nobody", acs=ACS, audience=AUDIENCE)
