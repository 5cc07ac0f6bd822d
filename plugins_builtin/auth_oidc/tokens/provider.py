"""An identity provider that is asked over HTTP: whether its address will do, and what it means when it does not answer as it should.

The same file stands in every built-in plugin that asks one; a test keeps them alike.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from mockforge_plugin import HostError

BADLY: Final = "the identity provider gave an answer that cannot be used"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Unavailable(Exception):
    """There is no answer that could be used; `words` are for the caller, `why` for the operator."""

    def __init__(self, status: int, words: str, why: str) -> None:
        self.status, self.words, self.why = status, words, why
        super().__init__(why)

    def anew(self) -> Unavailable:
        """The same to be raised: one that is kept and raised again and again would keep every frame it went through."""
        return Unavailable(self.status, self.words, self.why)

    @classmethod
    def after(cls, error: HostError) -> Unavailable:
        """503 where the provider cannot be reached or is silent; 502 where what it sends is no answer, or far too long."""
        if error.code == "limit" or (error.code == "unavailable" and not error.retryable):
            return cls.badly(error.message)
        return cls(503, "the identity provider cannot be reached", error.message)

    @classmethod
    def badly(cls, why: str) -> Unavailable:
        """502: it answers, and not what was asked for."""
        return cls(502, BADLY, why)


def address_problem(url: str, *, plain_http: bool, risk: str) -> str | None:
    """What is wrong with a provider's address; `risk` says what plain http would allow."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return f"'{url}' is not an address. Write one such as https://idp.example/path"
    if parts.scheme == "http" and host not in _LOOPBACK and not plain_http:
        return f"over plain http {risk}. Write https, or `plain_http: true` for a network of your own"
    return None
