"""auth-jwt: signed tokens, verified with keys of the configuration or of a provider's JWK set.

A token that was seen before costs a look-up and two comparisons, until it expires or the keys change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from mockforge_plugin import Allow, AuthPlugin, Deny, Health, Json, Request, now, secret

from .bearer import Bearer, Refused
from .claims import ClaimRules
from .jwks import RemoteKeys, StaticKeys
from .principal import PrincipalPaths
from .provider import Unavailable
from .seen import SeenTokens, digest_of
from .settings import keys_of, problems, rules_of
from .signed import SignedToken


class JwtAuth(AuthPlugin):
    """Accepts requests with a bearer token that a trusted key signed."""

    bearer: Bearer
    rules: ClaimRules
    paths: PrincipalPaths
    keys: StaticKeys | RemoteKeys
    seen: SeenTokens[Allow]

    def validate_config(self, config: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(problems(config))

    def init(self) -> None:
        """Read the keys that are not fetched."""
        config = self.config
        self.bearer = Bearer(config["realm"], config.get("cookie"), config.get("query"), config["max_token_bytes"])
        self.rules, self.paths = rules_of(config), PrincipalPaths.from_config(config)
        self.keys = keys_of(config, secret)
        self.allowed = frozenset(config.get("algorithms") or self.keys.algorithms)
        self.seen = SeenTokens(config["cache_entries"], 32 << 20)
        self.generation = self.keys.generation

    async def start(self) -> None:
        """Fetch the provider's keys, if there are any to fetch."""
        await self.keys.prepare()

    async def stop(self) -> None:
        """End what is under way."""
        await self.keys.close()

    def capabilities(self) -> Mapping[str, Json]:
        """The challenge of callers that show nothing."""
        return {"schemes": ["Bearer"], "challenge": 'Bearer realm="{config.realm}"'}

    def health(self) -> Health:
        """Whether there are keys."""
        return Health() if self.keys.is_current(self.keys.generation) else Health("degraded", "the provider's keys are not fresh")

    async def authenticate(self, request: Request) -> Allow | Deny | None:
        """The decision about the token, if there is one."""
        token = self.bearer.token(request)
        if not isinstance(token, str):
            return token
        digest = digest_of(token)
        seen = self.seen.get(digest)
        if seen is not None and time.time() < seen.until_s and self.keys.is_current(seen.generation):
            return seen.decision
        if token.count(".") != 2 and self.config["other_tokens"] == "pass":
            return None
        try:
            self.bearer.check(token)
            return await self._verified(token, digest)
        except Refused as error:
            return self.bearer.refuse(error.words)
        except Unavailable as error:
            return Deny(error.status, error.words)

    async def _verified(self, token: str, digest: bytes) -> Allow:
        """What a token says, once everything about it was checked. Raises Refused, Unavailable."""
        signed = SignedToken.read(token)
        if signed.algorithm not in self.allowed:
            raise Refused("the token is signed in a way that is not accepted here")
        self.rules.check_type(signed.header)
        keys = await self.keys.find(signed.algorithm, signed.kid)
        generation = self._forget_others()
        claims = signed.claims(keys)
        until_s = self.rules.check(claims, now().timestamp())
        allow = Allow(self.paths.principal(claims), claims)
        self.seen.put(digest, allow, until_s=until_s, generation=generation, weight=4 * len(token))
        return allow

    def _forget_others(self) -> int:
        """The generation of the keys; what others verified is forgotten."""
        if self.generation != self.keys.generation:
            self.generation = self.keys.generation
            self.seen.clear()
        return self.generation
