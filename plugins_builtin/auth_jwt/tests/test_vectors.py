"""The examples of RFC 7515, 7516, 7519, 7520, 7797 and 8037, as jwcrypto's distribution has them."""

from __future__ import annotations

import importlib.util
import json
from base64 import urlsafe_b64decode
from pathlib import Path
from types import ModuleType
from typing import Any

import jwcrypto
import pytest

from plugins_builtin.auth_jwt.bearer import Refused
from plugins_builtin.auth_jwt.keys import VerifyingKey, key_of_jwk, key_of_secret
from plugins_builtin.auth_jwt.signed import SignedToken
from plugins_builtin.auth_jwt.tests.tokens import b64


def vectors(file: str) -> ModuleType:
    """A module of the distribution; its name has a dash."""
    spec = importlib.util.spec_from_file_location(file.replace("-", "_"), Path(jwcrypto.__file__).parent / f"{file}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RFC, COOKBOOK = vectors("tests"), vectors("tests-cookbook")
TEXT = COOKBOOK.Payload_plaintext_b64_4


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key(jwk: dict[str, Any], algorithm: str) -> VerifyingKey:
    """A key of a vector, for that algorithm."""
    if jwk["kty"] == "oct":
        return key_of_secret(decoded(jwk["k"]), None, algorithm)
    return key_of_jwk({name: value for name, value in jwk.items() if name not in ("use", "alg")}, [algorithm])


def rfc7515(example: dict[str, Any]) -> tuple[str, bytes]:
    """A token of appendix A, and its content."""
    content = bytes(example["payload"])
    protected = example["protected"]
    head = b64(protected if isinstance(protected, bytes | str) else bytes(protected))
    return f"{head}.{b64(content)}.{b64(bytes(example['signature']))}", content


ED25519 = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

SIGNED = [
    *((f"RFC 7515 A.{n}", *rfc7515(example), example["key"], algorithm) for n, example, algorithm in (
        (1, RFC.A1_example, "HS256"), (2, RFC.A2_example, "RS256"), (3, RFC.A3_example, "ES256"), (4, RFC.A4_example, "ES512"))),
    *((f"RFC 7520 4.{n}", token, decoded(TEXT), jwk, algorithm) for n, token, jwk, algorithm in (
        (1, COOKBOOK.JWS_compact_4_1_3, COOKBOOK.RSA_Public_Key_3_3, "RS256"),
        (2, COOKBOOK.JWS_compact_4_2_3, COOKBOOK.RSA_Public_Key_3_3, "PS384"),
        (3, COOKBOOK.JWS_compact_4_3_3, COOKBOOK.EC_Public_Key_3_1, "ES512"),
        (4, COOKBOOK.JWS_compact_4_4_3, COOKBOOK.Symmetric_Key_MAC_3_5, "HS256"))),
    ("RFC 8037 A.4", ED25519,
     b"Example of Ed25519 signing", {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, "EdDSA"),
]  # fmt: skip


@pytest.mark.parametrize(("token", "content", "jwk", "algorithm"), [pytest.param(*rest, id=name) for name, *rest in SIGNED])
def test_a_signed_example_verifies_and_a_changed_one_does_not(token: str, content: bytes, jwk: Any, algorithm: str) -> None:
    if not isinstance(jwk, dict):
        jwk = json.loads(jwk.export())
    keys = [key(jwk, algorithm)]
    assert SignedToken.read(token).content(keys) == content
    head, body, signature = token.split(".")
    for changed in (f"{head}.{b64(content + b' ')}.{signature}", f"{head}.{body}.{b64(decoded(signature)[:-1] + b'?')}", f"{head}.{body}."):
        with pytest.raises(Refused):
            SignedToken.read(changed).content(keys)


REFUSED = [
    ("RFC 7515 A.5 and RFC 7519 6.1, unsecured", f"{RFC.A5_protected}.{b64(bytes(RFC.A5_payload))}."),
    ("RFC 7519 A.1, encrypted", RFC.A1_token),
    ("RFC 7519 A.2, nested", RFC.A2_token),
    ("RFC 7520 4.5, detached", ".".join((COOKBOOK.JWS_compact_4_4_3.split(".")[0], "", COOKBOOK.JWS_compact_4_4_3.split(".")[2]))),
    ("RFC 7797 4.2, b64 false", f"{b64(RFC.rfc7797_u_header)}.$%2E02.A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY"),
    *((f"RFC 7516 {name}", getattr(RFC, name)) for name in ("E_A1_vector", "E_A2_vector", "E_A3_vector")),
    *((f"RFC 7520 {name}", getattr(COOKBOOK, name)) for name in vars(COOKBOOK) if name.startswith("JWE_compact_")),
]


@pytest.mark.parametrize("token", [pytest.param(token, id=name) for name, token in REFUSED])
def test_examples_that_are_no_signed_tokens_are_refused(token: str) -> None:
    keys = [key(COOKBOOK.RSA_Public_Key_3_3, "RS256"), key(COOKBOOK.Symmetric_Key_MAC_3_5, "HS256")]
    with pytest.raises(Refused):
        SignedToken.read(token).content(keys)
