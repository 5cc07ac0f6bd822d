"""What the provider says of itself (OpenID Connect Discovery 1.0, RFC 8414): fetched once, kept, and believed only where it is plausible.

Its issuer must be the configured one, to the letter. What this service itself connects to must be at an origin that the operator named.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mockforge_plugin import HostError, Json, log
from mockforge_plugin.context import detached, entered
from mockforge_plugin.login import origin_of

from .oauth.answers import get, object_of
from .tokens.keys import ASYMMETRIC
from .tokens.provider import Unavailable, address_problem

_FRESH_S: Final = 3600.0
_RETRY_S: Final = 2.0
_PATH: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The endpoints and abilities of a provider."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    algorithms: frozenset[str] = frozenset()
    """What it signs ID tokens with, as far as that is accepted here."""
    names_itself: bool = False
    """Whether it puts its issuer into authorization responses (RFC 9207)."""


class Discovery:
    """Keeps the metadata of one provider; the last that was good serves on while there is no other."""

    def __init__(
        self,
        issuer: str,
        origins: Collection[str],
        *,
        plain_http: bool,
        timeout_ms: int,
        asks_userinfo: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer, self._plain_http, self._timeout_ms, self._clock = issuer, plain_http, timeout_ms, clock
        self._asks_userinfo = asks_userinfo
        self.url = issuer.removesuffix("/") + _PATH
        self._origins = frozenset(map(origin_of, (issuer, *origins)))
        self._metadata: Metadata | None = None
        self._failure: Unavailable | None = None
        self._ask_at = float("-inf")
        self._fetching: asyncio.Future[None] | None = None

    @property
    def is_well(self) -> bool:
        """Whether the last question was answered as it should be."""
        return self._failure is None

    async def metadata(self) -> Metadata:
        """What is known; whoever comes first has it fetched, and waits with the others as long as there is none. Raises Unavailable."""
        if self._fetching is not None or self._clock() >= self._ask_at:
            fetching = self._fetched()
            if self._metadata is None:
                await asyncio.shield(fetching)
        if self._metadata is None:
            raise self._failure.anew() if self._failure is not None else Unavailable.badly("there is no metadata")
        return self._metadata

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()

    def _fetched(self) -> asyncio.Future[None]:
        """The fetch that is under way, or else a new one; it goes on when the request that began it is given up."""
        if self._fetching is None:
            with entered(detached()):
                self._fetching = asyncio.ensure_future(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            answer = await get(self.url, headers={"accept": "application/json"}, timeout_ms=self._timeout_ms)
            if answer.status != 200:
                raise Unavailable.badly(f"it answered {answer.status}")
            self._metadata = self._read(object_of(answer, "metadata"))
            self._failure, self._ask_at = None, self._clock() + _FRESH_S
        except Unavailable as failure:
            self._failed(failure)
        finally:
            self._fetching = None

    def _failed(self, failure: Unavailable) -> None:
        is_first = self._failure is None and self._metadata is None
        self._failure, self._ask_at = failure.anew(), self._clock() + _RETRY_S
        if is_first and failure.status == 503:  # it may start at the same time, or be a part of this very server
            self._ask_at = self._clock()
            _tell(log.info, f"{self.url}: {failure.why}; it is asked again with the next login")
        else:
            _tell(log.warning, f"{self.url}: {failure.why}" + ("" if self._metadata is None else " (what it said before serves on)"))

    def _read(self, said: Mapping[str, Json]) -> Metadata:
        """Raises Unavailable."""
        if said.get("issuer") != self.issuer:
            raise Unavailable.badly("it says to be another issuer. Write `issuer` to the letter as the provider does, final slash and all")
        methods = said.get("code_challenge_methods_supported")
        if methods is not None and (not isinstance(methods, list) or "S256" not in methods):
            raise Unavailable.badly("it says that it does not support PKCE by S256, without which nobody is logged in here")
        named = said.get("id_token_signing_alg_values_supported")
        return Metadata(
            self.issuer,
            self._endpoint(said, "authorization_endpoint", is_ours=False),
            self._endpoint(said, "token_endpoint"),
            self._endpoint(said, "jwks_uri"),
            self._endpoint(said, "userinfo_endpoint") if self._asks_userinfo and "userinfo_endpoint" in said else None,
            self._endpoint(said, "end_session_endpoint", is_ours=False) if "end_session_endpoint" in said else None,
            frozenset(ASYMMETRIC).intersection(n for n in named if isinstance(n, str)) if isinstance(named, list) else frozenset(),
            said.get("authorization_response_iss_parameter_supported") is True,
        )

    def _endpoint(self, said: Mapping[str, Json], name: str, *, is_ours: bool = True) -> str:
        """An address; `is_ours`: this service connects to it itself, rather than sending browsers there. Raises Unavailable."""
        url = said.get(name)
        if not isinstance(url, str) or len(url) > 2000 or not (url.isascii() and url.isprintable()) or " " in url or "#" in url:
            raise Unavailable.badly(f"its {name} is missing, or is no address")
        if words := address_problem(url, plain_http=self._plain_http, risk="tokens and passwords can be read on the way"):
            raise Unavailable.badly(f"its {name}: {words}")
        if is_ours and (origin := origin_of(url)) not in self._origins:
            raise Unavailable.badly(f"its {name} is at {origin}. If that is the provider's, name it under `endpoint_origins`")
        return url


def _tell(how: Callable[[str], None], what: str) -> None:
    try:
        how(what)
    except HostError:
        pass  # whoever asked is gone, and the log with it
