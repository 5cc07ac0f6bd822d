"""Answers of one provider where another one is meant (mix-up), and tokens of one kind where another is."""

from __future__ import annotations

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from plugins_builtin.auth_jwt.tests.tokens import sign
from plugins_builtin.auth_oidc.tests.login_app import SECRETS, begin, come_back, login_app, settings
from tests.support.browsers import ORIGIN, browsing, query_of
from tests.support.guarded import configuration, who
from tests.support.scripted_provider import ScriptedProvider, scripted_provider


async def test_what_one_provider_gave_is_shown_to_no_other(scripted: ScriptedProvider) -> None:
    """The browser was sent to an attacker's provider, which sent it on to the honest one."""
    async with scripted_provider() as evil:
        issuers = {"honest": scripted.issuer, "evil": evil.issuer}
        sessions = {name: {"key": "session_key", "cookie": name, "login_cookie": f"{name}-login"} for name in issuers}
        plugins = {
            name: {"use": "auth-oidc", "config": settings(issuer, session=sessions[name], redirect=False)}
            for name, issuer in issuers.items()
        }
        config = load_config(configuration(plugins, secrets=SECRETS))
        async with browsing(MockForge(who, config=config)) as browser:
            sent = query_of(await browser.get("/evil/login"))
            assert sent["redirect_uri"] == f"{ORIGIN}/evil/callback"
            scripted.give(sent["nonce"])
            brought = {"state": sent["state"], "code": "code-of-the-honest-one"}
            for path, more in (
                ("/honest/callback", {}),
                ("/honest/callback", {"iss": scripted.issuer}),
                ("/evil/callback", {"iss": scripted.issuer}),
            ):
                answer = await browser.get(path, params={**brought, **more})
                assert answer.status_code == 400, (path, answer.text)
            assert (scripted.asked("/token"), evil.asked("/token")) == ([], [])


async def test_a_provider_that_names_itself_always_must(scripted: ScriptedProvider) -> None:
    scripted.publish(authorization_response_iss_parameter_supported=True)
    async with login_app(scripted.issuer) as browser:
        for more, status in (({}, 400), ({"iss": "https://evil.example"}, 400), ({"iss": scripted.issuer}, 303)):
            sent = await begin(browser)
            scripted.give(sent["nonce"])
            assert (await come_back(browser, state=sent["state"], code="code", **more)).status_code == status


async def test_an_id_token_is_no_access_token(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer, audience=["web", "https://orders.example"]) as browser:
        for claims, status in (
            (scripted.claims("nonce"), 401),
            (scripted.claims(None, at_hash="x"), 401),
            (scripted.claims(None, events={"http://schemas.openid.net/event/backchannel-logout": {}}), 401),
            (scripted.claims(None), 401),  # a refreshed ID token
            (scripted.claims(None, aud=["web", "https://orders.example"]), 401),
            (scripted.claims(None, scope="orders"), 200),
            (scripted.claims("nonce", aud="https://orders.example"), 401),
            (scripted.claims(None, aud="https://billing.example"), 401),
            (scripted.claims(None, aud="https://orders.example", iss=f"{scripted.issuer}/"), 401),
            (scripted.claims(None, aud="https://orders.example"), 200),
        ):
            answer = await browser.get("/", headers={"authorization": f"Bearer {sign(scripted.key, claims)}"})
            assert answer.status_code == status, (claims, answer.text)
            assert status == 200 or 'error="invalid_token"' in answer.headers["www-authenticate"]
