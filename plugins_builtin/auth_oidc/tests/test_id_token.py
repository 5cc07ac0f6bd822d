"""ID tokens that must not log anybody in, each with its outcome, from a provider that gives them by real HTTP."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from plugins_builtin.auth_jwt.tests.tokens import b64, ec, forge, hmac_forge, okp, pem, public, rsa, sign
from plugins_builtin.auth_oidc.tests.login_app import begin, come_back, is_logged_in, login_app
from tests.support.scripted_provider import ScriptedProvider

NOW = int(time.time())
BADLY = "The identity provider gave an answer that cannot be used."
OTHER_LOGIN = "What this browser brought is of another login; begin again."
Visit = tuple[ScriptedProvider, httpx.AsyncClient]
Tokens = Callable[[ScriptedProvider, str], str | None]


def with_claims(**changes: Any) -> Tokens:
    """A signed token that says something else."""
    return lambda provider, nonce: sign(provider.key, provider.claims(nonce, **changes))


def with_header(**header: Any) -> Tokens:
    """A signed token with another header."""
    return lambda provider, nonce: sign(provider.key, provider.claims(nonce), **header)


def with_nonce(value: Any) -> Tokens:
    """A signed token of that nonce."""
    return lambda provider, nonce: sign(provider.key, {**provider.claims(nonce), "nonce": value})


ATTACKS: list[tuple[str, Tokens, int, str]] = [
    ("no nonce", lambda p, nonce: sign(p.key, p.claims(None)), 400, OTHER_LOGIN),
    ("another nonce", with_nonce("other"), 400, OTHER_LOGIN),
    ("an empty nonce", with_nonce(""), 400, OTHER_LOGIN),
    ("the nonce in a list", lambda p, nonce: sign(p.key, {**p.claims(nonce), "nonce": [nonce]}), 400, OTHER_LOGIN),
    ("the nonce and more", lambda p, nonce: sign(p.key, p.claims(nonce + "x")), 400, OTHER_LOGIN),
    ("for another client", with_claims(aud="other"), 502, BADLY),
    ("for no client", with_claims(aud=None), 502, BADLY),
    ("for a client whose name contains ours", with_claims(aud="web2"), 502, BADLY),
    ("for us and others", with_claims(aud=["web", "other"]), 502, BADLY),
    ("for us and others, issued to us", with_claims(aud=["web", "other"], azp="web"), 502, BADLY),
    ("issued to another client", with_claims(azp="other"), 502, BADLY),
    ("issued to a list", with_claims(azp=["web"]), 502, BADLY),
    ("audience an object", with_claims(aud={"web": 1}), 502, BADLY),
    ("from another issuer", with_claims(iss="https://evil.example"), 502, BADLY),
    ("from no issuer", with_claims(iss=None), 502, BADLY),
    ("issuer with a final slash", lambda p, n: sign(p.key, p.claims(n, iss=f"{p.issuer}/")), 502, BADLY),
    ("issuer in a list", lambda p, n: sign(p.key, p.claims(n, iss=[p.issuer])), 502, BADLY),
    ("expired", lambda p, n: sign(p.key, p.claims(n, exp=int(time.time()) - 31)), 502, BADLY),
    ("without an end", with_claims(exp=None), 502, BADLY),
    ("end as text", with_claims(exp="9999999999"), 502, BADLY),
    ("issued in the future", with_claims(iat=NOW + 86_400), 502, BADLY),
    ("issued at no time", with_claims(iat=None), 502, BADLY),
    ("about nobody", with_claims(sub=None), 502, BADLY),
    ("about an empty name", with_claims(sub=""), 502, BADLY),
    ("about a list", with_claims(sub=["ada"]), 502, BADLY),
    ("about a name of 256 characters", with_claims(sub="a" * 256), 502, BADLY),
    ("of another access token", with_claims(at_hash=b64(hashlib.sha256(b"other").digest()[:16])), 502, BADLY),
    ("with the whole hash of the access token", with_claims(at_hash=b64(hashlib.sha256(b"access").digest())), 502, BADLY),
    ("with an empty hash of the access token", with_claims(at_hash=""), 502, BADLY),
    ("hash of the access token a list", with_claims(at_hash=["x"]), 502, BADLY),
    ("bound to a key", with_claims(cnf={"jkt": "x"}), 502, BADLY),
    ("an access token", with_header(typ="at+jwt"), 502, BADLY),
    ("a logout token", with_header(typ="logout+jwt"), 502, BADLY),
    ("alg none", lambda p, n: forge({"alg": "none"}, p.claims(n)), 502, BADLY),
    ("alg nOnE", lambda p, n: forge({"alg": "nOnE"}, p.claims(n)), 502, BADLY),
    ("HS256 with the public key", lambda p, n: hmac_forge({"alg": "HS256", "kid": "main"}, pem(p.key).encode(), p.claims(n)), 502, BADLY),
    ("HS256 with our secret", lambda p, n: hmac_forge({"alg": "HS256"}, b"web-secret", p.claims(n)), 502, BADLY),
    ("signed by another key of that name", lambda p, n: sign(rsa("other"), p.claims(n), kid="main"), 502, BADLY),
    ("with a key of its own in it", lambda p, n: sign(rsa("other"), p.claims(n), kid=None, jwk=public(rsa("other"))), 502, BADLY),
    ("PS256, which the provider does not use", with_header(alg="PS256"), 502, BADLY),
    ("not signed", lambda p, n: sign(p.key, p.claims(n)).rsplit(".", 1)[0] + ".", 502, BADLY),
    ("encrypted", lambda p, n: "a.b.c.d.e", 502, BADLY),
    ("claims twice", lambda p, n: sign(p.key, b'{"sub": "ada", "sub": "eve"}'), 502, BADLY),
    ("no token", lambda p, n: None, 502, BADLY),
]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("made", "status", "words"), [pytest.param(*rest, id=name) for name, *rest in ATTACKS])
async def test_a_token_that_logs_nobody_in(visit: Visit, made: Tokens, status: int, words: str) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.tokens(made(provider, sent["nonce"]))
    answer = await come_back(browser, state=sent["state"], code="code")
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert not await is_logged_in(browser)


GOOD: dict[str, Tokens] = {
    "plain": with_claims(),
    "issued to us": with_claims(azp="web"),
    "audience in a list": with_claims(aud=["web"]),
    "with a type": with_header(typ="JWT"),
    "of this access token": with_claims(at_hash=b64(hashlib.sha256(b"access").digest()[:16])),
    "just expired, within the leeway": lambda p, n: sign(p.key, p.claims(n, exp=int(time.time()) - 5)),
    "a name of 255 characters": with_claims(sub="a" * 255),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("made", GOOD.values(), ids=GOOD)
async def test_a_token_that_logs_somebody_in(visit: Visit, made: Tokens) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.tokens(made(provider, sent["nonce"]))
    answer = await come_back(browser, state=sent["state"], code="code")
    assert (answer.status_code, answer.headers["location"]) == (303, "/orders"), answer.text
    assert await is_logged_in(browser)


async def test_other_audiences_are_trusted_where_they_are_configured(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer, audience="https://orders.example") as browser:
        for party, status in (("web", 303), (None, 502), ("other", 502)):
            sent = await begin(browser)
            scripted.give(sent["nonce"], aud=["web", "https://orders.example"], azp=party)
            assert (await come_back(browser, state=sent["state"], code="code")).status_code == status
            browser.cookies.clear()


async def test_a_login_may_not_be_older_than_configured(scripted: ScriptedProvider) -> None:
    now = int(time.time())
    told = [(now, 303), (now - 20, 303), (now - 200, 502), (None, 502), (True, 502), (str(now), 502), (now + 999, 502)]
    async with login_app(scripted.issuer, max_age_s=60) as browser:
        for said, status in told:
            browser.cookies.clear()
            sent = await begin(browser)
            assert sent["max_age"] == "60"
            scripted.give(sent["nonce"], auth_time=said)
            assert (await come_back(browser, state=sent["state"], code="code")).status_code == status, said


@pytest.mark.parametrize("algorithm", ["ES256", "ES512", "EdDSA", "RS512", "PS384"])
async def test_every_algorithm_that_the_provider_names_is_understood(scripted: ScriptedProvider, algorithm: str) -> None:
    keys = {"ES256": ec(), "ES512": ec("P-521", "large"), "EdDSA": okp()}
    key = keys.get(algorithm, scripted.key)
    scripted.publish(id_token_signing_alg_values_supported=[algorithm, "HS256", "none", 7])
    scripted.say("/jwks", {"keys": [public(key)]})
    async with login_app(scripted.issuer) as browser:
        sent = await begin(browser)
        digest = hashlib.new("sha512" if algorithm == "EdDSA" else f"sha{algorithm[2:]}", b"access").digest()
        claims = scripted.claims(sent["nonce"], at_hash=b64(digest[: len(digest) // 2]))
        scripted.tokens(sign(key, claims, alg=algorithm))
        assert (await come_back(browser, state=sent["state"], code="code")).status_code == 303


async def test_a_provider_cannot_have_its_tokens_verified_by_a_secret(scripted: ScriptedProvider) -> None:
    secret = {"kty": "oct", "kid": "main", "alg": "HS256", "k": b64("web-secret")}
    scripted.publish(id_token_signing_alg_values_supported=["HS256", "none"])
    scripted.say("/jwks", {"keys": [secret, public(scripted.key)]})
    async with login_app(scripted.issuer) as browser:
        sent = await begin(browser)
        scripted.tokens(hmac_forge({"alg": "HS256", "kid": "main"}, b"web-secret", scripted.claims(sent["nonce"])))
        assert (await come_back(browser, state=sent["state"], code="code")).status_code == 502
