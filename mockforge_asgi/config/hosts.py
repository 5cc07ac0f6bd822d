"""Hosts and addresses in one canonical form, and which addresses lie inside: for network rules and for those who connect."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")),
)
"""Addresses, beside link-local ones, where a cloud answers with secrets: Alibaba, Azure, Oracle, Amazon, Google."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
"""Translated to whatever the network likes, with the IPv4 address at a place of its choice (RFC 8215)."""


def canonical_host(host: str) -> str:
    """A host as it is compared and connected: lower-case A-labels without a final dot, or an address as Python prints it.

    Raises ValueError for what is neither a name nor an address in its usual form (`127.1`, `0x7f.1`, `2130706433`, zone ids).
    """
    if host.startswith("[") and host.endswith("]"):
        return _ipv6(host[1:-1])
    if ":" in host:
        return _ipv6(host)
    name = host if host.isascii() else _ascii(host)
    name = name.lower().removesuffix(".")
    if is_numeric(name):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise ValueError(f"{host!r} is an IPv4 address in an unusual form; write four decimal numbers") from None
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f"{host!r} is not a host name")
    return name


def is_numeric(name: str) -> bool:
    """Whether a name can only be meant as an IPv4 address, in whatever form (WHATWG URL, "ends in a number")."""
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def is_address(host: str) -> bool:
    """Whether a canonical host is an address."""
    return ":" in host or is_numeric(host)


def is_inside(address: Address) -> bool:
    """Whether an address is anything but a public unicast one: private, loopback, link-local, metadata, or one of these in IPv6 clothes."""
    inner = embedded(address)
    if inner is not None:
        return is_inside(inner)
    if isinstance(address, IPv6Address) and (address.is_site_local or address in _LOCAL_NAT64):
        return True
    return not address.is_global or address.is_multicast or address.is_reserved or address in METADATA


def embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address inside a mapped, compatible, 6to4, Teredo or NAT64 one."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or 1 < int(address) < 2**32:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv6 address") from None
    if address.scope_id is not None:
        raise ValueError(f"{text!r} has a zone, which is not allowed")
    return str(address)


def _ascii(host: str) -> str:
    try:
        import idna
    except ImportError:
        raise ValueError(f"{host!r} needs the package idna; install mockforge-asgi[http]") from None
    try:
        return idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"{host!r} is not a host name: {error}") from None
