"""The grammar of network rules: `scheme://host[:port]`, a wildcard only as the leftmost label.

A rule says where a plugin may connect; resolving names, checking addresses and connecting is `security/egress`.
Both ask `NetworkRule.matches`: nothing else decides whether a place is allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from mockforge_asgi.config.hosts import canonical_host, is_address, is_inside, is_numeric

_RULE = re.compile(r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/\[\]:@?#\\\s]+)(?::(?P<port>[0-9]{1,5}))?\Z")
DEFAULT_PORTS = {"http": 80, "https": 443}
ANY_HOST = "*"


class BadRule(ValueError):
    """A network rule outside the grammar; `remedy` says what to write."""

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what} {remedy}".strip())


@dataclass(frozen=True, slots=True)
class NetworkRule:
    """One place that may be reached.

    `host` is lower-case ASCII, an address without brackets, `*.` and a name for all names below it, or `*` (only in
    what a plugin asks for). `port` 0 goes with `*` and means any. `private`: addresses inside are meant too.
    """

    scheme: str
    host: str
    port: int
    private: bool = False

    @classmethod
    def parse(cls, text: str, *, private: bool = False, any_host: bool = False) -> NetworkRule:
        """The rule that the text says. Raises BadRule."""
        match = _RULE.match(text)
        if match is None:
            raise BadRule(_fault(text), "Write `scheme://host` or `scheme://host:port`, such as `https://api.example.com`.")
        scheme, host = match["scheme"], match["host"].lower()
        if scheme not in DEFAULT_PORTS:
            raise BadRule(f"the scheme '{scheme}' is not http or https.")
        port = int(match["port"]) if match["port"] else 0 if host == ANY_HOST else DEFAULT_PORTS[scheme]
        if match["port"] and not 1 <= port <= 65535:
            raise BadRule(f"{port} is not a port.", "Ports are 1 to 65535.")
        return cls(scheme, _host(host, any_host), port, private)

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether a connection to that lower-case host is one that the rule allows."""
        return self.scheme == scheme and self.port in (0, port) and _names(self.host, host)

    def covers(self, other: NetworkRule) -> bool:
        """Whether every connection that `other` allows is allowed by this rule, privacy of addresses aside."""
        return self.scheme == other.scheme and self.port in (0, other.port) and _names(self.host, other.host)

    @property
    def is_inside(self) -> bool:
        """Whether the host can only mean an address inside: `localhost`, or an address that is not public."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        return is_address(self.host) and is_inside(ip_address(self.host))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port not in (0, DEFAULT_PORTS[self.scheme]) else "")


def meet(asked: NetworkRule, granted: NetworkRule) -> NetworkRule | None:
    """The narrower of the two rules, if one is inside the other. Whether addresses inside are meant is the operator's say."""
    if asked.covers(granted):
        return granted
    if granted.covers(asked):
        return NetworkRule(asked.scheme, asked.host, asked.port, granted.private)
    return None


def _names(pattern: str, host: str) -> bool:
    if pattern in (ANY_HOST, host):
        return True
    return pattern.startswith("*.") and host != ANY_HOST and host.endswith(pattern[1:]) and (host[:2] != "*." or len(host) > len(pattern))


def _fault(text: str) -> str:
    if "://" not in text:
        return "has no scheme."
    rest = text.split("://", 1)[1]
    if "@" in rest:
        return "names a user, which a rule cannot."
    if any(c in rest for c in "/?#\\"):
        return "has a path or query; rules end with the host and port."
    return "is not a network rule."


def _host(host: str, any_host: bool) -> str:
    """The host in its canonical form, if it is written so but for the case of letters. Raises BadRule."""
    if host == ANY_HOST:
        if any_host:
            return host
        raise BadRule("'*' would allow every host.", "Name the hosts.")
    if not host.isascii():
        raise BadRule("the host is not ASCII.", f"Write it as {_punycode(host)}.")
    if host.endswith("."):
        raise BadRule("the host ends with a dot.", f"Write '{host.rstrip('.')}'.")
    is_wildcard = host.startswith("*.") and "." in host[2:]
    name = host[2:] if is_wildcard else host
    if "*" in name:
        raise BadRule("a '*' may only stand for all names below a domain.", "Write it as the leftmost label: `https://*.example.com`.")
    try:
        canonical = canonical_host(name)
        if not is_wildcard or not is_address(canonical):
            return "*." + canonical if is_wildcard else canonical
    except ValueError:
        if not host.startswith("[") and not is_numeric(name):
            raise BadRule("the host is not a valid name.") from None
    shown = host.strip("[]")
    raise BadRule(f"'{shown}' is not an address in its plain form.", "Write IPv4 as 192.0.2.1 and IPv6 as [2001:db8::1].")


def _punycode(host: str) -> str:
    try:
        return f"'{host.encode('idna').decode('ascii')}'"
    except UnicodeError:
        return "punycode (xn--…)"
