"""A mock behind `auth-saml`: its configuration, a browser that is none, and what comes of responses that are posted to it."""

from __future__ import annotations

import json
import re
import time
import zlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from plugins_builtin.auth_saml.tests.forge import Login, Pair, encoded, metadata, pair
from tests.support.served import served
from tests.support.server_processes import Running

IDP_KEY, SP_KEY = "idp", "sp"
_SAID = re.compile(r"warning (\S+) says: a (?:response|logout message) was refused: (.*)|(\S+) says: a login at .* failed: (.*)")


def config(folder: Path, *pairs: Pair, **more: Any) -> dict[str, Any]:
    """The configuration of one provider, whose metadata stand in that folder."""
    file = folder / "idp.xml"
    file.write_text(metadata(*(pairs or (pair(IDP_KEY),))))
    return {"idps": {"corp": {"metadata_file": str(file)}}, "roles": ["role"], **own_key(), **more}


def own_key() -> dict[str, str]:
    """The key of the service."""
    return {"private_key": "sp_key", "certificate": pair(SP_KEY).certificate}


def mock(plugins: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A mock with a path for each plugin that tells the caller who they are."""
    return {
        "version": 1,
        "dev": True,
        "plugins": {name: {"use": "auth-saml", "config": each} for name, each in plugins.items()},
        "secrets": {"sp_key": {"value": pair(SP_KEY).key}},
        "protect": [{"path": f"/{name}-me", "auth": [name]} for name in plugins],
        "templates": {"inline": {"me.json": "{{ {'principal': request.principal, 'claims': request.claims} | tojson }}"}},
        "routes": [
            *({"match": {"path": f"/{name}-me"}, "response": {"template": "me.json"}} for name in plugins),
            {"match": {"path": "/open"}, "response": {"text": "open"}},
        ],
        **more,
    }


@contextmanager
def serving(folder: Path, plugins: dict[str, dict[str, Any]], **more: Any) -> Iterator[Mock]:
    """The mock, served by a process of its own."""
    file = folder / "mockforge.yaml"
    file.write_text(json.dumps(mock(plugins, **more)))
    with served(file) as server:
        yield Mock(server)


@dataclass(frozen=True, slots=True)
class Mock:
    """A served mock."""

    server: Running

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.port}"

    def url(self, name: str, plugin: str = "saml") -> str:
        """The address of an endpoint."""
        return f"{self.base}/{plugin}/{name}"

    def browser(self) -> httpx.Client:
        """Keeps cookies and follows nothing."""
        closing = httpx.Limits(max_keepalive_connections=0)  # nobody closes it
        return httpx.Client(base_url=self.base, headers={"accept": "text/html"}, trust_env=False, timeout=30, limits=closing)

    def begin(self, plugin: str = "saml") -> Begun:
        """A login that a browser begins at the page that it wanted."""
        browser = self.browser()
        return self.begun(browser, browser.get(f"/{plugin}-me"), plugin)

    def begun(self, browser: httpx.Client, answer: httpx.Response, plugin: str = "saml") -> Begun:
        """A login that the browser has begun, by the answer that sends it to the provider."""
        made = Begun(self, plugin, browser)
        made.take(answer)
        return made

    def reason(self, plugin: str, seen: int) -> str:
        """Why the last message was refused, as the log has it; `seen`: how many lines there were before."""
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            for line in self.server.lines[seen:]:
                found = _SAID.search(line)
                if found is not None and plugin in (found[1], found[3]):
                    return found[2] or found[4]
            time.sleep(0.005)
        raise AssertionError(f"nothing was refused: {self.server.output[-3000:]}")


@dataclass(slots=True)
class Begun:
    """A login under way: a browser, and the request that the provider is to answer."""

    mock: Mock
    plugin: str
    browser: httpx.Client
    request: str = ""
    request_id: str = ""
    state: str = ""

    def take(self, answer: httpx.Response) -> None:
        """The request, from a redirect or a form."""
        if answer.status_code == 302:
            query = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
            self.request = zlib.decompress(b64decode(query["SAMLRequest"]), -15).decode()
        else:
            query = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', answer.text)}
            self.request = b64decode(query["SAMLRequest"]).decode()
        found = re.search(r'ID="([^"]+)"', self.request)
        assert found is not None
        self.request_id, self.state = found[1], query["RelayState"]

    def login(self, **more: Any) -> Login:
        """The response that is right, with an id of its own."""
        made = Login(self.mock.url("acs", self.plugin), self.mock.url("metadata", self.plugin), self.request_id)
        return made.anew(**{"assertion_id": f"_{token_hex(8)}", **more})

    def post(self, text: str | bytes, *, state: str | None = "", **headers: str) -> httpx.Response:
        """What the provider's page does: a form from another site, and so without cookies."""
        relay = self.state if state == "" else state
        form = {"SAMLResponse": encoded(text), **({} if relay is None else {"RelayState": relay})}
        with httpx.Client(trust_env=False, timeout=60) as other:
            return other.post(self.mock.url("acs", self.plugin), data=form, headers=headers)

    def arrive(self, text: str | bytes, *, state: str | None = "") -> httpx.Response:
        """Post it and follow on to the last answer before the page itself."""
        posted = self.post(text, state=state)
        return self.browser.get(posted.headers["location"]) if posted.status_code == 303 else posted

    def who(self) -> dict[str, Any] | None:
        """Whom the mock takes the browser for."""
        answer = self.browser.get(f"/{self.plugin}-me")
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        return dict(answer.json()) if answer.status_code == 200 and not is_page else None

    def refusal(self, text: str | bytes, *, state: str | None = "") -> str:
        """Why a response is refused, which the log tells and the page does not; no cookie comes of it."""
        seen = len(self.mock.server.lines)
        answer = self.arrive(text, state=state)
        assert answer.status_code == 403, (answer.status_code, answer.headers, self.mock.server.output[-2000:])
        assert "The response of the identity provider was not accepted." in answer.text
        assert "set-cookie" not in answer.headers
        return self.mock.reason(self.plugin, seen)
