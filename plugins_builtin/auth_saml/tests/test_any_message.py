"""Whatever a stranger makes of a right response, or of nothing: it is refused in words, or says what it said."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins_builtin.auth_saml import worker
from plugins_builtin.auth_saml.tests.forge import IDP, SP, Login, encoded, encrypt, metadata, pair

ACS, ENTITY = "https://orders.example/saml/acs", "https://orders.example/saml/metadata"
KEY, OWN = pair("idp"), pair(SP)
LOGIN = Login(ACS, ENTITY, "_request", until_s=3000, confirmed_until_s=3000, session_until_s=3000)
PROVIDERS = [{"name": "corp", "entity_id": IDP, "certificates": [KEY.certificate]}]
SERVICE: dict[str, Any] = {"entity_id": ENTITY, "acs": ACS, "private_key": OWN.key, "certificate": OWN.certificate}
SIGNED = LOGIN.signed(KEY).encode()
RIGHT = {
    "assertion signed": (SIGNED, SERVICE),
    "both signed": (LOGIN.signed(KEY, response=True).encode(), {**SERVICE, "response_signed": True}),
    "encrypted": (LOGIN.response(encrypt(LOGIN.signed_assertion(KEY), OWN.certificate)).encode(), SERVICE),
}
WORDS = st.sampled_from(
    [
        *(b"", b"<", b">", b"/>", b"&amp;", b"&#0;", b"<!---->", b"<?x?>", b"<![CDATA[x]]>", b"\x00", b"\xff", b"<!DOCTYPE x>"),
        *(b" ID='_response1'", b"#_response1", b"eve", b"<saml:NameID>eve</saml:NameID>", b"</saml:Assertion><saml:Assertion>"),
        *(b"xmlns:saml='urn:x'", b"2099-01-01T00:00:00Z", b"true"),
    ]
)


def read(data: bytes, service: dict[str, Any] = SERVICE) -> dict[str, Any]:
    """What the worker says."""
    return worker.login(encoded(data), PROVIDERS, service, time.time())


@pytest.mark.parametrize("name", RIGHT)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_response_is_refused_or_says_the_same(name: str, data: st.DataObject) -> None:
    text, service = RIGHT[name]
    right = read(text, service)
    assert right["name_id"] == {"value": "ada@example.org"}, right
    changed = text
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(start, min(len(changed), start + 40)))
        changed = changed[:start] + data.draw(WORDS | st.binary(max_size=4)) + changed[end:]
    found = read(changed, service)
    if "refused" in found:
        assert isinstance(found["refused"], str) and found["refused"]
    else:
        assert found == right


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_anything_at_all_is_refused_in_words(data: bytes) -> None:
    message = encoded(data)
    for found in (
        read(data),
        worker.login(data.decode("latin-1"), PROVIDERS, SERVICE, 0),
        worker.logout(message, None, PROVIDERS, ACS, 0, 0),
        worker.logout(message, "SAMLRequest=x&Signature=y", PROVIDERS, ACS, 0, 0),
        worker.metadata(data.decode("latin-1"), None, 0),
    ):
        assert found["refused"]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changed_metadata_are_refused_or_read(data: st.DataObject) -> None:
    text = metadata(KEY, more="validUntil='2099-01-01T00:00:00Z' cacheDuration='PT1H'").encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    changed = text[:start] + data.draw(WORDS) + text[end:]
    found = worker.metadata(changed.decode("latin-1"), None, time.time())
    assert "refused" in found or {"entity_id", "certificates", "sso", "slo"} <= found.keys()
