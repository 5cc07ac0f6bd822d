"""An OpenID provider on the loopback that says whatever a test wants it to: for what no honest provider does."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from plugins_builtin.auth_jwt.tests.tokens import public, rsa, sign
from tests.support.loopback_servers import Server, reply, serving

CLIENT = "web"


class ScriptedProvider:
    """Honest until told otherwise: `say` sets the answer of a path."""

    def __init__(self, server: Server) -> None:
        self.server, self.key = server, rsa("main")
        self.issuer = f"http://127.0.0.1:{server.port}"
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        self._honest = dict(self.metadata)
        self.reset()

    def reset(self) -> None:
        """Be honest again, and asked nothing yet."""
        self.server.answers.clear()
        self.server.heads.clear()
        self.server.bodies.clear()
        self.metadata = dict(self._honest)
        self.publish()
        self.say("/jwks", {"keys": [public(self.key, alg="RS256")]})
        self.say("/userinfo", {"sub": "ada"})

    def publish(self, **changes: Any) -> None:
        """Change what it says of itself; None leaves a member out."""
        self.metadata = {name: value for name, value in {**self.metadata, **changes}.items() if value is not None}
        self.say("/.well-known/openid-configuration", self.metadata)

    def say(self, path: str, body: Any, status: str = "200 OK", **headers: str) -> None:
        """Answer requests for that path so from now on: bytes as they are, all else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.server.answers[path] = reply(data, status, **{"Content_Type": "application/json", **headers})

    def claims(self, nonce: str | None, **changes: Any) -> dict[str, Any]:
        """What a good ID token says; None leaves a claim out."""
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": CLIENT, "sub": "ada", "iat": now, "exp": now + 300, "nonce": nonce, "name": "Ada", **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def give(self, nonce: str | None, **changes: Any) -> None:
        """Give, for the next code, a signed ID token with these claims."""
        self.tokens(sign(self.key, self.claims(nonce, **changes)))

    def tokens(self, id_token: str | None, **more: Any) -> None:
        """Give, for the next code, these tokens; None leaves one out."""
        whole = {"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": id_token, **more}
        self.say("/token", {name: value for name, value in whole.items() if value is not None})

    def asked(self, path: str) -> list[dict[str, str]]:
        """The forms that were sent there."""
        pairs = zip(self.server.heads, self.server.bodies, strict=False)
        return [{k: v[0] for k, v in parse_qs(body.decode()).items()} for head, body in pairs if head.split(" ")[1] == path]


@asynccontextmanager
async def scripted_provider() -> AsyncIterator[ScriptedProvider]:
    """One of the test's own."""
    async with serving() as server:
        yield ScriptedProvider(server)
