"""Signatures over messages that are sent and that come in, and assertions that only their service provider can read."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Final
from urllib.parse import unquote, unquote_plus

import xmlsec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate
from lxml import etree

from .elements import NAMES, Element, reread, saml, text_of, written
from .keys import BadKey, Signer

SHA256: Final = "sha256"
SHA1: Final = "sha1"
_SIGNATURES: Final = {
    SHA256: (xmlsec.constants.TransformRsaSha256, xmlsec.constants.TransformSha256),
    SHA1: (xmlsec.constants.TransformRsaSha1, xmlsec.constants.TransformSha1),
}
_CONTENT: Final = {
    "aes128-gcm": (xmlsec.constants.TransformAes128Gcm, 128),
    "aes256-gcm": (xmlsec.constants.TransformAes256Gcm, 256),
    "aes128-cbc": (xmlsec.constants.TransformAes128Cbc, 128),
    "aes256-cbc": (xmlsec.constants.TransformAes256Cbc, 256),
}
CONTENT: Final = tuple(_CONTENT)
"""How the content of an encrypted assertion may be encrypted; its key by RSA-OAEP."""

ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_METHODS: Final[Mapping[str, hashes.HashAlgorithm]] = {
    RSA_SHA256: hashes.SHA256(),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": hashes.SHA384(),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": hashes.SHA512(),
}
_DIGESTS: Final = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}


def signed(root: Element, path: str, signer: Signer, hashing: str = SHA256) -> Element:
    """The document, read anew, with an enveloped signature over the element at that path (SAML core §5.4), after its issuer."""
    element = root if path == "." else root.find(path, NAMES)
    signature_method, digest_method = _SIGNATURES[hashing]
    signature = xmlsec.template.create(element, xmlsec.constants.TransformExclC14N, signature_method, ns="ds")
    element.insert(1, signature)  # what is signed has an issuer, which stands first
    reference = xmlsec.template.add_reference(signature, digest_method, uri=f"#{element.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformExclC14N)
    data = xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    xmlsec.template.x509_data_add_certificate(data)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(signer.key_pem, xmlsec.constants.KeyDataFormatPem)
    context.key.load_cert_from_memory(signer.certificate.public_bytes(Encoding.PEM), xmlsec.constants.KeyDataFormatPem)
    context.register_id(element, "ID")
    context.sign(signature)
    return reread(root)


def encrypted(root: Element, path: str, certificate: Certificate, content: str) -> Element:
    """The document, read anew, with the assertion at that path encrypted for that certificate (SAML core §2.3.4)."""
    public = certificate.public_key()
    if not isinstance(public, RSAPublicKey):
        raise BadKey("assertions are encrypted for RSA keys only")
    manager = xmlsec.KeysManager()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    manager.add_key(xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem))
    context = xmlsec.EncryptionContext(manager)
    method, bits = _CONTENT[content]
    context.key = xmlsec.Key.generate(xmlsec.constants.KeyDataAes, bits, xmlsec.constants.KeyDataTypeSession)
    assertion = root.find(path, NAMES)
    holder = saml.EncryptedAssertion()
    assertion.addprevious(holder)
    template = xmlsec.template.encrypted_data_create(holder, method, type=xmlsec.constants.TypeEncElement, ns="xenc")
    xmlsec.template.encrypted_data_ensure_cipher_value(template)
    info = xmlsec.template.encrypted_data_ensure_key_info(template, ns="ds")
    key = xmlsec.template.add_encrypted_key(info, xmlsec.constants.TransformRsaOaep)
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    holder.append(context.encrypt_binary(template, written(assertion)))  # with its namespaces, for whoever reads it by itself
    assertion.getparent().remove(assertion)
    return reread(root)


class BadSignature(ValueError):
    """A signature that is not good, with the reason."""


def verify_query(query: str, certificates: Sequence[Certificate]) -> None:
    """Whether one of them signed the query, as it was sent (SAML bindings §3.4.4.1). Raises BadSignature."""
    sent = dict(part.partition("=")[::2] for part in query.split("&"))
    names = ["SAMLRequest" if "SAMLRequest" in sent else "SAMLResponse", "RelayState", "SigAlg"]
    if names[0] not in sent:
        raise BadSignature("it is over nothing")
    if any(unquote_plus(name) in names and name not in names for name in sent):
        raise BadSignature("the name of a parameter is encoded, and so it is not under the signature")
    text = "&".join(f"{name}={sent[name]}" for name in names if name in sent)
    _verify(text.encode(), _decoded(unquote(sent["Signature"])), unquote(sent.get("SigAlg", "")), certificates)


def verify_enveloped(root: Element, certificates: Sequence[Certificate]) -> None:
    """Whether one of them signed the whole document, in the one way that SAML has for it (core §5.4). Raises BadSignature.

    Nothing but this shape is looked at, and nothing is fetched or transformed on the way.
    """
    signature = _only(root, root, "ds:Signature", deep=True)
    info = _only(root, signature, "ds:SignedInfo")
    reference = _only(root, info, "ds:Reference")
    if reference.get("URI") != f"#{root.get('ID')}":
        raise BadSignature("it is not over the whole message")
    methods = [transform.get("Algorithm") for transform in reference.iterfind("ds:Transforms/ds:Transform", NAMES)]
    if methods != [ENVELOPED, EXCLUSIVE] or _method(info, "ds:CanonicalizationMethod") != EXCLUSIVE:
        raise BadSignature("its transforms are not the two that SAML has, enveloped and exclusive canonicalization")
    hashing = _DIGESTS.get(_method(reference, "ds:DigestMethod"))
    if hashing is None:
        raise BadSignature("its digest is not SHA-256, SHA-384 or SHA-512")
    digest = hashlib.new(hashing, _canonical(_without(root, signature), reference, "ds:Transforms/ds:Transform")).digest()
    if not hmac.compare_digest(digest, _decoded(text_of(reference, "ds:DigestValue") or "")):
        raise BadSignature("the message was changed after it was signed")
    value = _decoded(text_of(signature, "ds:SignatureValue") or "")
    _verify(_canonical(info, info, "ds:CanonicalizationMethod"), value, _method(info, "ds:SignatureMethod"), certificates)


def _only(root: Element, parent: Element, path: str, *, deep: bool = False) -> Element:
    found = parent.findall(path, NAMES)
    if len(found) != 1 or (deep and len(root.findall(f".//{path}", NAMES)) != 1):
        raise BadSignature(f"there is not exactly one {path.removeprefix('ds:')}")
    return found[0]


def _method(element: Element, path: str) -> str:
    found = element.find(path, NAMES)
    return "" if found is None else str(found.get("Algorithm"))


def _without(root: Element, signature: Element) -> Element:
    """A copy of the document without its signature; the text behind that stays."""
    place = root.index(signature)
    copy = deepcopy(root)
    gone = copy[place]
    if gone.tail:
        before = gone.getprevious()
        if before is None:
            copy.text = (copy.text or "") + gone.tail
        else:
            before.tail = (before.tail or "") + gone.tail
    copy.remove(gone)
    return copy


def _canonical(element: Element, holder: Element, method: str) -> bytes:
    prefixes = holder.find(f"{method}/{{{EXCLUSIVE}}}InclusiveNamespaces", NAMES)
    named = None if prefixes is None else str(prefixes.get("PrefixList", "")).split()
    data: bytes = etree.tostring(element, method="c14n", exclusive=True, inclusive_ns_prefixes=named, with_tail=False)
    return data


def _verify(data: bytes, signature: bytes, method: str, certificates: Sequence[Certificate]) -> None:
    hashing = _METHODS.get(method)
    if hashing is None:
        raise BadSignature(f"it is made by '{method[:100]}'; RSA with SHA-256, SHA-384 or SHA-512 is taken")
    for certificate in certificates:
        key = certificate.public_key()
        try:
            if isinstance(key, RSAPublicKey):
                return key.verify(signature, data, PKCS1v15(), hashing)
        except InvalidSignature:
            continue
    raise BadSignature("none of the certificates known of this service provider fits it")


def _decoded(text: str) -> bytes:
    try:
        return b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise BadSignature("it is not base64") from error
