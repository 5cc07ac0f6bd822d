"""The provider as this plugin sees it: its metadata, its keys, its tokens, and what it says of users."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from mockforge_plugin import Json, now

from .discovery import Discovery, Metadata
from .id_token import IdTokenRules
from .oauth.answers import get, object_of, post, tokens_of
from .oauth.client import Client
from .tokens.bearer import Refused
from .tokens.jwks import KeyTimes, RemoteKeys
from .tokens.keys import KeySet
from .tokens.provider import Unavailable
from .tokens.signed import SignedToken

_REST_S = 1.0


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature is the provider's."""

    claims: dict[str, Json]
    header: Mapping[str, Json]
    algorithm: str


class Provider:
    """One provider and one client at it."""

    def __init__(
        self,
        discovery: Discovery,
        client: Client,
        rules: IdTokenRules,
        *,
        times: KeyTimes,
        algorithms: Collection[str] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.discovery, self.client, self.rules = discovery, client, rules
        self._times, self._algorithms, self._clock = times, algorithms, clock
        self._keys: RemoteKeys | None = None
        self._failure: Unavailable | None = None
        self._rests_until = float("-inf")

    @property
    def is_well(self) -> bool:
        """Whether there is metadata, and keys that are fresh."""
        keys = self._keys
        return self.discovery.is_well and keys is not None and keys.is_current(keys.generation)

    async def metadata(self) -> Metadata:
        """What the provider says of itself. Raises Unavailable."""
        return await self.discovery.metadata()

    async def keys(self) -> RemoteKeys:
        """The keys that its tokens are signed with; the object changes when it moves them elsewhere. Raises Unavailable."""
        metadata = await self.metadata()
        allowed = self._algorithms or metadata.algorithms or None
        if self._keys is None or (self._keys.url, self._keys.allowed) != (metadata.jwks_uri, allowed):
            if self._keys is not None:
                await self._keys.close()
            self._keys = RemoteKeys(metadata.jwks_uri, self._times, allowed, KeySet())
        return self._keys

    async def prepare(self) -> None:
        """Fetch metadata and keys before the first request; a provider that is not there yet is asked again later."""
        try:
            await (await self.keys()).prepare()
        except Unavailable:
            pass  # the log has it

    async def close(self) -> None:
        """End what is under way."""
        await self.discovery.close()
        if self._keys is not None:
            await self._keys.close()

    async def verified(self, token: str) -> Verified:
        """What a token says, once its signature was verified. Raises Refused, Unavailable."""
        signed = SignedToken.read(token)
        keys = await self.keys()
        if signed.algorithm not in (keys.allowed or keys.algorithms):
            raise Refused("the token is signed in a way that is not accepted here")
        return Verified(signed.claims(await keys.find(signed.algorithm, signed.kid)), signed.header, signed.algorithm)

    async def id_token(self, tokens: Mapping[str, Json]) -> Verified:
        """The ID token among those that the provider gave, verified, but for what only its login knows. Raises Refused, Unavailable."""
        token = tokens.get("id_token")
        if not isinstance(token, str):
            raise Unavailable.badly("token endpoint: the answer has no ID token")
        found = await self.verified(token)
        self.rules.check_type(found.header)
        self.rules.check(found.claims, now().timestamp())
        return found

    async def tokens(self, grant: str, form: Mapping[str, str]) -> dict[str, Json]:
        """Tokens for a code, or for a refresh token. Raises GrantRefused, Unavailable."""
        if self._failure is not None and self._clock() < self._rests_until:
            raise self._failure.anew()
        endpoint = (await self.metadata()).token_endpoint
        headers, body = self.client.token_request(endpoint, grant, form)
        try:
            answer = await post(endpoint, headers=headers, body=body, timeout_ms=self._times.timeout_ms)
        except Unavailable as failure:
            if failure.status == 503:  # it is left alone for a moment, so that requests do not queue for it
                self._failure, self._rests_until = failure.anew(), self._clock() + _REST_S
            raise
        self._failure = None
        return tokens_of(answer)

    async def userinfo(self, access_token: str, subject: str) -> dict[str, Json]:
        """More claims of a user (OpenID Connect Core 1.0 §5.3). Raises Unavailable."""
        endpoint = (await self.metadata()).userinfo_endpoint
        if endpoint is None:
            raise Unavailable.badly("it has no userinfo endpoint, and the configuration says `userinfo: true`")
        headers = {"authorization": f"Bearer {access_token}", "accept": "application/json"}
        answer = await get(endpoint, headers=headers, timeout_ms=self._times.timeout_ms)
        if answer.status != 200:
            raise Unavailable.badly(f"userinfo: it answered {answer.status}")
        said = object_of(answer, "userinfo")
        if said.get("sub") != subject:
            raise Unavailable.badly("userinfo: it is about another user than the ID token")
        return said
