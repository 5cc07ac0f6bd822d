"""`Authorization: Basic …`, read strictly (RFC 7617 §2): one header, canonical base64, UTF-8, no control characters."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

MAX_BYTES = 8192


class Malformed(ValueError):
    """What was sent is not a name and a password. `is_form`: not even one header of the right form, whatever it says."""

    def __init__(self, message: str, *, is_form: bool = False) -> None:
        self.is_form = is_form
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password, as their bytes were sent."""

    user: bytes
    password: bytes


def credentials(headers: Sequence[str]) -> Credentials | None:
    """What was sent; None where it is of another scheme, or nothing. Raises Malformed."""
    basic = [value for value in headers if value[:6].lower() == "basic " or value.lower() == "basic"]
    if not basic:
        return None
    if len(headers) > 1:
        raise Malformed("there is more than one Authorization header", is_form=True)
    if len(basic[0]) > MAX_BYTES:
        raise Malformed("the Authorization header is too long", is_form=True)
    text = basic[0][6:].strip(" ")
    try:
        sent = text.encode("ascii")
        data = b64decode(sent, validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise Malformed("the credentials are not base64", is_form=True) from None
    if b64encode(data) != sent:  # bits behind the end, or padding too much: two texts would be one password
        raise Malformed("the credentials are not base64 as it is written", is_form=True)
    user, colon, password = data.partition(b":")
    if not colon:
        raise Malformed("there is no colon between name and password", is_form=True)
    if not user or any(byte < 32 or byte == 127 for byte in data) or not _is_utf8(data):
        raise Malformed("no user has such a name, or such a password")
    return Credentials(user, password)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
