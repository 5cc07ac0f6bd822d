"""Where a request comes from, as proxies that the operator trusts tell it: `X-Forwarded-For`, or `Forwarded` (RFC 7239).

Of anybody else these headers are not read. They are read from their end: each proxy appends what it saw, and whatever stands before the
first address that is no trusted proxy's is the client's own invention. One header alone is believed, the one that the operator says: a
proxy that writes the one lets clients write the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal, TypeAlias

from mockforge_asgi.types import Headers

Network: TypeAlias = IPv4Network | IPv6Network
Header: TypeAlias = Literal["x-forwarded-for", "forwarded"]

MAX_HOPS: Final = 32
"""The most entries that are looked at, from the end."""
MAX_BYTES: Final = 4096
"""The most of a header that is looked at, from its end."""

_ENTRY: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<four>[0-9.]{7,15}))(?::[0-9]{1,5})?\Z|(?P<bare>[0-9A-Fa-f:.]{2,45})\Z")
_PAIR: Final = re.compile(r'\s*([!#$%&\'*+\-.^_`|~0-9A-Za-z]{1,64})=(?:"([^"\\]{0,256})"|([^\s";,=]{0,256}))\s*\Z')
_SCHEMES: Final = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy told: whom it was called by, and over which scheme; None for what it did not tell, or not plainly."""

    address: str | None
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, and the scheme that its client used; None leaves that to the server."""

    client: str | None
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whose word is believed, and which header is read."""

    networks: tuple[Network, ...] = ()
    header: Header = "x-forwarded-for"

    def trusts(self, address: str) -> bool:
        """Whether that is a trusted proxy's address."""
        return _is_in(address, self.networks)

    def origin(self, peer: str | None, headers: Headers, kind: str = "http") -> Origin:
        """Where a request with those headers comes from that the server got from `peer`. `kind` is the scope's type.

        What a trusted proxy did not tell plainly makes its own address the client's: nobody hides behind it from a count of failures.
        """
        if peer is None or not self.trusts(peer):
            return Origin(peer)
        told, protos = _text(headers, self.header.encode()), _text(headers, b"x-forwarded-proto")
        origin = _walk(self, peer, told, protos)
        return Origin(origin.client, _SCHEMES[origin.scheme]) if origin.scheme is not None and kind == "websocket" else origin


@lru_cache(maxsize=512)
def _walk(proxies: TrustedProxies, peer: str, told: str, protos: str) -> Origin:
    """The same of the header's text. Clients ask again: what came of the last few texts is kept."""
    client, scheme = peer, None
    for hop in _elements(told) if proxies.header == "forwarded" else _entries(told, protos):
        if hop.scheme is not None:
            scheme = hop.scheme
        if hop.address is None:
            break
        client = hop.address
        if not proxies.trusts(client):
            break
    return Origin(client, scheme)


def network(text: str) -> Network:
    """The network that a text names, a single address too. Raises ValueError that says what is wrong."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is neither an address nor a network") from None
    if "/" in text and str(found.network_address) != str(ip_address(text.partition("/")[0])):
        raise ValueError(f"has bits set beside the network; it would be {found}")
    if found.prefixlen == 0:
        raise ValueError("is everybody, and then anybody says where they come from")
    return found


def _text(headers: Headers, name: bytes) -> str:
    """All lines of a header as one, cut down to its end."""
    text = b",".join(value for key, value in headers if key == name or key.lower() == name).decode("latin-1")
    return text if len(text) <= MAX_BYTES else text[-MAX_BYTES:].partition(",")[2]


def _from_the_end(text: str) -> Iterator[str]:
    parts = text.rsplit(",", MAX_HOPS)
    yield from (part.strip(" \t") for part in reversed(parts if len(parts) <= MAX_HOPS else parts[1:]))


def _entries(told: str, protos: str) -> Iterator[Hop]:
    """The hops of `X-Forwarded-For`. `X-Forwarded-Proto` is one word for all of them, or one for each."""
    if not told:
        return
    schemes = [word.lower() for word in _from_the_end(protos)] if protos else []
    count = told.count(",") + 1
    each = schemes if len(schemes) == count else schemes * min(count, MAX_HOPS) if len(schemes) == 1 else []
    for i, entry in enumerate(_from_the_end(told)):
        yield Hop(_address(entry), each[i] if i < len(each) and each[i] in _SCHEMES else None)


def _elements(told: str) -> Iterator[Hop]:
    """The hops of `Forwarded`. Each is read by itself, so that a quote that a client left open takes nothing with it."""
    for element in _from_the_end(told):
        pairs: dict[str, str] = {}
        for part in element.split(";"):
            found = _PAIR.match(part)
            if found is None or (name := found[1].lower()) in pairs:
                pairs = {}
                break
            pairs[name] = found[3] if found[2] is None else found[2]
        scheme = pairs.get("proto", "").lower()
        yield Hop(_address(pairs.get("for", "")), scheme if scheme in _SCHEMES else None)


def _address(entry: str) -> str | None:
    """The address of an entry, without its port; None for `unknown`, a hidden name, and whatever is no address."""
    found = _ENTRY.match(entry)
    if found is None:
        return None
    try:
        return str(_plain(ip_address(found["six"] or found["four"] or found["bare"])))
    except ValueError:
        return None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address, of an IPv4 one in IPv6 clothes the IPv4 one."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4096)
def _is_in(address: str, networks: Iterable[Network]) -> bool:
    try:
        plain = _plain(ip_address(address))
    except ValueError:
        return False
    return any(plain in network for network in networks)
