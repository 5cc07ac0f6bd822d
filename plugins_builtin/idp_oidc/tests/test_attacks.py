"""What was tried against the provider: addresses, codes, refresh tokens, clients, and what comes of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mockforge_asgi.testing import OidcProvider
from plugins_builtin.idp_oidc.tests.flow import CALLBACK, VERIFIER, WEB, Flow, flow_to, parameters

LISTED = "https://app.example/callback"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/", "http://localhost.evil.example/", "http://127.0.0.1.evil.example/", "http://evil.example#@localhost/",
        "http://localhost@evil.example/", "http://user@localhost/", "http://evil.example\\@localhost/", "http://evil.example\\.localhost/",
        "//evil.example/", "/callback", "javascript:alert(1)//localhost", "data:text/html,hi", "http://localhost/#fragment",
        "http://localhost/ path", "http://localhost/\r\nX-A: b", "http://localhost:99999/", "http://[::1/", "ftp://localhost/", "http:///x",
        "http://localhost/\u202e", "http://lоcalhost/", "http://169.254.169.254/", "http://0.0.0.0/", "loopback",
    ],
)  # fmt: skip
def test_a_login_ends_nowhere_but_on_this_machine(flow: Flow, uri: str) -> None:
    for answer in (flow.authorize(redirect_uri=uri), flow.login(redirect_uri=uri), flow.authorize(redirect_uri=uri, prompt="none")):
        assert answer.status_code == 400 and "location" not in answer.headers and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "uri",
    [
        LISTED + "/", LISTED + "?x=1", LISTED + "/../evil", LISTED.upper(), "http://app.example/callback", "https://app.example:8443/callback",
        "https://app.example/callback#", "https://evil.example/callback", "https://app.example.evil.example/callback", CALLBACK,
        LISTED + "%2e%2e", " " + LISTED,
    ],
)  # fmt: skip
def test_a_listed_address_is_compared_to_the_letter(flow: Flow, mockforge_idp: OidcProvider, uri: str) -> None:
    client = mockforge_idp.client(LISTED, public=True)
    assert flow.authorize(client_id=client.id, redirect_uri=LISTED).status_code == 200
    answer = flow.login(client_id=client.id, redirect_uri=uri)
    assert answer.status_code == 400 and "location" not in answer.headers


def test_a_code_that_comes_again_ends_its_login(flow: Flow) -> None:
    code = flow.code()
    tokens = flow.exchange(code).json()
    assert flow.is_active(tokens["access_token"])
    assert flow.exchange(code).json()["error"] == "invalid_grant"
    assert not flow.is_active(tokens["access_token"]) and not flow.is_active(tokens["refresh_token"])
    assert flow.refresh(tokens["refresh_token"]).status_code == 400


def test_a_refresh_token_that_comes_again_ends_its_login(flow: Flow) -> None:
    first = flow.tokens()
    second = flow.refresh(first["refresh_token"]).json()
    assert flow.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert flow.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    assert not flow.is_active(second["access_token"])


def test_a_guessed_refresh_token_ends_nobodys_login(flow: Flow) -> None:
    tokens = flow.tokens()
    slot, family, secret = tokens["refresh_token"].split(".")
    for guess in (
        f"{slot}.{'A' * len(family)}.{secret}",
        f"{slot}.{family}",
        f"{slot}..{secret}",
        "",
        slot,
        "9" * 300,
        f"-1.{family}.{secret}",
    ):
        assert flow.refresh(guess).status_code == 400
    assert flow.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("use", ["code", "refresh token"])
def test_of_many_uses_at_once_one_counts(flow: Flow, mockforge_idp: OidcProvider, use: str) -> None:
    secret = flow.code() if use == "code" else flow.tokens()["refresh_token"]

    def once(_: int) -> int:
        with flow_to(mockforge_idp.issuer) as other:
            return (other.exchange(secret) if use == "code" else other.refresh(secret)).status_code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(once, range(16)))
    assert found.count(200) == 1 and found.count(400) == 15


@pytest.mark.parametrize(
    ("asked", "exchanged"),
    [
        ({}, {"code_verifier": None}),
        ({}, {"code_verifier": "A" * 43}),
        ({}, {"code_verifier": VERIFIER[:-1]}),
        ({}, {"code_verifier": VERIFIER + "A"}),
        ({}, {"code_verifier": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}),
        ({}, {"redirect_uri": CALLBACK + "/"}),
        ({}, {"redirect_uri": None}),
        ({}, {"code_verifier": VERIFIER * 4}),
    ],
)
def test_a_stolen_code_is_of_no_use(flow: Flow, asked: dict[str, Any], exchanged: dict[str, Any]) -> None:
    code = flow.code(**asked)
    assert flow.exchange(code, **exchanged).json()["error"] == "invalid_grant"
    assert flow.exchange(code).status_code == 200, "and its client can still use it"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short"},
        {"code_challenge": "A" * 44},
        {"code_challenge": "=" * 43},
    ],
)
def test_no_login_is_without_pkce(flow: Flow, changes: dict[str, Any]) -> None:
    assert parameters(flow.authorize(**changes))["error"] == "invalid_request"
    assert parameters(flow.login(**changes))["error"] == "invalid_request"


def test_pkce_is_not_taken_away_from_a_client_that_need_not_use_it(flow: Flow, mockforge_idp: OidcProvider) -> None:
    client = mockforge_idp.client(pkce="optional")
    auth = client.id, client.secret or ""
    code = flow.code(client_id=client.id, code_challenge=None, code_challenge_method=None)
    assert flow.exchange(code, auth).json()["error"] == "invalid_grant", "a verifier without a challenge: somebody took the challenge away"
    assert flow.exchange(code, auth, code_verifier=None).status_code == 200
    code = flow.code(client_id=client.id)
    assert flow.exchange(code, auth, code_verifier=None).json()["error"] == "invalid_grant"
    assert parameters(flow.login(client_id=client.id, code_challenge_method="plain"))["error"] == "invalid_request"


def test_codes_and_refresh_tokens_are_their_clients_own(flow: Flow) -> None:
    code = flow.code()
    assert flow.exchange(code, WEB).json()["error"] == "invalid_grant"
    tokens = flow.exchange(code).json()
    assert flow.refresh(tokens["refresh_token"], WEB).json()["error"] == "invalid_grant"
    for which in ("access_token", "refresh_token"):
        assert flow.post("/revoke", WEB, token=tokens[which]).json()["error"] == "invalid_grant"
    assert flow.is_active(tokens["access_token"])
    assert flow.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("auth", "form", "error"),
    [
        (("web", "wrong"), {}, "invalid_client"),
        (("web", ""), {}, "invalid_client"),
        (("", ""), {}, "invalid_client"),
        (("spa", ""), {}, "invalid_client"),
        (("spa", "web-secret"), {}, "invalid_client"),
        (("nobody", "web-secret"), {}, "invalid_client"),
        (None, {"client_id": "web"}, "invalid_client"),
        (None, {"client_id": "web", "client_secret": "wrong"}, "invalid_client"),
        (None, {"client_id": "spa", "client_secret": "x"}, "invalid_client"),
        (None, {}, "invalid_client"),
        (WEB, {"client_secret": "web-secret"}, "invalid_request"),
        (WEB, {"client_id": "spa"}, "invalid_request"),
        (None, {"client_id": "spa"}, "unauthorized_client"),
    ],
)
def test_a_client_says_who_it_is_in_one_way(flow: Flow, auth: tuple[str, str] | None, form: dict[str, Any], error: str) -> None:
    answer = flow.post("/token", auth, grant_type="client_credentials", **form)
    assert answer.json()["error"] == error
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    assert ("www-authenticate" in answer.headers) == (error == "invalid_client")


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic d2Vi", "Bearer abc", "Basic /w==", "", "Basic " + "QQ" * 2000])
def test_a_header_that_is_none_is_refused(flow: Flow, header: str) -> None:
    assert flow.post("/token", headers={"authorization": header}, grant_type="client_credentials").status_code == 401


@pytest.mark.parametrize("path", ["/introspect", "/rotate"])
def test_what_is_for_clients_with_a_secret_is_for_nobody_else(flow: Flow, path: str) -> None:
    for client_id, client_secret in ((None, None), ("spa", None), ("web", "wrong")):
        assert flow.post(path, token="x", client_id=client_id, client_secret=client_secret).status_code == 401


@pytest.mark.parametrize("scope", ['"', "a\\b", "ä", "x" * 300, " ".join(f"s{i}" for i in range(200))])
def test_a_scope_that_is_none_is_refused(flow: Flow, scope: str) -> None:
    assert flow.post("/token", WEB, grant_type="client_credentials", scope=scope).json()["error"] == "invalid_scope"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "response_type", "code_challenge", "nonce", "user"])
def test_a_parameter_that_is_there_twice_is_refused(flow: Flow, name: str) -> None:
    pairs = [*flow.authorization(user="ada").items(), (name, "another")]
    assert flow.http.get(flow.issuer + "/authorize", params=pairs).status_code == 400
    body = "&".join(f"{key}={value}" for key, value in pairs)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert flow.http.post(flow.issuer + "/login", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "what"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "9" * 30}, "invalid_request"),
        ({"defect": "unheard-of"}, "invalid_request"),
        ({"defect": "access_token:wrong-nonce"}, "invalid_request"),
        ({"error": "unheard-of"}, "invalid_request"),
        ({"delay_ms": "10001"}, "invalid_request"),
        ({"delay_ms": "-1"}, "invalid_request"),
    ],
)
def test_what_is_asked_wrongly_goes_back_with_an_error(flow: Flow, changes: dict[str, Any], error: str) -> None:
    back = parameters(flow.authorize(**changes))
    assert (back["error"], back["state"], back["iss"]) == (error, "a-state", flow.issuer)


def test_a_refusal_says_what_was_meant(flow: Flow) -> None:
    assert "Did you mean 'expired'?" in parameters(flow.authorize(defect="expird"))["error_description"]
