"""HTTP Basic credentials (RFC 7617): read from the header, bounded, and refused where a directory could misread them."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_HEADER: Final = 8192
MAX_NAME: Final = 256
MAX_PASSWORD_BYTES: Final = 1024

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that LDAP ignores or maps away (RFC 4518 §2.2), so that other names would mean the same."""


class BadCredentials(Exception):
    """Credentials that no directory is asked about; the text may be told to the caller."""

    def __init__(self, reason: str, *, status: int = 401) -> None:
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name, in NFC, and a password as it came."""

    name: str
    password: str


def read_credentials(lines: Sequence[str]) -> Credentials | None:
    """What the `Authorization` headers carry; None where it is nothing of the Basic scheme. Raises BadCredentials."""
    if not any(line[:6].lower() == "basic " or line.lower() == "basic" for line in lines):
        return None
    if len(lines) > 1:
        raise BadCredentials("more than one Authorization header", status=400)
    if len(lines[0]) > MAX_HEADER:
        raise BadCredentials("the credentials are too long")
    name, separator, password = _decoded(lines[0][6:].strip(" ")).partition(":")
    if not separator:
        raise BadCredentials("the Basic credentials are malformed")
    return _checked(unicodedata.normalize("NFC", name), password)


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token.encode("ascii"), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeError):
        raise BadCredentials("the Basic credentials are malformed: they must be UTF-8 in base64") from None


def _checked(name: str, password: str) -> Credentials:
    """The same, if a directory can only read it in one way: an empty password would be an anonymous bind (RFC 4513 §5.1.2)."""
    if not name or not password or password.isspace():
        raise BadCredentials("user name and password must not be empty")
    if len(name) > MAX_NAME or len(password.encode()) > MAX_PASSWORD_BYTES:
        raise BadCredentials("the credentials are too long")
    if "\0" in password or any(unicodedata.category(c) in _INVISIBLE for c in name):
        raise BadCredentials("the credentials have characters that are not allowed")
    if name != " ".join(name.split()):
        raise BadCredentials("the user name has spaces at its ends, or several in a row")
    return Credentials(name, password)
