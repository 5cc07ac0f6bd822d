"""Back-off in numbers: delays, what is forgotten, and which addresses are one caller."""

from __future__ import annotations

import pytest

from mockforge_asgi.http.backoff import Allowance, network_of

TEN = Allowance(10, 1.0, 300.0, 900.0)


@pytest.mark.parametrize(
    ("count", "wait_s"), [(0, 0), (9, 0), (9.4, 0), (9.6, 1), (10, 1), (11, 2), (18, 256), (19, 300), (20, 300), (10_000, 300)]
)
def test_the_delay_doubles_up_to_the_longest(count: float, wait_s: float) -> None:
    assert TEN.wait_s(count) == wait_s


def test_one_failure_is_forgotten_in_its_share_of_the_time_and_no_count_is_below_nothing() -> None:
    assert (TEN.left_of(10, 90), TEN.left_of(10, 900), TEN.left_of(3, 5000), TEN.left_of(3, -10)) == (9, 0, 0, 3)


def test_a_count_is_kept_until_all_of_it_is_forgotten() -> None:
    assert TEN.most == 19
    assert TEN.lasts_s == 300 + 900 * 1.9


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::7", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::8", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("64:ff9b:1::192.0.2.7", "64:ff9b:1::/64"),
        ("testclient", "testclient"),
        ("x" * 500, "x" * 64),
        ("", ""),
    ],
)
def test_which_addresses_are_one_caller(client: str, network: str) -> None:
    assert network_of(client) == network
