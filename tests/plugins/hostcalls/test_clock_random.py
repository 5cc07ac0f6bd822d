"""Time and chance, real or reproducible."""

from __future__ import annotations

from mockforge_asgi.plugins.hostcalls.clock_random import REAL


def test_a_seed_repeats() -> None:
    one, two = REAL.seeded("a"), REAL.seeded("a")
    assert [one.random_bytes(n) for n in (1, 40, 5)] == [two.random_bytes(n) for n in (1, 40, 5)]
    assert REAL.seeded("b").random_bytes(16) != REAL.seeded("a").random_bytes(16)


def test_a_stream_goes_on() -> None:
    stream = REAL.seeded("a")
    assert stream.random_bytes(16) != stream.random_bytes(16)
    assert [len(stream.random_bytes(n)) for n in (1, 32, 33, 100)] == [1, 32, 33, 100]


def test_auth_gets_the_real_ones() -> None:
    frozen = REAL.frozen_at(1.5).seeded("a")
    assert frozen.unix_ns() == 1_500_000_000
    assert frozen.for_kinds({"response"}) is frozen
    assert frozen.for_kinds({"response", "auth"}) is REAL
