"""Configurations that cannot be meant, and what is said of them; the vector of RFC 9421."""

from __future__ import annotations

import hmac
from base64 import b64decode
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from mockforge_plugin import Request
from plugins_builtin.auth_hmac.dictionaries import byte_sequences, signature_inputs
from plugins_builtin.auth_hmac.signatures import base_of
from plugins_builtin.auth_hmac.tests.mock import mock
from plugins_builtin.auth_hmac.tests.signing import Signer

CI = {"ci": {"secret": "ci"}}


@pytest.mark.parametrize(
    ("config", "secret", "why"),
    [
        ({"keys": CI}, "short", "the key has 5 bytes, fewer than the 32 that are needed"),
        ({"keys": {"ci": {"secret": "ci", "algorithm": "sha512"}}}, "x" * 63, "fewer than the 64"),
        ({"keys": CI, "preset": "stripe"}, "x" * 15, "fewer than the 16"),
        ({"keys": CI}, "x" * 40 + "\n", "white space around it"),
        ({"keys": {"ci": {"secret": "ci", "encoding": "base64"}}}, "not base64!", "it is not base64"),
        ({"keys": {"ci": {"secret": "ci", "encoding": "hex"}}}, "0g", "it is not hex"),
        ({"keys": {**CI, "too": {"secret": "ci"}}}, "x" * 40, "another key is the same"),
        ({"keys": CI, "preset": "github", "cover": ["date"]}, "x" * 40, "cover: has no effect on webhooks of github"),
        ({"keys": CI, "preset": "slack", "nonce": "optional"}, "x" * 40, "nonce: has no effect"),
        ({"keys": {"ci": {"secret": "ci", "algorithm": "sha512"}}, "preset": "github"}, "x" * 70, "are signed with sha256"),
        ({"keys": {f"k{i}": {"secret": f"k{i}"} for i in range(11)}, "preset": "github"}, "x" * 40, "at most 10"),
        ({"keys": CI, "replay": "allow"}, "x" * 40, "has no use for its nonce"),
        ({"keys": {}}, "x" * 40, "keys"),
        ({"keys": CI, "cover": ["Date"]}, "x" * 40, "cover"),
        ({"keys": CI, "preset": "gitlab"}, "x" * 40, "preset"),
        ({"keys": CI, "max_age": 3}, "x" * 40, "max_age_s"),
        ({"keys": {"ci": {"secret": "other"}}}, "x" * 40, "other"),
    ],
)
async def test_what_cannot_be_meant_is_refused(config: dict[str, Any], secret: str, why: str) -> None:
    names = {entry["secret"] for entry in config["keys"].values()} - {"other"}
    document = mock()
    document["plugins"]["signed"]["config"] = config
    document["secrets"] = {name: {"value": secret} for name in names}
    with pytest.raises(RuntimeError) as caught:
        async with Client(MockForge(config=document)):
            pass
    assert why in str(caught.value)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(("encoding", "text"), [("base64", "AAEC" * 12), ("hex", "00ff" * 16), ("text", "ü" * 16)])
async def test_a_key_may_be_written_in_several_ways(encoding: str, text: str) -> None:
    key = {"base64": b64decode, "hex": bytes.fromhex, "text": str.encode}[encoding](text)
    document = mock({"keys": {"ci": {"secret": "ci", "encoding": encoding}}})
    document["secrets"]["ci"] = {"value": text}
    async with Client(MockForge(config=document)) as client:
        answer = await client.get("/orders/7", headers=Signer(key=key).headers("GET", "/orders/7"))
    assert answer.status == 200


async def test_a_signature_of_a_proxy_beside_that_of_the_client_is_told_apart_by_its_label() -> None:
    ours = Signer().headers("GET", "/orders/7")
    both = {name: f"proxy={of}, {ours[name]}" for name, of in (("signature", ":AAAA:"), ("signature-input", '("@path");keyid="p"'))}
    async with Client(MockForge(config=mock({"label": "sig"}))) as client:
        assert (await client.get("/orders/7", headers=both)).status == 200
        assert (await client.get("/orders/7", headers={name: value.partition(", ")[0] for name, value in both.items()})).status == 401


def test_the_example_of_rfc_9421_has_its_signature() -> None:
    """RFC 9421 §B.2.5."""
    key = b64decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
    about = signature_inputs(
        'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"', "Signature-Input"
    )["sig-b25"]
    signature = byte_sequences("sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:", "Signature")["sig-b25"]
    headers = {"Date": "Tue, 20 Apr 2021 02:07:55 GMT", "Content-Type": "application/json"}
    request = Request("POST", "/foo", host="example.com", query={"param": "Value", "Pet": "dog"}, headers=headers)
    base = base_of(request, about, frozenset({"date", "content-type"}))
    assert hmac.digest(key, base.encode(), "sha256") == signature
    assert about.parameters == {"created": 1618884473, "keyid": "test-shared-secret"}
