"""Clients: who sends a request, by a secret (RFC 6749 §2.3.1) or by name alone; and those that register (RFC 7591)."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from mockforge_plugin import Request, Response

from .defects import behaviour_problems
from .oauth import MAX_BYTES, NO_STORE, Form, OAuthError
from .ring import Ring, new_secret
from .settings import LOOPBACK, Client, client_of, uri_problem

_CHALLENGE: Final = 'Basic realm="idp-oidc"'
_REGISTERED_S: Final = 30 * 86400
_TEXTS: Final = ("client_name", "token_endpoint_auth_method", "audience", "pkce", "defect", "error")
_NOBODY: Final = "the client is not known, or its secret is wrong"


class Clients:
    """Those of the configuration, and those that have registered."""

    def __init__(self, config: Mapping[str, Any], configured: Mapping[str, Client]) -> None:
        self._configured, self._takes_more = configured, config["registration"]
        self._registered = Ring("client-of", config["kept"], _REGISTERED_S)

    async def find(self, name: str) -> Client | None:
        """The client of that name."""
        if name in self._configured or not self._takes_more:
            return self._configured.get(name)
        record = await self._registered.named(name)
        return None if record is None else client_of({**record["about"], "client_id": name}, record["client_secret"])

    async def of_request(self, request: Request, form: Form, *, needs_secret: bool = False) -> Client:
        """The client that sent it. `needs_secret` leaves public ones out. Raises OAuthError."""
        header = request.header("authorization")
        name, secret = _of_header(header) if header is not None else (form.get("client_id"), form.get("client_secret"))
        if header is not None and ("client_secret" in form or form.get("client_id", name) != name):
            raise OAuthError("invalid_request", "the client says who it is in two ways")
        if name is None:
            raise _unknown("client_id is missing")
        client = await self.find(name)
        if client is None or not _is_right(client, secret):
            raise _unknown(_NOBODY)
        if needs_secret and client.secret is None:
            raise _unknown("a client without a secret may not do this")
        return client

    async def register(self, request: Request, now_s: int) -> Response:
        """A new client, as RFC 7591 asks for it; `pkce`, `audience`, `defect`, `error` and `delay_ms` are as in the configuration.

        Raises OAuthError.
        """
        if not self._takes_more:
            raise OAuthError("access_denied", "clients may register where the configuration says registration: true", status=403)
        about = _about(await _object(request))
        secret = None if about.get("token_endpoint_auth_method") == "none" else new_secret()
        handle, record = await self._registered.add({"about": about, "client_secret": secret})
        said: dict[str, Any] = {"client_id": f"{handle.slot}.{record['id']}", "client_id_issued_at": now_s, **about}
        if secret is not None:
            said |= {"client_secret": secret, "client_secret_expires_at": 0}
        return Response.json(said, 201, NO_STORE)


async def _object(request: Request) -> dict[str, Any]:
    if request.body.size > MAX_BYTES // 16:
        raise OAuthError("invalid_client_metadata", f"it has more than {MAX_BYTES // 16} bytes", status=413)
    try:
        found = await request.json()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OAuthError("invalid_client_metadata", "the body is not a JSON object")
    return found


def _about(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of what a client says of itself. Raises OAuthError."""
    about = {name: said[name] for name in _TEXTS if isinstance(said.get(name), str) and 0 < len(said[name]) <= 1000}
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        uris = said.get(name, [LOOPBACK])
        if not isinstance(uris, list) or len(uris) > 20 or not all(isinstance(uri, str) and not uri_problem(uri) for uri in uris):
            raise OAuthError("invalid_redirect_uri", f"{name} is not a list of up to 20 whole addresses without fragments")
        about[name] = uris
    if about.get("pkce", "required") not in ("required", "optional"):
        raise OAuthError("invalid_client_metadata", "pkce is required or optional")
    if isinstance(said.get("scope"), str):
        about["scopes"] = said["scope"].split()[:100]
    if "delay_ms" in said:
        about["delay_ms"] = said["delay_ms"]
    for _, words in behaviour_problems(about):
        raise OAuthError("invalid_client_metadata", words)
    return about


def _is_right(client: Client, secret: str | None) -> bool:
    if client.secret is None or secret is None:
        return client.secret is None and secret is None
    return hmac.compare_digest(_digest(client.secret), _digest(secret))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _of_header(header: str) -> tuple[str, str]:
    scheme, _, text = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, colon, secret = b64decode(text.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (ValueError, binascii.Error):
        raise _unknown("the Authorization header is not Basic with a client and its secret") from None
    return unquote_plus(name), unquote_plus(secret)


def _unknown(words: str) -> OAuthError:
    return OAuthError("invalid_client", words, challenge=_CHALLENGE)
