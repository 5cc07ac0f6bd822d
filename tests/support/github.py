"""A provider on the loopback that behaves as GitHub documents its OAuth, which is not OpenID Connect: real HTTP, a page to log in at.

What is like GitHub and unlike the standards: errors of the token endpoint come with status 200; its answer is a form unless JSON is asked
for; scopes have commas between; `redirect_uri` must begin with the registered one; the API wants a `User-Agent`; lists come in pages.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "Iv1.abcdef", "github-secret"
_FORM = "application/x-www-form-urlencoded"


@dataclass
class Account:
    """Somebody with an account; the password is the account's name backwards."""

    id: int
    login: str
    name: str | None = None
    email: str | None = None
    emails: list[dict[str, Any]] = field(default_factory=list)
    orgs: list[str] = field(default_factory=list)
    teams: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class GitHub:
    """The running provider. Tests change what it knows; `moods` gives a path another answer: (status, content type, body)."""

    callback: str
    url: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    moods: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    per_page: int = 2
    answers_json: bool = True
    """Whether the token endpoint minds `Accept`; else it answers with a form, always."""

    def settings(self) -> dict[str, Any]:
        """The addresses, as a configuration names them in place of GitHub's own."""
        return {
            "authorize_url": f"{self.url}/login/oauth/authorize",
            "token_url": f"{self.url}/login/oauth/access_token",
            "user_url": f"{self.url}/user",
            "emails_url": f"{self.url}/user/emails",
        }

    def groups(self) -> list[dict[str, Any]]:
        """The lists of organisations and teams, likewise."""
        return [
            {"url": f"{self.url}/user/orgs?per_page={self.per_page}", "name": ["login"]},
            {"url": f"{self.url}/user/teams?per_page={self.per_page}", "name": ["organization.login", "slug"]},
        ]

    def redeem(self, form: dict[str, str]) -> dict[str, str]:
        """The answer of the token endpoint, good or bad."""
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _refusal("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
        known = self.codes.pop(form.get("code", ""), None)
        challenge = urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if known is None or known["code_challenge"] != challenge:
            return _refusal("bad_verification_code", "The code passed is incorrect or expired.")
        if form.get("redirect_uri") != known["redirect_uri"]:
            return _refusal("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.")
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens[token] = (known["login"], known["scope"])
        return {"access_token": token, "scope": known["scope"].replace(" ", ","), "token_type": "bearer"}


def _refusal(code: str, words: str) -> dict[str, str]:
    return {"error": code, "error_description": f"{words} <script>alert(1)</script>", "error_uri": "https://docs.github.com/"}


def handler(github: GitHub) -> type[BaseHTTPRequestHandler]:
    """What answers requests."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name that http.server wants
            path, query = self._request()
            github.asked.append((path, query, {k.lower(): v for k, v in self.headers.items()}))
            if path in github.moods:
                return self._send(*github.moods[path])
            if path == "/login/oauth/authorize":
                return self._page(query)
            if path.startswith("/user"):
                return self._api(path, query)
            self._json(404, {"message": "Not Found"})

        def do_POST(self) -> None:  # the same
            path, query = self._request()
            form = _fields(self.rfile.read(int(self.headers["content-length"])).decode())
            github.asked.append((path, form, {k.lower(): v for k, v in self.headers.items()}))
            if path in github.moods:
                return self._send(*github.moods[path])
            if path == "/login/oauth/authorize":
                return self._authorize(query, form)
            said = github.redeem(form)
            if github.answers_json and "application/json" in self.headers.get("accept", ""):
                return self._json(200, said)
            self._send(200, f"{_FORM}; charset=utf-8", urlencode(said).encode())

        def _page(self, query: dict[str, str]) -> None:
            if query.get("client_id") != CLIENT_ID:
                return self._send(404, "text/html", b"<h1>404</h1>")
            if not query.get("redirect_uri", github.callback).startswith(github.callback):
                return self._back(github.callback, error="redirect_uri_mismatch", state=query.get("state", ""))
            action = escape(self.path)
            inputs = '<input name="login"><input name="password" type="password"><button>Sign in</button>'
            text = f'<!doctype html><title>Sign in to GitHub</title><form method="post" action="{action}">{inputs}</form>'
            self._send(200, "text/html; charset=utf-8", text.encode())

        def _authorize(self, query: dict[str, str], form: dict[str, str]) -> None:
            where, state = query.get("redirect_uri", github.callback), query.get("state", "")
            login = form.get("login", "")
            if login not in github.accounts or form.get("password") != login[::-1]:
                words = "The user has denied your application access. <script>alert(1)</script>"
                return self._back(where, error="access_denied", error_description=words, state=state)
            code = secrets.token_hex(10)
            known = {name: query.get(name, "") for name in ("code_challenge", "scope")}
            github.codes[code] = {**known, "redirect_uri": where, "login": login}
            self._back(where, code=code, state=state)

        def _api(self, path: str, query: dict[str, str]) -> None:
            if not self.headers.get("user-agent"):
                return self._send(
                    403, "text/html", b"Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
                )
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in github.tokens:
                return self._json(401, {"message": "Bad credentials"})
            login, scope = github.tokens[token]
            account = github.accounts[login]
            if path == "/user":
                return self._json(
                    200, {"login": account.login, "id": account.id, "name": account.name, "email": account.email, "type": "User"}
                )
            if path == "/user/emails":
                return self._json(200, account.emails) if "user:email" in scope.split() else self._json(404, {"message": "Not Found"})
            if "read:org" not in scope.split():
                return self._json(403, {"message": "You need at least read:org scope"})
            teams = [{"slug": slug, "organization": {"login": org}} for org, slug in account.teams]
            self._paged(path, query, [{"login": org} for org in account.orgs] if path == "/user/orgs" else teams)

        def _paged(self, path: str, query: dict[str, str], items: list[Any]) -> None:
            size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
            more = {}
            if len(items) > size * page:
                there = f"{github.url}{path}?per_page={size}&page={page + 1}"
                more = {"link": f'<{there}>; rel="next", <{github.url}{path}?page=9>; rel="last"'}
            self._json(200, items[size * (page - 1) : size * page], more)

        def _request(self) -> tuple[str, dict[str, str]]:
            parts = urlsplit(self.path)
            return parts.path, _fields(parts.query)

        def _back(self, where: str, **query: str) -> None:
            self._send(302, "text/html", b"", {"location": f"{where}?{urlencode(query)}"})

        def _json(self, status: int, said: Any, more: dict[str, str] | None = None) -> None:
            self._send(status, "application/json; charset=utf-8", json.dumps(said).encode(), more)

        def _send(self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"content-type": kind, "content-length": str(len(body)), **(more or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def _fields(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


@contextmanager
def github(callback: str) -> Iterator[GitHub]:
    """One of the test's own, with the account `octocat`, which sends browsers back to that address."""
    made = GitHub(callback)
    old = {"email": "old@example.com", "primary": False, "verified": True}
    emails = [old, {"email": "octocat@example.com", "primary": True, "verified": True}]
    teams = [("acme", "platform"), ("github", "staff"), ("acme", "tools")]
    made.accounts["octocat"] = Account(583231, "octocat", "The Octocat", None, emails, ["acme", "github", "octo-org"], teams)
    made.accounts["mallory"] = Account(666, "mallory", "octocat", "octocat@example.com", [], ["evil"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
