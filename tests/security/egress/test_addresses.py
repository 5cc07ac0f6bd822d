"""Which addresses are never meant, and which are this machine's own."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from mockforge_asgi.security.egress.addresses import is_never_meant, is_own


@pytest.mark.parametrize(
    ("address", "never"),
    [("169.254.169.254", True), ("::ffff:169.254.169.254", True), ("fe80::1", True), ("0.0.0.0", True), ("::", True), ("168.63.129.16",
     True),
     ("100.100.100.200", True), ("::ffff:100.100.100.200", True), ("192.0.0.192", True), ("fd00:ec2::254", True), ("fd20:ce::254", True),
     ("224.0.0.1", True), ("127.0.0.1", False), ("10.0.0.1", False), ("::1", False), ("fd00::1", False)],
)  # fmt: skip
def test_link_local_and_the_like_are_never_meant(address: str, never: bool) -> None:
    assert is_never_meant(ip_address(address)) is never


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"])
def test_an_address_of_this_machine_is_its_own(address: str) -> None:
    assert is_own(ip_address(address))


@pytest.mark.parametrize("address", ["198.51.100.1", "2001:db8::1", "::ffff:198.51.100.1"])
def test_an_address_elsewhere_is_not(address: str) -> None:
    assert not is_own(ip_address(address))


def test_where_any_address_may_be_listened_at_none_is_taken_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "bind", lambda made, address: None)
    assert not is_own(ip_address("93.184.216.34"))
