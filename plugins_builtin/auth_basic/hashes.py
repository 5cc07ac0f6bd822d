"""Hashes of passwords: argon2id and bcrypt. Others are refused in words, and so are those that take for ever or have half a password."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Protocol

import argon2
import bcrypt
from argon2.low_level import Type, verify_secret

MAX_MEMORY_KIB, MAX_TIME, MAX_LANES = 512 * 1024, 32, 64
MAX_COST = 15
BCRYPT_BYTES = 72
"""What bcrypt reads of a password. Longer ones are wrong, or all with the same beginning would be right."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}\Z")
_ARGON2 = re.compile(r"\$argon2id\$v=19\$m=\d{1,9},t=\d{1,9},p=\d{1,9}\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})\Z")
_REMEDY = "Write it anew: `htpasswd -nB -C 12 NAME`, or with argon2id."
_REFUSED = (
    ("{SHA}", "SHA-1 without salt, which is guessed a thousand million times a second."),
    ("{SSHA}", "salted SHA-1, which is guessed a thousand million times a second."),
    ("$apr1$", "MD5 (apr1), which is guessed millions of times a second."),
    ("$1$", "MD5 (crypt), which is guessed millions of times a second."),
    ("$5$", "SHA-256 crypt, which is not supported."),
    ("$6$", "SHA-512 crypt, which is not supported."),
    ("$2x$", "bcrypt with the fault of 2011 in it, which takes different passwords for one."),
    ("$argon2i$", "argon2i, which is not made for passwords."),
    ("$argon2d$", "argon2d, which is not made for passwords."),
)


class Unusable(ValueError):
    """A hash or a line that cannot be used: what it is, and what to do."""


class PasswordHash(Protocol):
    """A hash that a password is compared with."""

    @property
    def is_weak(self) -> bool:
        """Whether it is so quick that the passwords of a stolen file are."""
        ...

    def is_of(self, password: bytes) -> bool:
        """Whether it is that password's. Takes long, on purpose."""
        ...


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """A bcrypt hash."""

    text: bytes
    is_weak: bool

    def is_of(self, password: bytes) -> bool:
        """See PasswordHash; the library compares in constant time."""
        is_right = bcrypt.checkpw(password[:BCRYPT_BYTES], self.text)
        return is_right and len(password) <= BCRYPT_BYTES


@dataclass(frozen=True, slots=True)
class Argon2id:
    """An argon2id hash (RFC 9106)."""

    text: bytes
    is_weak: bool

    def is_of(self, password: bytes) -> bool:
        """See PasswordHash; the library compares in constant time."""
        try:
            return verify_secret(self.text, password, Type.ID)
        except argon2.exceptions.VerifyMismatchError:
            return False


def password_hash(text: str) -> PasswordHash:
    """The hash of that text. Raises Unusable."""
    if found := _BCRYPT.match(text):
        cost = int(found[1])
        if not 4 <= cost <= MAX_COST:
            raise Unusable(f"bcrypt with cost {cost}, and 4 to {MAX_COST} are possible: each more doubles the time. {_REMEDY}")
        return Bcrypt(text.encode(), cost < 10)
    if (found := _ARGON2.match(text)) and all(map(_is_base64, found.groups())):
        return _argon2id(text)
    for beginning, what in _REFUSED:
        if text.startswith(beginning):
            raise Unusable(f"the password is hashed with {what} {_REMEDY}")
    if text.startswith("$2"):
        raise Unusable(f"it begins like bcrypt and is not: it has 60 characters. {_REMEDY}")
    if text.startswith("$argon2"):
        raise Unusable(f"it begins like argon2 and is not argon2id of version 19. {_REMEDY}")
    raise Unusable(f"the password is not hashed, or with DES crypt, which reads eight characters. {_REMEDY}")


def _argon2id(text: str) -> Argon2id:
    told = argon2.extract_parameters(text)
    if told.memory_cost > MAX_MEMORY_KIB or told.time_cost > MAX_TIME or told.parallelism > MAX_LANES:
        raise Unusable(
            f"argon2id with m={told.memory_cost}, t={told.time_cost}, p={told.parallelism}; at most m={MAX_MEMORY_KIB} KiB, t={MAX_TIME}, "
            f"p={MAX_LANES}: every login would cost that. Write it with less."
        )
    return Argon2id(text.encode(), told.memory_cost * told.time_cost < 7 * 1024 * 5)


def _is_base64(text: str) -> bool:
    """Whether it is base64 without padding and without bits behind the end, which the library would find at somebody's login."""
    padded = text + "=" * (-len(text) % 4)
    try:
        return b64encode(b64decode(padded)).decode() == padded
    except ValueError:
        return False
