"""An identity provider's hands without its conscience: responses of any kind, signed, encrypted and taken apart as the test says.

Signed and encrypted by xmlsec, which the code under test also uses to verify; the two real providers of the other tests use their own.
"""

from __future__ import annotations

import datetime
import zlib
from base64 import b64encode
from dataclasses import dataclass, field, replace
from functools import cache
from secrets import token_hex
from typing import Any
from urllib.parse import urlencode

import xmlsec as _xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from lxml import etree

xmlsec: Any = _xmlsec
"""Its stubs do not fit it."""
IDP = "https://idp.example/saml"
SP = "sp"
"""The name of the service's pair."""
NAMES = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
}
MORE = "http://www.w3.org/2001/04/xmldsig-more#"


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate, as PEM."""

    key: str
    certificate: str

    @property
    def body(self) -> str:
        """The certificate's base64, as metadata has it."""
        return "".join(line for line in self.certificate.splitlines() if "CERTIFICATE" not in line)


@cache
def pair(name: str, *, bits: int = 2048, curve: bool = False) -> Pair:
    """A pair of that name, always the same within a process."""
    key: Any = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), began, began.replace(year=2040))
    certificate = builder.sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode())


def public_key(of: Pair) -> str:
    """Its public half, as PEM."""
    key: Any = x509.load_pem_x509_certificate(of.certificate.encode()).public_key()
    return str(key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())


def metadata(
    *pairs: Pair, entity_id: str = IDP, sso: str = "https://idp.example/sso", slo: str | None = "https://idp.example/slo", more: str = ""
) -> str:
    """Metadata of a provider with these keys; `more` are attributes of the entity."""
    keys = "".join(
        "<md:KeyDescriptor use='signing'><ds:KeyInfo><ds:X509Data>"
        f"<ds:X509Certificate>{each.body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for each in pairs
    )
    binding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
    logout = "" if slo is None else f"<md:SingleLogoutService Binding='{binding}' Location='{slo}'/>"
    return (
        f"<md:EntityDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata' xmlns:ds='{NAMES['ds']}' entityID='{entity_id}' {more}>"
        f"<md:IDPSSODescriptor protocolSupportEnumeration='{NAMES['samlp']}'>{keys}{logout}"
        f"<md:SingleSignOnService Binding='{binding}' Location='{sso}'/></md:IDPSSODescriptor></md:EntityDescriptor>"
    )


def moment(shift_s: float = 0) -> str:
    """A time, so many seconds from now."""
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=shift_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Login:
    """What a response says; every part can be another, or None: left out."""

    acs: str
    audience: str | None
    request_id: str | None = None
    issuer: str = IDP
    name: str = "ada@example.org"
    attributes: dict[str, list[str]] = field(default_factory=lambda: {"role": ["reader"]})
    recipient: str | None = ""
    destination: str | None = ""
    made_s: float = 0
    not_before_s: float | None = -5
    until_s: float | None = 300
    confirmed_until_s: float | None = 300
    session_until_s: float | None = None
    status: str = "Success"
    assertion_id: str = "_assertion1"
    response_id: str = "_response1"
    sha: str = "sha256"

    def anew(self, **changes: Any) -> Login:
        """The same with something else."""
        return replace(self, **changes)

    def assertion(self) -> str:
        """The assertion, unsigned."""
        recipient = self.acs if self.recipient == "" else self.recipient
        data = _attributes(NotOnOrAfter=_moment(self.confirmed_until_s), Recipient=recipient, InResponseTo=self.request_id)
        conditions = _attributes(NotBefore=_moment(self.not_before_s), NotOnOrAfter=_moment(self.until_s))
        audience = (
            f"<saml:AudienceRestriction><saml:Audience>{self.audience}</saml:Audience></saml:AudienceRestriction>" if self.audience else ""
        )
        values = "".join(
            f"<saml:Attribute Name='{name}'>{''.join(f'<saml:AttributeValue>{v}</saml:AttributeValue>' for v in found)}</saml:Attribute>"
            for name, found in self.attributes.items()
        )
        session = _attributes(SessionIndex="_session1", SessionNotOnOrAfter=_moment(self.session_until_s))
        return (
            f"<saml:Assertion xmlns:saml='{NAMES['saml']}' ID='{self.assertion_id}' Version='2.0' IssueInstant='{moment(self.made_s)}'>"
            f"<saml:Issuer>{self.issuer}</saml:Issuer><saml:Subject><saml:NameID>{self.name}</saml:NameID>"
            f"<saml:SubjectConfirmation Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'><saml:SubjectConfirmationData{data}/>"
            f"</saml:SubjectConfirmation></saml:Subject><saml:Conditions{conditions}>{audience}</saml:Conditions>"
            f"<saml:AuthnStatement AuthnInstant='{moment(self.made_s)}'{session}><saml:AuthnContext><saml:AuthnContextClassRef>"
            "urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"
            f"<saml:AttributeStatement>{values}</saml:AttributeStatement></saml:Assertion>"
        )

    def signed_assertion(self, by: Pair) -> str:
        """The assertion, signed."""
        return sign(self.assertion(), by, self.assertion_id, sha=self.sha)

    def response(self, assertion: str | None = None) -> str:
        """The response, unsigned, with this assertion (or any other content)."""
        destination = self.acs if self.destination == "" else self.destination
        head = _attributes(Destination=destination, InResponseTo=self.request_id)
        return (
            f"<samlp:Response xmlns:samlp='{NAMES['samlp']}' xmlns:saml='{NAMES['saml']}' ID='{self.response_id}' Version='2.0' "
            f"IssueInstant='{moment(self.made_s)}'{head}><saml:Issuer>{self.issuer}</saml:Issuer>"
            f"<samlp:Status><samlp:StatusCode Value='urn:oasis:names:tc:SAML:2.0:status:{self.status}'/></samlp:Status>"
            f"{self.assertion() if assertion is None else assertion}</samlp:Response>"
        )

    def signed(self, by: Pair, *, assertion: bool = True, response: bool = False) -> str:
        """Signed as said, the assertion first."""
        whole = self.response(self.signed_assertion(by) if assertion else None)
        return sign(whole, by, self.response_id, sha=self.sha) if response else whole


def _moment(shift_s: float | None) -> str | None:
    return None if shift_s is None else moment(shift_s)


def _attributes(**pairs: str | None) -> str:
    return "".join(f" {name}='{value}'" for name, value in pairs.items() if value is not None)


_SIGNATURES = {
    "sha256": (xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA256),
    "sha512": (xmlsec.Transform.RSA_SHA512, xmlsec.Transform.SHA512),
    "sha1": (xmlsec.Transform.RSA_SHA1, xmlsec.Transform.SHA1),
    "md5": (xmlsec.Transform.RSA_MD5, xmlsec.Transform.MD5),
    "ripemd160": (xmlsec.Transform.RSA_RIPEMD160, xmlsec.Transform.RIPEMD160),
    "ecdsa": (xmlsec.Transform.ECDSA_SHA256, xmlsec.Transform.SHA256),
    "sha1-digest": (xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA1),
}


def sign(text: str, by: Pair, id: str, *, sha: str = "sha256") -> str:
    """The document with an enveloped signature, right behind the issuer, over the element of that id."""
    root = etree.fromstring(text.encode())
    (element,) = root.xpath("//*[@ID=$id]", id=id)
    method, digest = _SIGNATURES[sha]
    signature = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, method, ns="ds")
    element.find("saml:Issuer", NAMES).addnext(signature)
    reference = xmlsec.template.add_reference(signature, digest, uri=f"#{id}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    info = xmlsec.template.ensure_key_info(signature)
    xmlsec.template.x509_data_add_certificate(xmlsec.template.add_x509_data(info))
    xmlsec.tree.add_ids(root, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(by.key, xmlsec.KeyFormat.PEM)
    context.key.load_cert_from_memory(by.certificate, xmlsec.KeyFormat.CERT_PEM)
    context.sign(signature)
    return str(etree.tostring(root).decode())


def encrypt(
    assertion: str,
    certificate: str,
    *,
    cipher: Any = xmlsec.Transform.AES128_GCM,
    transport: Any = xmlsec.Transform.RSA_OAEP,
    bits: int = 128,
) -> str:
    """An EncryptedAssertion for whoever has the key of that certificate."""
    holder = etree.fromstring(f"<saml:EncryptedAssertion xmlns:saml='{NAMES['saml']}'>{assertion}</saml:EncryptedAssertion>".encode())
    data = xmlsec.template.encrypted_data_create(holder, cipher, type=xmlsec.EncryptionType.ELEMENT, ns="xenc")
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    xmlsec.template.encrypted_data_ensure_cipher_value(xmlsec.template.add_encrypted_key(info, transport))
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(certificate, xmlsec.KeyFormat.CERT_PEM))
    context = xmlsec.EncryptionContext(manager)
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, bits, xmlsec.KeyDataType.SESSION)
    context.encrypt_xml(data, holder[0])
    return str(etree.tostring(holder).decode())


def logout(kind: str, destination: str | None, *, issuer: str = IDP, made_s: float = 0, inside: str, more: str = "") -> str:
    """A logout message, unsigned; `more` are attributes of it."""
    head = _attributes(Destination=destination)
    return (
        f"<samlp:{kind} xmlns:samlp='{NAMES['samlp']}' xmlns:saml='{NAMES['saml']}' ID='_{token_hex(8)}' Version='2.0' "
        f"IssueInstant='{moment(made_s)}'{head} {more}><saml:Issuer>{issuer}</saml:Issuer>{inside}</samlp:{kind}>"
    )


def redirected(kind: str, message: str, by: Pair, *, state: str | None = "s", algorithm: str = f"{MORE}rsa-sha256") -> str:
    """The query of a redirect that carries a message, signed."""
    deflate = zlib.compressobj(wbits=-15)
    data = encoded(deflate.compress(message.encode()) + deflate.flush())
    pairs = [(kind, data), *([] if state is None else [("RelayState", state)]), ("SigAlg", algorithm)]
    query = urlencode(pairs)
    key: Any = serialization.load_pem_private_key(by.key.encode(), None)
    digest = hashes.SHA1() if algorithm.endswith("sha1") else hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(query.encode(), ec.ECDSA(digest)))
        signature = r.to_bytes(32) + s.to_bytes(32)
    else:
        signature = key.sign(query.encode(), padding.PKCS1v15(), digest)
    return f"{query}&{urlencode({'Signature': encoded(signature)})}"


def encoded(text: str | bytes) -> str:
    """As a form carries it."""
    return b64encode(text.encode() if isinstance(text, str) else text).decode()
