"""Hashes: which are taken, which are refused and with which words, and that each compares whole passwords."""

from __future__ import annotations

import argon2
import bcrypt
import pytest

from plugins_builtin.auth_basic.hashes import PasswordHash, Unusable, password_hash

SALT = "c2FsdHNhbHQ"
HASH = "aGFzaGhhc2hoYXNoaGFzaA"


def quick(password: str) -> str:
    return argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(password)


def made(password: str, kind: str) -> PasswordHash:
    if kind == "argon2id":
        return password_hash(quick(password))
    return password_hash(bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", f"${kind}$"))


@pytest.mark.parametrize("kind", ["2a", "2b", "2y", "argon2id"])
def test_the_password_is_right_and_no_other_is(kind: str) -> None:
    held = made("correct horse é", kind)
    assert held.is_of("correct horse é".encode())
    others = ["correct horse", "correct horse e\u0301", "Correct horse é", "correct horse é ", "correct horse é\0", ""]
    assert [other for other in others if held.is_of(other.encode())] == []


@pytest.mark.parametrize("kind", ["2y", "argon2id"])
def test_a_longer_password_with_the_same_beginning_is_wrong(kind: str) -> None:
    held = made("x" * 72, kind)
    assert held.is_of(b"x" * 72) and not held.is_of(b"x" * 73) and not held.is_of(b"x" * 4000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1 without salt"),
        ("{SSHA}c2FsdA==", "salted SHA-1"),
        ("$apr1$abcdefgh$0123456789012345678901", "MD5 (apr1)"),
        ("$1$abcdefgh$0123456789012345678901", "MD5 (crypt)"),
        ("$5$rounds=5000$abc$def", "SHA-256 crypt"),
        ("$6$abc$def", "SHA-512 crypt"),
        ("$2x$10$" + "a" * 53, "bcrypt with the fault"),
        ("rqXexS6ZhobKA", "not hashed, or with DES crypt"),
        ("plain-password", "not hashed, or with DES crypt"),
        ("", "not hashed"),
        ("$2y$10$" + "a" * 52, "begins like bcrypt"),
        ("$2y$03$" + "a" * 53, "bcrypt with cost 3"),
        ("$2y$16$" + "a" * 53, "bcrypt with cost 16"),
        ("$2y$31$" + "a" * 53, "bcrypt with cost 31"),
        (f"$argon2i$v=19$m=65536,t=3,p=4${SALT}${HASH}", "argon2i, "),
        (f"$argon2d$v=19$m=65536,t=3,p=4${SALT}${HASH}", "argon2d, "),
        (f"$argon2id$v=16$m=65536,t=3,p=4${SALT}${HASH}", "begins like argon2"),
        (f"$argon2id$m=65536,t=3,p=4${SALT}${HASH}", "begins like argon2"),
        (f"$argon2id$v=19$m=65536,t=3,p=4${SALT}", "begins like argon2"),
        (f"$argon2id$v=19$m=65536,t=3,p=4${SALT[:-1]}u${HASH}", "begins like argon2"),
        (f"$argon2id$v=19$m=4194304,t=3,p=4${SALT}${HASH}", "at most m=524288"),
        (f"$argon2id$v=19$m=65536,t=4000000,p=4${SALT}${HASH}", "every login would cost that"),
        (f"$argon2id$v=19$m=65536,t=3,p=65${SALT}${HASH}", "p=64"),
    ],
)
def test_a_hash_that_cannot_be_used_is_refused_with_what_to_do(text: str, words: str) -> None:
    with pytest.raises(Unusable) as raised:
        password_hash(text)
    told = str(raised.value)
    assert words in told and ("Write it" in told) and (not text or text not in told)


def test_quick_hashes_are_told_apart() -> None:
    assert password_hash(quick("x")).is_weak and made("x", "2b").is_weak
    assert not password_hash(f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${HASH}").is_weak  # what OWASP says is the least
    assert not password_hash("$2y$10$" + "a" * 53).is_weak
