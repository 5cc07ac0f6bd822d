"""CORS: which pages of other origins may read responses, and what they may send (Fetch §3.2).

The origins are those of the configuration's `cors:`. Without one a server that holds nothing but mocks is open, without credentials,
where nothing is protected. `starlette.middleware.cors` decides the same; it cannot be asked for a decision without being the outermost
app, and lets any origin have credentials where `*` is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.http.headers import BadHeader
from mockforge_asgi.http.responses import ALLOW_ORIGIN, MockResponse
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.types import Headers, Message, Send

ANY: Final = frozenset({"*"})
SAFELISTED: Final = frozenset({"accept", "accept-language", "content-language", "content-type"})
"""Headers that a page may send in any case (Fetch §2.2.2), though browsers ask about some of their values."""

_THIS_MACHINE: Final = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_VARY: Final = ((b"vary", b"origin"),)
_VARY_PREFLIGHT: Final = "access-control-request-method, access-control-request-headers, access-control-request-private-network"


@dataclass(frozen=True, slots=True)
class Cors:
    """Who may read, and what preflights are told. `origins`, `methods`, `headers` (lower-case), `expose`: `*` stands for all.

    Credentials go with named origins only; `config` refuses them beside `*`.
    """

    origins: frozenset[str] = ANY
    methods: frozenset[str] = ANY
    headers: frozenset[str] = ANY
    expose: tuple[str, ...] = ("*",)
    credentials: bool = False
    max_age_s: int = 600
    private_network: bool = False
    shared: Headers | None = field(init=False, repr=False, compare=False)
    """What every response carries, where any origin may read it: caches need not tell origins apart."""
    _granted: dict[str, Headers] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_granted", {origin: self._grant(origin) for origin in self.origins})
        object.__setattr__(self, "shared", self._granted.get("*"))

    def _grant(self, origin: str) -> Headers:
        headers = [(ALLOW_ORIGIN, origin.encode()), *(() if origin == "*" else _VARY)]
        if self.credentials:
            headers.append((b"access-control-allow-credentials", b"true"))
        if self.expose:
            headers.append((b"access-control-expose-headers", ", ".join(self.expose).encode()))
        return tuple(headers)

    def granted(self, origin: str | None) -> Headers:
        """What every response to that origin carries."""
        return self.shared or (self._granted.get(origin, _VARY) if origin is not None else _VARY)

    def around(self, send: Send, snapshot: RequestSnapshot) -> Send:
        """A `send` for the wrapped app that adds those headers; a response that says who may read it stays as it is."""
        extra = self.shared or self.granted(snapshot.header("origin"))

        async def send_granted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers") or ()
                if not any(name.lower() == ALLOW_ORIGIN for name, _ in headers):
                    message = {**message, "headers": [*headers, *extra]}
            await send(message)

        return send_granted

    def preflight(self, snapshot: RequestSnapshot) -> MockResponse:
        """The response to a preflight, without the headers of `granted`. Raises RequestRejected: 403 says what is not allowed."""
        method, asked = snapshot.header("access-control-request-method") or "", snapshot.header("access-control-request-headers") or ""
        names = {name.strip().lower() for name in asked.split(",")} - {""}
        if "*" not in self.origins and snapshot.header("origin") not in self.origins:
            raise _not_allowed("this origin")
        if "*" not in self.methods and method not in self.methods:
            raise _not_allowed("this method")
        if "*" not in self.headers and not names <= self.headers | SAFELISTED:
            raise _not_allowed(f"one of the headers {_listed(names - self.headers - SAFELISTED)[:200]}")
        headers = {
            "access-control-allow-methods": method if "*" in self.methods else _listed(self.methods),
            "access-control-max-age": str(self.max_age_s),
            "vary": _VARY_PREFLIGHT,
        }
        if names:  # named one by one: `*` does not stand for Authorization, and for nothing beside credentials
            headers["access-control-allow-headers"] = _listed(names)
        if self.private_network and snapshot.header("access-control-request-private-network") == "true":
            headers["access-control-allow-private-network"] = "true"
        try:
            return MockResponse.of(204, headers)
        except BadHeader:
            raise RequestRejected(400, "the preflight asks for a method or headers that do not exist") from None


OPEN: Final = Cors()
"""Every origin, without credentials."""


def is_foreign(snapshot: RequestSnapshot) -> bool:
    """Whether a page of another origin asks, not one of this server or of this machine: what development mode explains is not for it."""
    origin = snapshot.header("origin")
    if origin is None or _THIS_MACHINE.fullmatch(origin):
        return False
    return origin != f"{snapshot.scheme}://{snapshot.header('host')}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _not_allowed(what: str) -> RequestRejected:
    return RequestRejected(403, f"CORS: {what} is not allowed here; `cors:` of the configuration says what is")
