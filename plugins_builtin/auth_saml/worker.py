"""What runs in processes of its own (`mockforge_plugin.Processes`): all that parses XML of others, and all that signs.

Nothing else of the plugin imports lxml, xmlsec or python3-saml. Whatever is wrong with a message comes back as `refused`, in words for
the operator, `may_be_new_key`: whether it may be right by a key that the provider has taken up since its metadata were read, and
`is_stranger`: whether it is by a provider that was not named.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from onelogin.saml2.utils import OneLogin_Saml2_Utils

from mockforge_plugin import Json, function

from .validation import keys
from .validation.checked import ASSERTION, Element, Refused, read_message, texts
from .validation.idp_metadata import read_metadata as _read_metadata
from .validation.login_response import expected_of, read_login
from .validation.logout import ROOTS, Sender, decoded, inflated, read_logout


@function
def login(message: str, providers: Sequence[Mapping[str, Any]], service: Mapping[str, Any], now_s: float) -> dict[str, Json]:
    """Read the response of a login: `providers` have `name`, `entity_id` and `certificates`, `service` the rest of `Expected`."""
    said: dict[str, Json] = {}
    try:
        data = decoded(message)
        root = read_message(data, ("samlp:Response",), allow_cbc=bool(service.get("allow_cbc")))
        provider = _provider(root, providers)
        said["provider"] = provider["name"]
        expected = expected_of({**service, "provider": provider["entity_id"], "certificates": provider["certificates"]})
        return {**said, **read_login(data, root, expected, now_s)}
    except Refused as error:
        return {**said, **_refused(error)}


@function
def logout(
    message: str, query: str | None, providers: Sequence[Mapping[str, Any]], destination: str, leeway_s: float, now_s: float
) -> dict[str, Json]:
    """Read a logout message: of a redirect with its whole `query`, or one that was posted."""
    said: dict[str, Json] = {}
    try:
        data = decoded(message) if query is None else inflated(message)
        root = read_message(data, ROOTS)
        provider = _provider(root, providers)
        said["provider"] = provider["name"]
        sender = Sender(provider["entity_id"], tuple(provider["certificates"]), destination, leeway_s)
        return {**said, **read_logout(data, root, sender, now_s, query)}
    except Refused as error:
        return {**said, **_refused(error)}


@function
def metadata(text: str, entity_id: str | None, now_s: float) -> dict[str, Json]:
    """Read a provider's metadata."""
    try:
        return _read_metadata(text.encode(), entity_id, now_s)
    except Refused as error:
        return _refused(error)


@function
def sign_query(query: str, private_key: str) -> str:
    """The signature over the query of a redirect, in base64."""
    return b64encode(keys.signed_query(query, private_key)).decode()


@function
def sign_message(text: str, private_key: str, certificate: str) -> str:
    """A message with its signature, for the POST binding."""
    signed = OneLogin_Saml2_Utils.add_sign(text, private_key, certificate)
    return signed.decode() if isinstance(signed, bytes) else str(signed)


def _refused(error: Refused) -> dict[str, Json]:
    return {"refused": str(error), "may_be_new_key": error.is_signature, "is_stranger": isinstance(error, _Stranger)}


class _Stranger(Refused):
    """A message by none of the providers that are known."""


def _provider(root: Element, providers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The provider that a message says it is from; whether it is, signatures tell. Raises Refused."""
    assertion = root.find(ASSERTION)
    issuers = [*texts(root, "saml:Issuer"), *(() if assertion is None else texts(assertion, "saml:Issuer"))]
    found = [each for each in providers if each["entity_id"] in issuers[:1]]
    if not found and not issuers and len(providers) == 1:
        return providers[0]
    if not found:
        raise _Stranger(f"it is by {issuers[:1]!r:.300}, which is none of the configured providers")
    return found[0]
