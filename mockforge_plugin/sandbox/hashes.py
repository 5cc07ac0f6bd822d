"""`hashlib.pbkdf2_hmac` (RFC 8018 §5.2) for an interpreter without OpenSSL, which has it natively. Written for few iterations."""

from __future__ import annotations

import hashlib
from typing import Any

_INNER, _OUTER = bytes(b ^ 0x36 for b in range(256)), bytes(b ^ 0x5C for b in range(256))


def put_in_place() -> None:
    """Give it to `hashlib`."""
    hashlib.pbkdf2_hmac = pbkdf2_hmac


def pbkdf2_hmac(hash_name: str, password: Any, salt: Any, iterations: int, dklen: int | None = None) -> bytes:
    """A key made of a password, by HMAC with that hash, repeated."""
    if not isinstance(hash_name, str):
        raise TypeError(f"pbkdf2_hmac() argument 'hash_name' must be str, not {type(hash_name).__name__}")
    blank = hashlib.new(hash_name)
    size = blank.digest_size if dklen is None else dklen
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if size < 1:
        raise ValueError("key length must be greater than 0.")
    key = bytes(password)
    if len(key) > blank.block_size:
        key = hashlib.new(hash_name, key).digest()
    key = key.ljust(blank.block_size, b"\0")
    inner, outer = (hashlib.new(hash_name, key.translate(table)) for table in (_INNER, _OUTER))

    def prf(data: bytes) -> bytes:
        first, last = inner.copy(), outer.copy()
        first.update(data)
        last.update(first.digest())
        return last.digest()

    made = b""
    for block in range(1, -(-size // blank.digest_size) + 1):
        data = prf(bytes(salt) + block.to_bytes(4, "big"))
        mixed = int.from_bytes(data, "big")
        for _ in range(iterations - 1):
            data = prf(data)
            mixed ^= int.from_bytes(data, "big")
        made += mixed.to_bytes(blank.digest_size, "big")
    return made[:size]
