"""The bearer token of a request and the challenge of its refusals (RFC 6750).

The same file stands in every built-in plugin that takes bearer tokens; a test keeps them alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mockforge_plugin import Deny, Request

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750 §2.1."""
_BOUND_SCHEMES: Final = frozenset({"dpop"})
"""Schemes whose tokens come with a proof of possession, which nothing here can verify."""


class Refused(Exception):
    """A token that is not accepted; `words` are for the caller: ASCII, no quotes, nothing of the token."""

    def __init__(self, words: str) -> None:
        self.words = words
        super().__init__(words)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Where tokens are looked for. A cookie and a query parameter only where they are named."""

    realm: str
    cookie: str | None = None
    query: str | None = None
    max_bytes: int = 8192

    @property
    def challenge(self) -> str:
        """What a caller without credentials is told (RFC 6750 §3)."""
        return f'Bearer realm="{self.realm}"'

    def token(self, request: Request) -> str | Deny | None:
        """The token, of whatever characters; None where the request has none; a Deny where it has one that cannot be taken as it is."""
        shown = request.header_values("authorization")
        if len(shown) == 1 and self.query is None and shown[0][:7] == "Bearer ":  # the usual case
            return self._bounded(shown[0][7:].strip(" "))
        if len(shown) > 1:
            return self.refuse("more than one Authorization header", error="invalid_request", status=400)
        found: str | None = None
        if shown:
            scheme, _, rest = shown[0].partition(" ")
            if (scheme := scheme.lower()) == "bearer":
                found = rest.strip(" ")
            elif scheme in _BOUND_SCHEMES:
                return self.refuse("tokens bound to a key (DPoP) are not supported here")
        if self.query is not None and (sent := request.query.all(self.query)):
            if found is not None or len(sent) > 1:
                return self.refuse("more than one access token in the request", error="invalid_request", status=400)
            found = sent[0]
        if found is None and self.cookie is not None:
            held = _cookies(request, self.cookie)
            if len(held) > 1:  # a neighbouring host may have put its own in front of the caller's
                return self.refuse("more than one access token in the request", error="invalid_request", status=400)
            found = held[0] if held else None
        return None if found is None else self._bounded(found)

    def check(self, token: str) -> None:
        """Whether the token has the characters of one (RFC 6750 §2.1). Raises Refused."""
        if _TOKEN.fullmatch(token) is None:
            raise Refused("the token has characters that no bearer token has, or is empty")

    def refuse(self, words: str, *, error: str = "invalid_token", status: int = 401) -> Deny:
        """The refusal of a credential that was shown (RFC 6750 §3.1)."""
        return Deny(status, words, f'{self.challenge}, error="{error}", error_description="{words}"')

    def _bounded(self, token: str) -> str | Deny:
        return token if len(token) <= self.max_bytes else self.refuse(f"the token is longer than {self.max_bytes} bytes")


def _cookies(request: Request, name: str) -> list[str]:
    """The values of every cookie of that name (RFC 6265 §5.4 sends several)."""
    crumbs = (crumb.strip().partition("=") for line in request.header_values("cookie") for crumb in line.split(";"))
    return [value.strip('"') for found, _, value in crumbs if found == name]
