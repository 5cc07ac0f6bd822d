"""The client's side of OAuth 2.0: where a browser is sent, what the token endpoint is asked, and how the client proves who it is.

RFC 6749 §4.1 with PKCE (RFC 7636), always by S256. Nothing here connects to anything.

The same file stands in every built-in plugin that logs in by OAuth; a test keeps them alike.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from urllib.parse import quote_plus, urlencode

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from mockforge_plugin import PluginError

OURS = frozenset(
    """response_type response_mode client_id client_secret redirect_uri scope state nonce code_challenge code_challenge_method max_age
    request request_uri registration""".split()
)
"""Parameters of an authorization request that no configuration may set by itself."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that the client signs assertions with (RFC 7523 §2.2)."""

    key: RSAKey | ECKey | OKPKey
    algorithm: str

    @classmethod
    def read(cls, pem: str, algorithm: str, kid: str | None) -> SigningKey:
        """The key of PEM text. Raises PluginError, which does not quote it."""
        kind = {"R": RSAKey, "P": RSAKey, "E": OKPKey if algorithm.startswith("Ed") else ECKey}[algorithm[0]]
        try:
            key = kind.import_key(pem, {"kid": kid} if kid else None)
            if not key.is_private:
                raise ValueError("public")
        except (JoseError, ValueError, TypeError):
            words = f"client_key: the secret holds no private key for {algorithm} as PEM text. Make one: openssl genpkey -algorithm RSA"
            raise PluginError(words, code="invalid_config") from None
        return cls(key, algorithm)


@dataclass(frozen=True, slots=True)
class Client:
    """This service as its provider knows it: confidential with a secret or a key, else public."""

    id: str
    secret: str | None = field(default=None, repr=False)
    method: str = "basic"
    """How a secret is sent: `basic` (in the header) or `post` (in the body)."""
    key: SigningKey | None = field(default=None, repr=False)
    audience: str | None = None
    """Whom assertions are meant for; the token endpoint without one."""

    def authorization_url(self, endpoint: str, *, state: str, verifier: str, more: Mapping[str, str]) -> str:
        """Where the browser is sent; `more` has the redirect URI, the scope and what else the provider is to know."""
        challenge = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        return str(prepare_grant_uri(endpoint, self.id, "code", state=state, **more, **challenge))

    def token_request(self, endpoint: str, grant: str, form: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """Headers and body of a request for tokens."""
        proof, headers = self._proof(endpoint)
        headers |= {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        return headers, str(prepare_token_request(grant, **form, **proof))

    def _proof(self, endpoint: str) -> tuple[dict[str, str], dict[str, str]]:
        """Fields and headers that say who asks (RFC 6749 §2.3); name and secret are encoded before they are joined."""
        if self.key is not None:
            kid = self.key.key.kid
            header = {"header": {"kid": kid}} if kid else {}
            signed = private_key_jwt_sign(self.key.key, self.id, self.audience or endpoint, self.key.algorithm, expires_in=60, **header)
            return {"client_id": self.id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}, {}
        if self.secret is None:
            return {"client_id": self.id}, {}
        if self.method == "post":
            return {"client_id": self.id, "client_secret": self.secret}, {}
        joined = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"
        return {}, {"authorization": f"Basic {b64encode(joined.encode()).decode()}"}


def new_verifier() -> str:
    """A PKCE verifier: 256 bits of the system's chance (RFC 7636 §4.1)."""
    return token_urlsafe(32)


def with_query(url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The URL with these in its query."""
    added = urlencode([pair for pair in pairs if pair[1]])
    return f"{url}{'&' if '?' in url else '?'}{added}" if added else url
