"""The configuration of the plugin: what a schema cannot say of it, and the objects that are made of it."""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mockforge_plugin import Json, PluginError

from .claims import RFC9068_CLAIMS, ClaimRules
from .jwks import KeyTimes, RemoteKeys, StaticKeys
from .keys import HMAC_BYTES, BadKey, KeySet, VerifyingKey, key_of_jwk, key_of_pem, key_of_secret
from .principal import path_problem, read_path
from .provider import address_problem

Config = Mapping[str, Any]
_NO_AUDIENCE: Final = (
    "without it any token of this provider would pass, for whatever service it was made. "
    "Name the `aud` of your tokens, or write `any_audience: true`"
)


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """Each mistake with its place: what, why, and what to do."""
    if not config.get("jwks_url") and not config.get("keys"):
        yield "", "there is no key to verify tokens with. Write `jwks_url:` (the provider's keys) or `keys:` (your own)"
    yield from _url_problems(config)
    yield from _key_problems(config)
    yield from _audience_problems(config)
    for key in ("principal", "name", "email"):
        if key in config and (words := path_problem(config[key])):
            yield key, words
    for key in ("roles", "groups", "required"):
        for number, path in enumerate(config.get(key) or ()):
            if words := path_problem(path):
                yield f"{key}[{number}]", words


def _url_problems(config: Config) -> Iterator[tuple[str, str]]:
    url = config.get("jwks_url")
    if not url:
        return
    risk = "whoever is on the way can give keys of their own"
    if words := address_problem(url, plain_http=bool(config.get("plain_http")), risk=risk):
        yield "jwks_url", words
    if not config.get("issuer"):
        yield "issuer", "a provider signs for several issuers with one key. Name the `iss` of your tokens"
    if not config.get("audience") and not config.get("any_audience"):
        yield (
            "audience",
            _NO_AUDIENCE,
        )
    times = {**(config.get("jwks_times") or {})}
    if times and times.get("fresh_min_s", 0) > times.get("fresh_max_s", float("inf")):
        yield "jwks_times.fresh_min_s", "it is larger than fresh_max_s"


def _key_problems(config: Config) -> Iterator[tuple[str, str]]:
    allowed = config.get("algorithms")
    for number, entry in enumerate(config.get("keys") or ()):
        place = f"keys[{number}]"
        if sum(name in entry for name in ("secret", "pem", "pem_secret", "jwk")) != 1:
            yield place, "it must have exactly one of `secret` (HMAC), `pem`, `pem_secret` and `jwk`"
        elif "secret" in entry:
            yield from ((f"{place}.{at}" if at else place, words) for at, words in _secret_problems(entry, allowed))
        elif entry.get("alg") in HMAC_BYTES:
            yield f"{place}.alg", "HMAC with a public key lets everybody sign. Name the algorithm of the key, such as RS256"
        elif "pem_secret" not in entry:
            try:
                _public(entry, allowed)
            except BadKey as error:
                yield place, f"{error}."


def _secret_problems(entry: Config, allowed: Any) -> Iterator[tuple[str, str]]:
    algorithm = entry.get("alg")
    if algorithm not in HMAC_BYTES:
        yield "alg", "a secret is for HMAC: write HS256, HS384 or HS512"
    elif allowed is not None and algorithm not in allowed:
        yield "alg", f"{algorithm} is not among the allowed `algorithms`"


def _audience_problems(config: Config) -> Iterator[tuple[str, str]]:
    if config.get("any_audience") and config.get("audience"):
        yield "any_audience", "it contradicts `audience`. Leave one of them out"
    if config.get("rfc9068") and not config.get("audience"):
        yield "audience", "RFC 9068 tokens are checked against it. Name the `aud` of your tokens"
    if config.get("rfc9068") and config.get("typ"):
        yield "typ", "`rfc9068: true` says it already: at+jwt. Leave `typ` out"


def rules_of(config: Config) -> ClaimRules:
    """What tokens must say."""
    profile = bool(config.get("rfc9068"))
    required = [*map(read_path, config["required"]), *((name,) for name in RFC9068_CLAIMS if profile)]
    accepted = {key: value if isinstance(value, list) else [value] for key, value in (config.get("values") or {}).items()}
    kinds = ("at+jwt",) if profile else tuple(config.get("typ") or ())
    return ClaimRules(
        issuers=_texts(config.get("issuer")),
        audiences=_texts(config.get("audience")),
        any_audience=bool(config.get("any_audience")),
        leeway_s=config["leeway_s"],
        max_age_s=config.get("max_age_s"),
        required=tuple(dict.fromkeys(required)),
        values=tuple(((path,) if "/" in path else read_path(path), tuple(values)) for path, values in accepted.items()),
        types=tuple(kind.lower().removeprefix("application/") for kind in kinds),
    )


def keys_of(config: Config, secret: Callable[[str], str]) -> StaticKeys | RemoteKeys:
    """The keys, `secret` giving those that are no public ones. Raises PluginError."""
    allowed = config.get("algorithms")
    own = KeySet(tuple(_own(number, entry, allowed, secret) for number, entry in enumerate(config.get("keys") or ())))
    if not config.get("jwks_url"):
        return StaticKeys(own)
    return RemoteKeys(config["jwks_url"], KeyTimes(**(config.get("jwks_times") or {})), allowed, own)


def _own(number: int, entry: Config, allowed: Any, secret: Callable[[str], str]) -> VerifyingKey:
    try:
        if "secret" in entry:
            return key_of_secret(_decoded(secret(entry["secret"]), entry.get("encoding", "text")), entry.get("kid"), entry["alg"])
        if "pem_secret" in entry:
            entry = {**entry, "pem": secret(entry["pem_secret"])}
        return _public(entry, allowed)
    except BadKey as error:
        named = entry.get("secret") or entry.get("pem_secret")
        where = f"keys[{number}]" + (f", secret '{named}'" if named else "")
        raise PluginError(f"{where}: {error}.", code="invalid_config") from None


def _public(entry: Config, allowed: Any) -> VerifyingKey:
    if "jwk" not in entry:
        return key_of_pem(entry["pem"], entry.get("kid"), entry.get("alg"), allowed)
    jwk = entry["jwk"]
    if any(name in jwk for name in ("d", "p", "q", "k")):
        raise BadKey("it is a private or secret key, which does not belong into a configuration. Leave its public half")
    more = {name: entry[name] for name in ("kid", "alg") if name in entry}
    return key_of_jwk({**jwk, **more}, allowed)


def _decoded(text: str, encoding: str) -> bytes:
    try:
        if encoding == "hex":
            return bytes.fromhex(text)
        if encoding == "base64":
            return b64decode(text, validate=True)
        if encoding == "base64url":
            return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raise BadKey(f"it is not {encoding}, as `encoding` says") from None
    return text.encode()


def _texts(value: Json) -> tuple[str, ...]:
    return () if not value else (value,) if isinstance(value, str) else tuple(value)
