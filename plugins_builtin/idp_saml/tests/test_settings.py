"""What is wrong with a configuration is told at once, with its place; and what service providers say of themselves is used."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.testing import Client, Server
from plugins_builtin.idp_saml.elements import DS, METADATA, POST, REDIRECT
from plugins_builtin.idp_saml.keys import Signer
from plugins_builtin.idp_saml.metadata import BadMetadata
from plugins_builtin.idp_saml.service_providers import provider_of
from plugins_builtin.idp_saml.tests.pages import said
from plugins_builtin.idp_saml.tests.parties import browser

ENTITY = "urn:sp"
CERTIFICATE = Signer.make("sp", datetime.now(UTC)).certificate_text


def metadata(*children: str, entity_id: str = ENTITY, **attributes: str) -> str:
    said = "".join(f' {name}="{value}"' for name, value in attributes.items())
    role = f'<md:SPSSODescriptor protocolSupportEnumeration="x"{said}>{"".join(children)}</md:SPSSODescriptor>'
    return f'<md:EntityDescriptor xmlns:md="{METADATA}" xmlns:ds="{DS}" entityID="{entity_id}">{role}</md:EntityDescriptor>'


def acs(url: str, index: int = 0, binding: str = POST, **attributes: str) -> str:
    said = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<md:AssertionConsumerService Binding="{binding}" Location="{url}" index="{index}"{said}/>'


def key(use: str | None, *methods: str) -> str:
    said = "" if use is None else f' use="{use}"'
    wanted = "".join(f'<md:EncryptionMethod Algorithm="{method}"/>' for method in methods)
    info = f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{CERTIFICATE}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    return f"<md:KeyDescriptor{said}>{info}{wanted}</md:KeyDescriptor>"


def listed(**entry: Any) -> dict[str, Any]:
    return {"service_providers": [{"entity_id": ENTITY, **entry}]}


ACS = "https://sp.example/acs"
GOOD = metadata(acs(ACS))


@pytest.mark.parametrize(("config", "place", "words"), [
    ({"public_url": "https://idp.example/"}, "public_url", "without a slash"),
    ({"public_url": "ftp://idp.example"}, "public_url", "is not an address"),
    ({"public_url": "https://idp.example?x"}, "public_url", "is not an address"),
    ({"users": [{"id": "ada"}, {"id": "ada"}]}, "users[1].id", "'ada' is there twice"),
    ({"users": [{"id": "a b"}]}, "users[0].id", ""),
    ({"users": [{"id": "ada", "defect": "nonsense"}]}, "users[0].defect", ""),
    (listed(), "service_providers[0].acs", "not said where assertions go"),
    (listed(acs="nonsense"), "service_providers[0].acs", "'nonsense' is not an http or https address"),
    (listed(acs="javascript:alert(1)"), "service_providers[0].acs", "is not an http or https address"),
    (listed(acs=ACS, logout_url="x"), "service_providers[0].logout_url", "'x' is not an http or https address"),
    (listed(acs=ACS, certificates=["nonsense"]), "service_providers[0].certificates", "no X.509 certificate"),
    (listed(metadata="<a/>"), "service_providers[0].metadata", "describes no service provider of that entity id"),
    (listed(metadata="<a"), "service_providers[0].metadata", "not well-formed XML"),
    (listed(metadata=metadata(acs(ACS), entity_id="urn:other")), "service_providers[0].metadata", "of that entity id"),
    (listed(metadata=GOOD, metadata_file="/x"), "service_providers[0].metadata_file", "Keep one of them"),
    (listed(metadata_file="/no/such/file.xml"), "service_providers[0].metadata_file", "No such file"),
    ({"service_providers": [{"entity_id": ENTITY, "acs": ACS}] * 2}, "service_providers[1].entity_id", "is there twice"),
])  # fmt: skip
async def test_what_is_wrong_is_told_with_its_place(config: dict[str, Any], place: str, words: str) -> None:
    made = {"version": 1, "plugins": {"idp": {"use": "idp-saml", "config": config}}}
    with pytest.raises((ConfigError, RuntimeError)) as caught:
        async with Client(MockForge(config=made)):
            pass
    assert place in str(caught.value) and words in str(caught.value)


def test_metadata_says_where_and_how() -> None:
    gcm = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
    logout = f'<md:SingleLogoutService Binding="{POST}" Location="https://sp.example/slo" ResponseLocation="https://sp.example/slo/back"/>'
    artifact = acs("https://sp.example/artifact", 7, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact")
    text = metadata(
        key("signing"), key("encryption", "urn:unknown", gcm), logout, acs("https://sp.example/first", 3), acs(ACS, 5, isDefault="true"),
        artifact, acs("javascript:alert(1)", 9), AuthnRequestsSigned="true",
    )  # fmt: skip
    found = provider_of({"entity_id": ENTITY, "metadata": text}, "both")
    assert found.acs == (ACS, "https://sp.example/first") and found.address(None, None) == ACS
    assert found.address(None, 3) == "https://sp.example/first" and found.address(None, 7) is None is found.address(None, 9)
    assert found.logout is not None and (found.logout.binding, found.logout.response_url) == (POST, "https://sp.example/slo/back")
    assert len(found.certificates) == 1 and found.signs_requests
    assert found.seal.encryption is not None and found.seal.content == "aes128-gcm"


def test_an_entry_wins_over_its_metadata() -> None:
    text = metadata(key(None), acs(ACS), f'<md:SingleLogoutService Binding="{REDIRECT}" Location="https://sp.example/slo"/>')
    entry = {"entity_id": ENTITY, "metadata": text}
    assert provider_of(entry, "both").seal.content == "aes256-gcm"
    assert provider_of({**entry, "encryption": "aes256-cbc"}, "both").seal.content == "aes256-cbc"
    plain = provider_of(
        {**entry, "encryption": "none", "acs": ["https://other.example/acs"], "logout_url": "https://other.example/slo"}, "response"
    )
    assert plain.seal.encryption is None and plain.seal.signs == "response" and plain.acs == ("https://other.example/acs",)
    assert plain.logout is not None and plain.logout.url == "https://other.example/slo"


def test_one_of_several_entities_is_found() -> None:
    other = metadata(acs("https://x.example/"), entity_id="urn:x")
    both = f'<md:EntitiesDescriptor xmlns:md="{METADATA}">{other}{GOOD}</md:EntitiesDescriptor>'
    assert provider_of({"entity_id": ENTITY, "metadata": both}, "both").acs == (ACS,)
    with pytest.raises(BadMetadata, match="document type"):
        provider_of({"entity_id": ENTITY, "metadata": "<!DOCTYPE a [<!ENTITY x 'y'>]>" + GOOD}, "both")


def test_metadata_is_fetched_when_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "sp.xml"
    file.write_text(metadata(acs("http://127.0.0.1:9000/acs")))
    routes = [
        {"match": {"path": "/metadata"}, "response": {"file": str(file)}},
        {"match": {"path": "/broken"}, "response": {"text": "<a/>"}},
    ]
    with Server({"version": 1, "routes": routes}) as sp:
        providers = [{"entity_id": ENTITY, "metadata_url": f"{sp.url}/metadata"}] + [
            {"entity_id": f"urn:{path}", "metadata_url": f"{sp.url}/{path}"} for path in ("broken", "missing")
        ]
        with (
            Server({"version": 1, "plugins": {"idp": {"use": "idp-saml", "config": {"service_providers": providers}}}}) as server,
            browser() as http,
        ):
            login = f"{server.url}/idp/login"
            assert http.get(f"{login}?sp={ENTITY}").status_code == 200
            for path, words in (("broken", "describes no service provider"), ("missing", "answers 404")):
                answer = http.get(f"{login}?sp=urn:{path}")
                assert answer.status_code == 502 and words in said(answer)
            file.unlink()
            sp.stop()  # it is not asked again yet, neither for what was there nor for what was not
            assert http.get(f"{login}?sp={ENTITY}").status_code == 200
            answer = http.get(f"{login}?sp=urn:missing")
            assert answer.status_code == 502 and "answers 404" in said(answer)
