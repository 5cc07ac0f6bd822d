"""Probe of the contract: a login as OpenID Connect does it, natively and in the sandbox."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.plugin_kit.conftest import Load
from tests.support.golden_cases import GOLDEN, Instance, files_of
from tests.support.memory_host_calls import UNIX_NS, HostCalls

CONFIG = {
    "authorize_url": "https://idp.example/authorize",
    "token_url": "https://idp.example/token",
    "client_id": "golden",
    "redirect_uri": "http://127.0.0.1:8000/auth/callback",
}


class Provider:
    """The provider's token endpoint: one code, one nonce."""

    def __init__(self) -> None:
        self.nonce = ""
        self.forms: list[dict[str, list[str]]] = []
        self.expires_s = UNIX_NS // 1_000_000_000 + 300

    def __call__(self, headers: Any, body: Any) -> Any:
        self.forms.append(parse_qs(body["text"]))
        claims = {"sub": "ada", "name": "Ada", "roles": ["reader"], "aud": "golden", "nonce": self.nonce, "exp": self.expires_s}
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return {"status": 200, "headers": [], "body": {"text": json.dumps({"id_token": f"e30.{part}.x"})}}


class Login:
    """One browser's way through the login."""

    def __init__(self, load: Load) -> None:
        self.provider = Provider()
        doors = HostCalls(secrets={"oidc_client_secret": "hush"}, http={"POST https://idp.example/token": self.provider})
        self.plugin: Instance = load(files_of(GOLDEN / "plugins" / "oidc_login"), doors)
        self.plugin.call("plugin.init", {"config": CONFIG, "plugin": {"id": "oidc", "version": "1.0.0"}})
        self.cookies: dict[str, str] = {}

    def request(self, path: str, query: list[list[str]] | None = None, accept: str = "text/html") -> dict[str, Any]:
        """The request document of the browser's next request."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {
            "method": "GET",
            "scheme": "http",
            "host": "127.0.0.1:8000",
            "path": path,
            "query": query or [],
            "path_params": {},
            "headers": [["accept", accept], *([["cookie", cookie]] if cookie else [])],
            "principal": None,
            "body": {"available": 0},
        }

    def take(self, response: Any) -> str:
        """Keep the answer's cookies; where it sends the browser."""
        for name, value in response["headers"]:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return str(dict(response["headers"])["location"])

    def begin(self) -> dict[str, str]:
        """Ask for a protected page; the query that the provider is sent."""
        said = self.plugin.call("auth.authenticate", self.request("/private"))
        query = parse_qs(urlsplit(self.take(said["reply"])).query)
        self.provider.nonce = query["nonce"][0]
        return {name: values[0] for name, values in query.items()}

    def come_back(self, state: str, code: str = "c0de") -> Any:
        """The provider sends the browser back."""
        request = self.request("/auth/callback", [["state", state], ["code", code]])
        return self.plugin.call("endpoint.call", {"endpoint": "callback", "request": request})


@pytest.fixture
def login(load: Load) -> Login:
    """A browser without cookies."""
    return Login(load)


def test_a_login_ends_with_a_session(login: Login) -> None:
    sent = login.begin()
    assert (sent["client_id"], sent["response_type"]) == ("golden", "code")
    answer = login.come_back(sent["state"])
    assert (answer["status"], login.take(answer)) == (303, "/private")
    assert login.provider.forms[0]["client_secret"] == ["hush"]
    said = login.plugin.call("auth.authenticate", login.request("/private"))
    assert said["allow"]["principal"] == {"id": "ada", "roles": ["reader"], "name": "Ada"}


def test_a_callback_is_good_once(login: Login) -> None:
    sent = login.begin()
    cookies = dict(login.cookies)
    login.come_back(sent["state"])
    login.cookies = cookies
    assert login.come_back(sent["state"])["status"] == 400


def test_a_callback_of_another_browser_is_refused(login: Login) -> None:
    sent = login.begin()
    login.cookies = {}
    assert login.come_back(sent["state"])["status"] == 400
    login.cookies = {"oidc_state": sent["state"] + ".forged"}
    assert login.come_back(sent["state"])["status"] == 400
    assert login.provider.forms == []


def test_a_token_of_another_login_or_too_old_is_refused(login: Login) -> None:
    sent = login.begin()
    login.provider.nonce = "other"
    assert login.come_back(sent["state"])["status"] == 400
    sent = login.begin()
    login.provider.expires_s = 5
    assert login.come_back(sent["state"])["status"] == 400


def test_a_program_is_told_and_not_redirected(login: Login) -> None:
    said = login.plugin.call("auth.authenticate", login.request("/private", accept="application/json"))
    assert said == {"deny": {"status": 401, "reason": "log in first", "challenge": "Cookie"}}


def test_configuration_is_checked_field_by_field(login: Login) -> None:
    said = login.plugin.call("plugin.validate_config", {"config": {**CONFIG, "client_id": ""}})
    assert said == [{"path": "client_id", "message": "is required"}]
