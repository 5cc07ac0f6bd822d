"""Which addresses a connection may never be made to, and which are this machine's own.

Holds no lists of what is allowed: those are the rules (`config/network.py`); `security/egress/client.py` asks both.
"""

from __future__ import annotations

import ipaddress
import socket

from mockforge_asgi.config.hosts import METADATA, Address, embedded

_ELSEWHERE = {4: ipaddress.ip_address("198.51.100.1"), 6: ipaddress.ip_address("2001:db8::1")}
"""Addresses that no machine has (RFC 5737, RFC 3849)."""


def is_own(address: Address) -> bool:
    """Whether this machine has that address; False where it may listen at any (`ip_nonlocal_bind`). Nothing is sent."""
    address = embedded(address) or address
    return _may_listen(address) and not _may_listen(_ELSEWHERE[address.version])


def is_never_meant(address: Address) -> bool:
    """Whether an address is refused even where private ones are allowed: link-local, metadata, unspecified, multicast."""
    inner = embedded(address)
    if inner is not None:
        return is_never_meant(inner)
    return address.is_link_local or address.is_unspecified or address.is_multicast or address in METADATA


def _may_listen(address: Address) -> bool:
    try:
        with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as tried:
            tried.bind((str(address), 0))
    except OSError:
        return False
    return True
