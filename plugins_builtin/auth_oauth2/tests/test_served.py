"""Both token plugins as users run them: `mockforge serve`, a real provider, nothing in between."""

from __future__ import annotations

import json
from pathlib import Path

from plugins_builtin.auth_jwt.tests.tokens import claims, rsa, sign
from tests.support.identity_provider import AUDIENCE, IdentityProvider
from tests.support.served import served


async def test_tokens_of_both_kinds_pass_and_are_told_nowhere(idp: IdentityProvider, tmp_path: Path) -> None:
    config = {
        "version": 1,
        "plugins": {
            "jwt": {
                "use": "auth-jwt",
                "config": {"jwks_url": idp.jwks_url, "issuer": idp.issuer, "audience": AUDIENCE, "other_tokens": "pass"},
            },
            "opaque": {
                "use": "auth-oauth2",
                "config": {
                    "introspection_url": idp.introspection_url,
                    "client_id": "gateway",
                    "client_secret": "introspection",
                    "clients": ["shop"],
                    "principal": "client_id",
                    "cache_s": 0,
                },
            },
        },
        "secrets": {"introspection": {"value": "gateway-secret"}},
        "protect": [
            {"path": "/orders/**", "auth": ["jwt", "opaque"], "require": {"scopes": ["write"]}, "methods": ["DELETE"]},
            {"path": "/orders/**", "auth": ["jwt", "opaque"], "require": {"scopes": ["read"]}},
        ],
        "routes": [{"match": {"path": "/orders/me"}, "response": {"template_text": "{{ request.principal.id }}"}}],
    }
    (tmp_path / "mockforge.json").write_text(json.dumps(config))
    signed, opaque, forged = await idp.token(resource=AUDIENCE), await idp.token(), sign(rsa(), claims(iss=idp.issuer, aud=AUDIENCE))
    revoked, others = await idp.token(), await idp.token("other")
    with served(tmp_path / "mockforge.json") as server:

        def status(token: str | None) -> int:
            return server.get("/orders/me", **({} if token is None else {"authorization": f"Bearer {token}"})).status

        assert server.get("/orders/me", authorization=f"Bearer {signed}").body == b"shop"
        assert [status(token) for token in (None, signed, opaque, revoked, forged, others)] == [401, 200, 200, 200, 401, 401]
        for token in (signed, opaque):
            refused = server.request("DELETE", "/orders/me", None, authorization=f"Bearer {token}")
            assert refused.status == 403 and 'error="insufficient_scope"' in (refused.header("www-authenticate") or "")
        await idp.revoke(revoked)
        assert status(revoked) == 401
        await idp.control(mood="error")
        assert [status(token) for token in (signed, opaque)] == [200, 502]
        asked = "\n".join(server.lines)
    for secret in (signed, opaque, forged, revoked, others, "gateway-secret"):
        assert secret not in asked
