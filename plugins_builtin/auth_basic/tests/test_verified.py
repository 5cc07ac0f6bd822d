"""Passwords that were right a moment ago: for a while, in bounded number, and not readable."""

from __future__ import annotations

from mockforge_plugin import Allow, Principal
from plugins_builtin.auth_basic.header import Credentials
from plugins_builtin.auth_basic.verified import VerifiedPasswords


class Clock:
    now = 7.0

    def __call__(self) -> float:
        return self.now


def sent(user: str, password: str) -> Credentials:
    return Credentials(user.encode(), password.encode())


ADA = Allow(Principal("ada"))


def test_they_are_remembered_for_a_while_and_no_longer() -> None:
    clock = Clock()
    verified = VerifiedPasswords(60, 10, clock)
    verified.put(sent("ada", "x"), ADA)
    assert verified.get(sent("ada", "x")) is ADA
    for other in (sent("ada", "y"), sent("adax", ""), sent("ad", "ax"), sent("bob", "x")):
        assert verified.get(other) is None
    clock.now += 59.9
    assert verified.get(sent("ada", "x")) is ADA  # and that does not lengthen it
    clock.now += 0.1
    assert verified.get(sent("ada", "x")) is None and len(verified) == 0


def test_so_many_are_remembered_and_no_more() -> None:
    verified = VerifiedPasswords(60, 3, Clock())
    for number in range(1000):
        verified.put(sent("ada", str(number)), ADA)
    assert len(verified) == 3 and verified.get(sent("ada", "999")) is ADA and verified.get(sent("ada", "1")) is None


def test_none_is_remembered_where_that_is_switched_off() -> None:
    verified = VerifiedPasswords(0, 3, Clock())
    verified.put(sent("ada", "x"), ADA)
    assert len(verified) == 0


def test_neither_the_password_nor_a_plain_hash_of_it_is_kept() -> None:
    held = []
    for _ in range(2):
        verified = VerifiedPasswords(60, 3, Clock())
        verified.put(sent("ada", "planted-password"), ADA)
        held.append([*verified._held])
        assert b"planted" not in held[-1][0] and "planted" not in repr(verified._held)
    assert held[0] != held[1]
