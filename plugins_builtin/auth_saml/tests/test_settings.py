"""Configurations that are refused, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.auth_saml.settings import problems
from plugins_builtin.auth_saml.tests.forge import metadata, pair
from plugins_builtin.auth_saml.tests.mock import mock, own_key

URL = "https://idp.example/metadata"
ONE: dict[str, Any] = {"idps": {"corp": {"metadata_url": URL}}, "principal": "name_id"}


def two(**second: Any) -> dict[str, Any]:
    """Two providers."""
    return {**ONE, "idps": {"corp": {"metadata_url": URL, "id_prefix": "corp:"}, "other": {"metadata_url": URL, **second}}}


@pytest.mark.parametrize(("config", "place", "words"), [
    ({**ONE, "idps": {"corp": {}}}, "idps.corp", "either `metadata_url` or `metadata_file`"),
    ({**ONE, "idps": {"corp": {"metadata_url": URL, "metadata_file": "/x"}}}, "idps.corp", "either `metadata_url` or `metadata_file`"),
    ({**ONE, "idps": {"corp": {"metadata_url": "http://idp.example/m"}}}, "idps.corp.metadata_url", "can give keys of their own"),
    ({**ONE, "idps": {"corp": {"metadata_url": "file:///etc/passwd"}}}, "idps.corp.metadata_url", "is not an address"),
    ({**ONE, "idps": {"corp": {"metadata_file": "/no/such.xml"}}}, "idps.corp.metadata_file", "there is no file '/no/such.xml'"),
    (two(), "idps", "could name the users of the others"),
    (two(id_prefix="corp:"), "idps", "could name the users of the others"),
    (two(id_prefix="corp:x"), "idps", "could name the users of the others"),
    ({**ONE, "private_key": "k"}, "private_key", "needs `certificate`"),
    ({**ONE, "certificate": "c"}, "private_key", "needs `certificate`"),
    ({**ONE, "private_key": "k", "certificate": "/no/such.crt"}, "certificate", "there is no file '/no/such.crt'"),
    ({**ONE, "want_assertions_encrypted": True}, "want_assertions_encrypted", "without a key nobody can encrypt"),
    ({**ONE, "want_assertions_signed": False}, "want_assertions_signed", "something must be signed"),
    ({**ONE, "entity_id": "a b"}, "entity_id", "a URI without blanks"),
    ({**ONE, "public_url": "orders.example"}, "public_url", "is not an address"),
    ({**ONE, "public_url": "http://orders.example"}, "public_url", "can be read on the way"),
    ({**ONE, "after_logout": "https://evil.example"}, "after_logout", "a path of this application"),
    ({**ONE, "session": {"lifetime_s": 1}}, "session.lifetime_s", "from 60 to"),
])  # fmt: skip
def test_what_does_not_fit_is_told_with_its_place(config: dict[str, Any], place: str, words: str) -> None:
    found = dict(problems(config))
    assert list(found) == [place] and words in found[place]


@pytest.mark.parametrize("config", [
    ONE, two(id_prefix="other:"), {**two(), "shared_ids": True}, {**ONE, **own_key(), "want_assertions_encrypted": True},
    {**ONE, "idps": {"corp": {"metadata_url": "http://127.0.0.1:9/m"}}},
    {**ONE, "want_assertions_signed": False, "want_messages_signed": True},
    {**ONE, "public_url": "https://orders.example/base", "entity_id": "urn:orders", "after_logout": "/bye"},
])  # fmt: skip
def test_what_fits_is_accepted(config: dict[str, Any]) -> None:
    assert list(problems(config)) == []


@pytest.mark.parametrize(("key", "certificate", "words"), [
    ("x", pair("sp").certificate, "the private key is not PEM"),
    (pair("sp").key, "-----BEGIN", "the certificate is not PEM"),
    (pair("sp").key, pair("idp").certificate, "the certificate is for another key"),
    (pair("idp-ec", curve=True).key, pair("idp-ec", curve=True).certificate, "must be RSA with 2048 bits"),
    (pair("short", bits=1024).key, pair("short", bits=1024).certificate, "must be RSA with 2048 bits"),
])  # fmt: skip
async def test_a_key_that_does_not_fit_its_certificate_stops_the_start(tmp_path: Path, key: str, certificate: str, words: str) -> None:
    (tmp_path / "idp.xml").write_text(metadata(pair("idp")))
    made = mock(
        {"saml": {"idps": {"corp": {"metadata_file": str(tmp_path / "idp.xml")}}, "private_key": "sp_key", "certificate": certificate}}
    )
    made["secrets"]["sp_key"] = {"value": key}
    with pytest.raises(RuntimeError, match=words) as caught:
        async with Client(MockForge(config=made)):
            pass
    assert key[30:80] not in str(caught.value) or key == "x"


async def test_outside_development_an_address_and_a_key_for_sessions_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "idp.xml").write_text(metadata(pair("idp")))
    made = {**mock({"saml": {"idps": {"corp": {"metadata_file": str(tmp_path / "idp.xml")}}, **own_key()}}), "dev": False}
    with pytest.raises(RuntimeError, match="public_url: outside development"):
        async with Client(MockForge(config=made)):
            pass
    made["plugins"]["saml"]["config"]["public_url"] = "https://orders.example"
    with pytest.raises(RuntimeError, match=r"session\.key: outside development"):
        async with Client(MockForge(config=made)):
            pass


async def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "idp.xml").write_text(metadata(pair("idp")))
    made = mock({"saml": {"idps": {"corp": {"metadata_file": str(tmp_path / "idp.xml")}}, "want_assertion_signed": False}})
    with pytest.raises(RuntimeError, match="Did you mean 'want_assertions_signed'"):
        async with Client(MockForge(config=made)):
            pass
