"""What the provider says of itself (OpenID Connect Discovery 1.0, RFC 8414)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .settings import Addresses


def document(at: Addresses, config: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata; every address begins with the issuer."""
    methods = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": at.issuer,
        "authorization_endpoint": at.at("/authorize"),
        "token_endpoint": at.at("/token"),
        "userinfo_endpoint": at.at("/userinfo"),
        "jwks_uri": at.at("/jwks"),
        "introspection_endpoint": at.at("/introspect"),
        "revocation_endpoint": at.at("/revoke"),
        "end_session_endpoint": at.at("/logout"),
        **({"registration_endpoint": at.at("/register")} if config["registration"] else {}),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [config["algorithm"]],
        "scopes_supported": config.get("scopes") or ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified", "roles", "groups", "auth_time", "sid"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*methods, "none"],
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": [*methods, "none"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
