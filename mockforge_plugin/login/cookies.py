"""The cookies of logins: how they are called and set for a request, and how they are read from it."""

from __future__ import annotations

from ipaddress import ip_address

from mockforge_plugin.cookies import MAX_COOKIE_BYTES, SameSite, cookie
from mockforge_plugin.login.settings import SessionSettings
from mockforge_plugin.request import Request

SetHeaders = list[tuple[str, str]]
"""Headers for an answer: `set-cookie`, and `cache-control` so that nobody keeps the answer."""


class LoginCookie:
    """One cookie of the plugin. `__Host-` stands before its name where browsers accept that: no other host or path can set it then."""

    def __init__(self, name: str, settings: SessionSettings, *, same_site: SameSite = "Lax") -> None:
        self._name, self._settings, self._same_site = name, settings, same_site

    def is_secure(self, request: Request) -> bool:
        """Whether the cookie goes over TLS alone: always, but for plain http on this machine in development, or where it is configured."""
        if not self._settings.secure:
            return False
        return not (self._settings.is_development and request.scheme == "http" and is_loopback(request.host))

    def name(self, request: Request) -> str:
        """The cookie's whole name."""
        return f"__Host-{self._name}" if self.is_secure(request) else self._name

    def room(self, request: Request) -> int:
        """How long a value may be."""
        return MAX_COOKIE_BYTES - len(self.name(request))

    def value(self, request: Request) -> str | None:
        """The value; None where there is none, or more than one: nobody can tell which of them was set here (RFC 6265 §5.4)."""
        name = self.name(request)
        crumbs = (crumb.strip(" \t").partition("=") for line in request.header_values("cookie") for crumb in line.split(";"))
        found = [value for each, _, value in crumbs if each == name]
        return found[0] if len(found) == 1 and len(found[0]) <= MAX_COOKIE_BYTES else None

    def headers(self, request: Request, value: str, max_age_s: float) -> SetHeaders:
        """What sets it."""
        secure = self.is_secure(request)
        same_site: SameSite = self._same_site if secure else "Lax"  # browsers take None of secure cookies alone
        made = cookie(self.name(request), value, max_age_s=max(0, int(max_age_s)), secure=secure, same_site=same_site)
        return [made, ("cache-control", "no-store")]

    def gone(self, request: Request) -> SetHeaders:
        """What deletes it."""
        return self.headers(request, "", 0)


def is_loopback(host: str) -> bool:
    """Whether a host with its port is this machine."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost" or name.lower().endswith(".localhost")
