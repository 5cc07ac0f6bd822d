"""The configuration of the plugin: what a schema cannot say of it, and the objects that are made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mockforge_plugin import Json
from mockforge_plugin.login import Sessions, local_path, url_problems

from .connection import Provider
from .discovery import Discovery
from .id_token import IdTokenRules
from .oauth.client import OURS, Client, SigningKey
from .tokens.claims import RFC9068_CLAIMS, ClaimRules
from .tokens.jwks import KeyTimes
from .tokens.principal import path_problem
from .tokens.provider import address_problem

Config = Mapping[str, Any]
_RISK: Final = "tokens and the client's secret can be read on the way"


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """Each mistake with its place: what, why, and what to do."""
    plain = bool(config.get("plain_http"))
    places = [
        ("issuer", config["issuer"]),
        *((f"endpoint_origins[{n}]", url) for n, url in enumerate(config.get("endpoint_origins") or ())),
    ]
    for place, url in places:
        if words := address_problem(url, plain_http=plain, risk=_RISK):
            yield place, words
        elif "?" in url or "#" in url:
            yield place, f"'{url}' has a query or a fragment, which an issuer does not have. Write it as the provider's metadata has it"
    yield from _client_problems(config)
    yield from _browser_problems(config)
    if config.get("rfc9068") and not config.get("audience"):
        yield "audience", "RFC 9068 tokens are checked against it. Name the `aud` of your access tokens"
    times = config.get("jwks_times") or {}
    if times.get("fresh_min_s", 0) > times.get("fresh_max_s", float("inf")):
        yield "jwks_times.fresh_min_s", "it is larger than fresh_max_s"
    yield from _path_problems(config)


def _client_problems(config: Config) -> Iterator[tuple[str, str]]:
    if config.get("client_secret") and config.get("client_key"):
        yield "client_key", "it contradicts `client_secret`: a client proves who it is in one way. Leave one of them out"
    for name in config.get("parameters") or ():
        if name in OURS:
            yield f"parameters.{name}", "this parameter is the plugin's own. Leave it out; `scopes` and `max_age_s` are settings"
    if "openid" not in (config.get("scopes") or ["openid"]):
        yield "scopes", "without `openid` the provider gives no ID token, by which users are known here. Add it"


def _browser_problems(config: Config) -> Iterator[tuple[str, str]]:
    session = config.get("session") or {}
    if url := config.get("public_url"):
        yield from (("public_url", words) for words in url_problems(url, may_be_plain=session.get("secure") is False))
    if (after := config.get("after_logout")) and local_path(after, "") != after:
        yield "after_logout", "it must be a path of this application, such as /goodbye"
    yield from ((f"session.{path}" if path else "session", words) for path, words in Sessions.problems(session))


def _path_problems(config: Config) -> Iterator[tuple[str, str]]:
    for key in ("principal", "name", "email"):
        if key in config and (words := path_problem(config[key])):
            yield key, words
    for key in ("roles", "groups"):
        for number, path in enumerate(config.get(key) or ()):
            if words := path_problem(path):
                yield f"{key}[{number}]", words


def client_of(config: Config, secret: Callable[[str], str]) -> Client:
    """This service as the provider knows it. Raises PluginError, HostError."""
    if named := config.get("client_key"):
        key = SigningKey.read(secret(named["secret"]), named.get("alg", "RS256"), named.get("kid"))
        return Client(config["client_id"], key=key, audience=named.get("audience"))
    name = config.get("client_secret")
    return Client(config["client_id"], secret(name) if name else None, config["client_auth"])


def provider_of(config: Config, client: Client) -> Provider:
    """The provider, which is not asked yet."""
    discovery = Discovery(
        config["issuer"],
        config["endpoint_origins"],
        plain_http=config["plain_http"],
        timeout_ms=config["timeout_ms"],
        asks_userinfo=config["userinfo"],
    )
    trusted = frozenset(audiences(config))
    rules = IdTokenRules(config["issuer"], client.id, trusted, config["leeway_s"], config.get("max_age_s"))
    times = KeyTimes(**(config.get("jwks_times") or {}), timeout_ms=config["timeout_ms"])
    return Provider(discovery, client, rules, times=times, algorithms=config.get("algorithms"))


def access_token_rules(config: Config) -> ClaimRules:
    """What access tokens must say."""
    is_profile = bool(config.get("rfc9068"))
    required = [("exp",), *((name,) for name in RFC9068_CLAIMS if is_profile)]
    return ClaimRules(
        (config["issuer"],),
        audiences(config),
        leeway_s=config["leeway_s"],
        required=tuple(dict.fromkeys(required)),
        types=("at+jwt",) if is_profile else (),
    )


def audiences(config: Config) -> tuple[str, ...]:
    """The `aud` of access tokens for this service."""
    value: Json = config.get("audience")
    return () if not value else (value,) if isinstance(value, str) else tuple(value)


def asked_parameters(config: Config) -> dict[str, str]:
    """What every authorization request says, beside what is of one login."""
    asked = {**config["parameters"], "scope": " ".join(dict.fromkeys(config["scopes"]))}
    if (age_s := config.get("max_age_s")) is not None:
        asked["max_age"] = str(age_s)
    return asked
