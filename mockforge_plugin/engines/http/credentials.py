"""How a source shows who it is: a bearer token, a name and password, a key in a header or in the query, or a token fetched for both.

Secrets are read anew for each request, and stand in no message.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from mockforge_plugin import HostError, PluginError, http, secret

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_LIFE_S: Final = 300.0
_AHEAD_S: Final = 15.0
"""So long before its end a token is fetched anew."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What goes along with a request."""

    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""


class Credentials(Protocol):
    """Something to show."""

    async def show(self, timeout_ms: int) -> Shown:
        """What to send now."""
        ...

    def forget(self, shown: Shown) -> bool:
        """That was refused: whether something else may be sent instead."""
        ...


def credentials(config: Mapping[str, Any]) -> Credentials:
    """What `auth:` of a configuration says."""
    if "oauth2" in config:
        return ClientCredentials(config["oauth2"])
    return Fixed(config)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Secrets as the operator wrote them."""

    config: Mapping[str, Any]

    async def show(self, timeout_ms: int) -> Shown:
        """The header or query with the secret."""
        config = self.config
        if bearer := config.get("bearer"):
            return Shown((("authorization", f"Bearer {secret(bearer['secret'])}"),))
        if basic := config.get("basic"):
            pair = f"{basic['user']}:{secret(basic['password']['secret'])}"
            return Shown((("authorization", f"Basic {b64encode(pair.encode()).decode()}"),))
        if header := config.get("header"):
            return Shown(((header["name"].lower(), header.get("prefix", "") + secret(header["secret"])),))
        if key := config.get("query"):
            return Shown(query=f"{quote(key['name'], safe='')}={quote(secret(key['secret']), safe='')}")
        return Shown()

    def forget(self, shown: Shown) -> bool:
        """There is nothing else."""
        return False


@dataclass(slots=True)
class ClientCredentials:
    """A token that an OAuth 2.0 server gives for the client's own name and secret (RFC 6749 §4.4), fetched once for all who ask."""

    config: Mapping[str, Any]
    _token: str = field(default="", repr=False)
    _until: float = 0.0
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def show(self, timeout_ms: int) -> Shown:
        """The token, fetched anew before it ends. Raises PluginError."""
        if time.monotonic() >= self._until:
            async with self._fetching:
                if time.monotonic() >= self._until:
                    await self._fetch(timeout_ms)
        return self._shown()

    def _shown(self) -> Shown:
        return Shown((("authorization", f"Bearer {self._token}"),))

    def forget(self, shown: Shown) -> bool:
        """Fetch another one, once for all whose token was refused at the same time."""
        if shown == self._shown():
            self._until = 0.0
        return True

    async def _fetch(self, timeout_ms: int) -> None:
        config = self.config
        form = {"grant_type": "client_credentials"} | {key: config[key] for key in ("scope", "audience") if key in config}
        # RFC 6749 §2.3.1: each is form-encoded before.
        pair = f"{quote_plus(config['client_id'])}:{quote_plus(secret(config['client_secret']['secret']))}"
        headers = {
            "authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        try:
            answer = await http.post(config["token_url"], headers=headers, body=urlencode(form), timeout_ms=timeout_ms)
        except HostError as error:
            raise PluginError(f"no token: {error.message}", code="unavailable", retryable=True) from None
        try:
            said = answer.json()
            token, life_s = said["access_token"], said.get("expires_in", _DEFAULT_LIFE_S)
            if answer.status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise ValueError
            self._token, self._until = token, time.monotonic() + max(1.0, float(life_s) - _AHEAD_S)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, json.JSONDecodeError):
            what = f"no token: the server at token_url answered {answer.status} without one"
            raise PluginError(what, code="unavailable", retryable=True) from None


def address_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of the addresses in a configuration, and of what stands beside them."""
    places = [("url", config["url"])]
    auth = config.get("auth", {})
    if len(auth) > 1:
        yield "auth", f"it names {' and '.join(sorted(auth))}; a source shows one thing. Remove the others"
    if oauth2 := auth.get("oauth2"):
        places.append(("auth.oauth2.token_url", oauth2["token_url"]))
    for key, url in places:
        if words := _address_problem(url, is_plain_http=config["plain_http"]):
            yield key, words


def _address_problem(url: str, *, is_plain_http: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.query or parts.fragment:
        return f"'{url}' is not an address. Write one such as https://api.example/v1, without a query"
    if parts.scheme == "http" and host not in _LOOPBACK and not is_plain_http:
        risk = "over plain http data and secrets can be read and changed on the way"
        return f"{risk}. Write https, or `plain_http: true` for a network of your own"
    return None
