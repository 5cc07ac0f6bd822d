"""Keys: what assertions are signed with, made at the first start and shared by all workers, or given by the operator.

There are always two, the one in use and the one that comes after it, so that a change of keys can be rehearsed.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from mockforge_plugin import kv

MIN_BITS: Final = 2048
_LASTS: Final = timedelta(days=3650)


class BadKey(ValueError):
    """A key or certificate that cannot be used, with the reason."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its certificate."""

    key: RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str, at: datetime) -> Signer:
        """A new one; `name` is its certificate's, which nobody has signed but itself."""
        key = generate_private_key(65537, MIN_BITS)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(at - timedelta(days=1)).not_valid_after(at + _LASTS)
        return cls(key, builder.sign(key, SHA256()))

    @classmethod
    def read(cls, pem: str) -> Signer:
        """That of a PEM text with an unencrypted RSA private key and its certificate. Raises BadKey."""
        try:
            key = load_pem_private_key(pem.encode(), None)
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except (ValueError, TypeError) as error:
            raise BadKey("it must be PEM, with an unencrypted private key and its certificate") from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_BITS:
            raise BadKey(f"it must be an RSA key of at least {MIN_BITS} bits")
        if key.public_key() != certificate.public_key():
            raise BadKey("the certificate is that of another key")
        return cls(key, certificate)

    @property
    def pem(self) -> str:
        """Both, as `read` takes them."""
        return self.key_pem.decode() + self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> bytes:
        """The private key alone."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def certificate_text(self) -> str:
        """The certificate as XML carries it."""
        return b64encode(self.certificate.public_bytes(Encoding.DER)).decode()

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes, RSA with SHA-256."""
        return self.key.sign(data, PKCS1v15(), SHA256())


@dataclass(frozen=True, slots=True)
class Keys:
    """The signer in use, and those that the metadata tells of besides."""

    current: Signer
    announced: Sequence[Signer]
    other: Callable[[], Signer]
    """Gives the one of this provider's two that does not sign: the next, or the last."""
    nobody: Callable[[], Signer]
    """Gives one of whom no metadata tells."""


def certificate(text: str) -> x509.Certificate:
    """That of a PEM text, or of base64 alone as metadata has it. Raises BadKey."""
    try:
        if "-----BEGIN" in text:
            return x509.load_pem_x509_certificate(text.encode())
        return x509.load_der_x509_certificate(b64decode("".join(text.split()), validate=True))
    except ValueError as error:
        raise BadKey("it is no X.509 certificate, neither as PEM nor as base64") from error


def today(unix_s: float) -> datetime:
    """A moment as certificates take it."""
    return datetime.fromtimestamp(unix_s, UTC)


class KeyRing:
    """The two keys of this provider, by stage of a change of keys; and a third, of nobody, for forged signatures."""

    def __init__(self, given: Sequence[Signer], stage: str) -> None:
        """`given` are the operator's, up to two; those that are missing are made when they are needed, and kept for all workers."""
        self._known = dict(enumerate(given))
        self._stage = stage

    def keys(self, now_s: float) -> Keys:
        """What signs now."""
        current, announced = {"none": (0, ()), "announced": (0, (1,)), "switched": (1, (0,)), "finished": (1, ())}[self._stage]
        others = [self._signer(number, now_s) for number in announced]
        return Keys(self._signer(current, now_s), others, lambda: self._signer(1 - current, now_s), lambda: self._signer(2, now_s))

    def _signer(self, number: int, now_s: float) -> Signer:
        if number not in self._known:
            self._known[number] = Signer.read(_shared(f"key/{number}", now_s))
        return self._known[number]


def _shared(key: str, now_s: float) -> str:
    """The PEM text that all workers share under that key; whoever comes first makes it."""
    found = kv.get(key).result()
    if found is None:
        made = Signer.make("mockforge idp-saml", today(now_s)).pem
        kv.add_if_absent(key, made).result()
        found = kv.get(key, made).result()
    return str(found)
