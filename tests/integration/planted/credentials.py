"""What is planted: for each built-in auth plugin its configuration, its secrets, and requests with right, wrong and broken credentials.

A plugin that comes new adds a function to `PLUGINS`. Every value that `secret()` made is looked for in all that the product says.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

Sent = tuple[str, Mapping[str, str]]
"""What stands behind the path (a query, perhaps), and headers."""


class Values:
    """The values that must come out nowhere."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def secret(self, shape: str = "{}") -> str:
        """A new one, with signs in it that encodings change."""
        self.planted.append(made := shape.format(f"Pl4nted<{secrets.token_urlsafe(9)}&>'é"))
        return made

    def plain(self) -> str:
        """A new one of letters and digits alone, for where no others may stand."""
        self.planted.append(made := f"Planted{secrets.token_hex(16)}")
        return made

    def keep(self, value: str) -> str:
        """That value is one, too."""
        self.planted.append(value)
        return value


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parties are that a plugin asks."""

    provider: str
    """A server that accepts the tokens that `accepted` holds, says the others back, and fails on demand."""
    directory: str
    accepted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """One plugin of the configuration, and the requests to its path by the status that they must be answered with."""

    plugin: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str]
    right: Sequence[Sent]
    wrong: Sequence[Sent]
    """Anything but 2xx."""


def basic(name: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def _bearer(token: str) -> Sent:
    return "", {"authorization": f"Bearer {token}"}


def api_key(values: Values, places: Places) -> Plan:
    """Keys in all three places."""
    right, wrong, asked, crumb = values.plain(), values.plain(), values.plain(), values.plain()
    config = {"keys": "api_keys", "query": "api_key", "cookie": "session"}
    sent: list[Sent] = [("", {"x-api-key": wrong}), (f"?api_key={asked}", {}), ("", {"cookie": f"session={crumb}"})]
    sent += [("", {"x-api-key": values.plain() * 200}), (f"?api_key={right}", {"x-api-key": right})]
    return Plan("auth-api-key", config, {"api_keys": f"{right}=ci"}, [("", {"x-api-key": right}), (f"?api_key={right}", {})], sent)


def basic_users(values: Values, places: Places) -> Plan:
    """A password, wrong ones, and what is none."""
    from argon2 import PasswordHasher

    right = values.secret()
    kept = PasswordHasher(time_cost=1, memory_cost=8192).hash(right)
    sent: list[Sent] = [("", {"authorization": basic("ada", values.secret())}), ("", {"authorization": basic("nobody", values.secret())})]
    sent += [("", {"authorization": f"Basic {values.plain()}"}), ("", {"authorization": basic("ada", values.secret() * 40)})]
    return Plan("auth-basic", {"users": "users"}, {"users": f"ada:{kept}"}, [("", {"authorization": basic("ada", right)})], sent)


def jwt(values: Values, places: Places) -> Plan:
    """Tokens by a secret of our own; forged, expired, broken ones; one in the query."""
    from joserfc import jwk
    from joserfc import jwt as tokens

    key = values.plain()

    def token(secret: str, **claims: Any) -> str:
        made = tokens.encode(
            {"alg": "HS256"}, {"sub": "ada", "aud": "a", "exp": int(time.time()) + 600, **claims}, jwk.OctKey.import_key(secret)
        )
        values.keep(made.rpartition(".")[2])
        return values.keep(made)

    config = {"keys": [{"secret": "jwt_key", "alg": "HS256"}], "audience": "a", "query": "token"}
    sent = [_bearer(token(values.plain())), _bearer(token(key, exp=1)), _bearer(token(key, aud="b")), _bearer(values.plain())]
    sent += [(f"?token={token(values.plain())}", {}), _bearer(f"{values.plain()}.{values.plain()}.{values.plain()}")]
    return Plan("auth-jwt", config, {"jwt_key": key}, [_bearer(token(key)), (f"?token={token(key)}", {})], sent)


def jwks(values: Values, places: Places) -> Plan:
    """Keys of a provider that answers nonsense."""
    forged = f"eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJhIn0.{values.plain()}"
    config = {"jwks_url": f"{places.provider}/keys", "audience": "a", "issuer": "i"}
    return Plan("auth-jwt", config, {}, [], [_bearer(forged), _bearer(values.plain())])


def oauth2(values: Values, places: Places) -> Plan:
    """Tokens that the provider knows, does not know, and says back in what it answers."""
    right, client = values.plain(), values.secret()
    places.accepted.append(right)
    config = {
        "introspection_url": f"{places.provider}/introspect", "client_id": "mock", "client_secret": "oauth_client", "any_audience": True,
        "cache_s": 0, "negative_cache_s": 0,
    }  # fmt: skip
    sent = [_bearer(values.plain()) for _ in range(4)]
    return Plan("auth-oauth2", config, {"oauth_client": client}, [_bearer(right)], sent)


def signed(values: Values, places: Places) -> Plan:
    """Signatures, which are credentials until they are used."""
    key, webhook = values.plain(), values.plain()
    right = hmac.new(key.encode(), b"", hashlib.sha256).hexdigest()
    wrong = hmac.new(webhook.encode(), b"", hashlib.sha256).hexdigest()
    sent: list[Sent] = [("", {"x-hub-signature-256": f"sha256={value}"}) for value in (values.keep(wrong), values.plain())]
    return Plan("auth-hmac", {"preset": "github", "keys": {"hook": {"secret": "hook_key"}}}, {"hook_key": key},
                [("", {"x-hub-signature-256": f"sha256={values.keep(right)}"})], sent)  # fmt: skip


def ldap(values: Values, places: Places) -> Plan:
    """A directory's passwords, right and wrong, and that of the account that looks users up."""
    from tests.support.openldap import BASE, PASSWORDS, SERVICE_DN, SERVICE_PASSWORD

    config = {
        "servers": [places.directory], "insecure": True, "bind_dn": SERVICE_DN, "bind_password": "ldap_account", "users": {"base": BASE},
    }  # fmt: skip
    right = values.keep(PASSWORDS["josé"])
    sent: list[Sent] = [("", {"authorization": basic("alice", values.secret())}), ("", {"authorization": basic("*)(", values.secret())})]
    return Plan("auth-ldap", config, {"ldap_account": values.keep(SERVICE_PASSWORD)}, [("", {"authorization": basic("josé", right)})], sent)


def ldap_down(values: Values, places: Places) -> Plan:
    """A directory that is not there."""
    config = {"servers": ["ldap://127.0.0.1:1"], "insecure": True, "bind_as": "uid={user},dc=example,dc=com"}
    return Plan("auth-ldap", config, {}, [], [("", {"authorization": basic("alice", values.secret())})])


def oidc(values: Values, places: Places) -> Plan:
    """A client's secret, the key of sessions, made-up sessions and tokens; a provider that answers nonsense."""
    config = {
        "issuer": places.provider, "client_id": "web", "client_secret": "oidc_client", "public_url": "https://app.example",
        "session": {"key": "oidc_session"}, "audience": "a",
    }  # fmt: skip
    forged = f"eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJhIn0.{values.plain()}"
    cookies = [f"__Host-oidc={values.plain()}", f"__Host-oidc-login={values.plain()}", f"__Host-oidc=a.b.c.d.{values.plain()}"]
    wrong = [_bearer(forged), _bearer(values.plain()), *(("", {"cookie": cookie}) for cookie in cookies)]
    wrong += [(f"?code={values.plain()}&state={values.plain()}", {"accept": "text/html"})]
    return Plan("auth-oidc", config, {"oidc_client": values.secret(), "oidc_session": values.secret("{}-and-more")}, [], wrong)


def oauth_custom(values: Values, places: Places) -> Plan:
    """A client's secret, the key of sessions, made-up sessions; tokens that are for others."""
    addresses = {name: f"{places.provider}/{name}" for name in ("authorize_url", "token_url", "user_url")}
    config = {
        **addresses, "client_id": "web", "client_secret": "oauth_secret", "public_url": "https://app.example", "principal": "id",
        "anybody": True, "session": {"key": "oauth_session"},
    }  # fmt: skip
    cookies = [f"__Host-oauth={values.plain()}", f"__Host-oauth-login={values.plain()}", f"__Host-oauth=a.b.c.d.{values.plain()}"]
    wrong = [_bearer(values.plain()), *(("", {"cookie": cookie}) for cookie in cookies)]
    kept = {"oauth_secret": values.secret(), "oauth_session": values.secret("{}-and-more")}
    return Plan("auth-oauth-custom", config, kept, [], wrong)


def saml(values: Values, places: Places) -> Plan:
    """The key of sessions, made-up sessions and responses; a provider whose metadata are nonsense."""
    config = {
        "idps": {"main": {"metadata_url": f"{places.provider}/metadata"}}, "public_url": "https://app.example",
        "session": {"key": "saml_session", "cookie": "saml", "login_cookie": "saml-login"},
    }  # fmt: skip
    cookies = [f"__Host-saml={values.plain()}", f"__Host-saml-login={values.plain()}", f"__Host-saml=a.b.c.d.{values.plain()}"]
    wrong = [_bearer(values.plain()), *(("", {"cookie": cookie}) for cookie in cookies)]
    wrong += [(f"?SAMLResponse={values.plain()}&RelayState={values.plain()}", {"accept": "text/html"})]
    return Plan("auth-saml", config, {"saml_session": values.secret("{}-and-more")}, [], wrong)


PLUGINS: Final[Mapping[str, Callable[[Values, Places], Plan]]] = {
    "api-key": api_key, "basic": basic_users, "jwt": jwt, "jwks": jwks, "oauth2": oauth2, "hmac": signed, "ldap": ldap,
    "ldap-down": ldap_down, "oidc": oidc, "oauth-custom": oauth_custom, "saml": saml,
}  # fmt: skip
"""By the path that each guards."""


def writings(value: str) -> Iterator[tuple[str, str]]:
    """(how, text) of the value in every usual encoding; what a text holds of base64 depends on where in three bytes it begins."""
    data = value.encode()
    yield "as it is", value
    yield "as bytes", repr(data)[2:-1]
    yield "in Latin-1", value.encode().decode("latin-1")
    yield "percent-encoded", quote(value, safe="")
    yield "percent-encoded in part", quote(value)
    yield "hexadecimal", data.hex()
    yield "escaped", value.encode("ascii", "backslashreplace").decode()
    yield "as an HTML text", value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield (
        "as an HTML attribute",
        value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;").replace('"', "&#34;"),
    )
    yield "in JSON", value.encode("ascii", "backslashreplace").decode().replace("\\xe9", "\\u00e9")
    yield "backwards", value[::-1]
    for skipped in range(3):
        text = b64encode(bytes(skipped) + data).decode()
        core = text[4 if skipped else 0 : (len(data) + skipped) // 3 * 4]
        yield f"base64, {skipped}", core
        yield f"base64 of URLs, {skipped}", core.replace("+", "-").replace("/", "_")
