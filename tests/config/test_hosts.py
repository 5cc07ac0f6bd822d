"""Hosts are compared in one form, and addresses inside are known in every disguise."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config.hosts import canonical_host, is_address, is_inside


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("Example.COM", "example.com"), ("example.com.", "example.com"), ("localhost.", "localhost"), ("bücher.example",
        "xn--bcher-kva.example"),
        ("BÜCHER。example", "xn--bcher-kva.example"), ("faß.de", "xn--fa-hia.de"), ("127.0.0.1", "127.0.0.1"), ("127.0.0.1.", "127.0.0.1"),
        ("１２７.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("[0:0::1]", "::1"), ("::1", "::1"), ("a_b.example", "a_b.example"), ("x1", "x1"),
    ],
)  # fmt: skip
def test_a_host_has_one_form(host: str, canonical: str) -> None:
    assert canonical_host(host) == canonical


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "127.0.0.0x1", "0x7f000001",
     "example.0x1",
     "[fe80::1%eth0]", "[::1", "::1]", "[127.0.0.1]", "a b", "a/b", "a@b", "a%6cb", "a／b", "-a.example", "a-.example", "x" * 64,
     "a." * 130 + "b", "\ud800"],
)  # fmt: skip
def test_what_is_no_plain_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError):
        canonical_host(host)


INSIDE = [
    "127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "0.0.0.0",
    "0.1.2.3", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "::", "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2002:7f00:1::", "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1", "64:ff9b:1::808:808", "64:ff9b:1:a00:0:100:808:808", "192.0.0.192",
    "2001:db8::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_known(address: str) -> None:
    assert is_inside(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_a_public_address_is_not_inside(address: str) -> None:
    assert not is_inside(ip_address(address))


@pytest.mark.parametrize(
    ("host", "is_one"), [("127.0.0.1", True), ("::1", True), ("a.example", False), ("1.a", False), ("localhost", False)]
)
def test_an_address_is_told_from_a_name(host: str, is_one: bool) -> None:
    assert is_address(host) is is_one


@given(st.ip_addresses(v=4).filter(lambda a: not a.is_global))
def test_no_dress_hides_an_address_inside(address: object) -> None:
    for dress in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
        assert is_inside(ip_address(dress))


@given(st.text(max_size=40))
def test_the_form_is_stable(host: str) -> None:
    try:
        form = canonical_host(host)
    except ValueError:
        return
    assert canonical_host(form) == form
    assert form.isascii()
