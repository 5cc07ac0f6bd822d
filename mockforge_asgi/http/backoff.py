"""Back-off in numbers: how many wrong credentials a caller may send before it has to wait, and how long. `auth/backoff.py` counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil, log2
from typing import Final

_IPV6_PREFIX: Final = 64
"""The least that is given to one customer: whoever has one address of it has them all (RFC 6177 §2)."""
_NAT64: Final = ip_network("64:ff9b::/96")
"""Where all of IPv4 is, as a server sees it that has IPv6 only (RFC 6052 §2.1): the last 32 bits are whose address it is."""


@dataclass(frozen=True, slots=True)
class BackoffConfig:
    """After how many failures a caller waits, and how long. A failure is forgotten every `forget_s / attempts` seconds."""

    attempts: int = 10
    """So many for one user name from one address."""
    attempts_from_address: int = 50
    """So many from one address, whatever the names."""
    delay_s: float = 1.0
    """The first delay; it doubles with each further failure ..."""
    max_delay_s: float = 300.0
    """... up to this."""
    forget_s: float = 900.0
    """After so many seconds without a failure, everything is forgotten."""
    scope: str = ""
    """The rule that counts for itself; empty: counted together with all others that say nothing of their own."""


DEFAULT: Final = BackoffConfig()


@dataclass(frozen=True, slots=True)
class Allowance:
    """The same for one kind of caller: what `BackoffConfig` comes to."""

    attempts: int
    delay_s: float
    max_delay_s: float
    forget_s: float

    @property
    def most(self) -> int:
        """The highest count that makes a difference: beyond it the delay grows no more."""
        return self.attempts + ceil(log2(max(1.0, self.max_delay_s / self.delay_s)))

    @property
    def lasts_s(self) -> float:
        """How long after a failure anything is known of it."""
        return self.max_delay_s + self.forget_s * self.most / self.attempts

    def wait_s(self, count: float) -> float:
        """The delay after so many failures."""
        over = round(count) - self.attempts
        return 0.0 if over < 0 else min(self.delay_s * 2.0 ** min(over, 62), self.max_delay_s)

    def left_of(self, count: float, quiet_s: float) -> float:
        """What is left of a count after so long without a failure and without having to wait."""
        return max(0.0, count - max(0.0, quiet_s) * self.attempts / self.forget_s)


@lru_cache(1024)
def network_of(client: str) -> str:
    """The caller behind an address: an IPv4 address, the network that one customer has of IPv6, or a name that a server gave."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client[:64]
    if not isinstance(address, IPv6Address):
        return str(address)
    mapped = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ip_network((address, _IPV6_PREFIX), strict=False))
