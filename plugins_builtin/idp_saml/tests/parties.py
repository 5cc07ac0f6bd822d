"""Service providers that we did not write, each of which logs somebody in: python3-saml, pysaml2, and node-saml and samlify of npm."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import entity_descriptor
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from mockforge_asgi.testing import Server
from plugins_builtin.idp_saml.keys import Signer
from tests.support.begun import begun
from tests.support.npm import installed
from tests.support.toolchains import missing

NODE: Final = Path(__file__).resolve().parents[3] / "tests" / "support" / "saml_sp"
XMLSEC: Final = "/usr/bin/xmlsec1"
POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_NUMBERS: Final = count(1)
JSON: Final = {"accept": "application/json"}


def browser(**more: Any) -> httpx.Client:
    """A client of HTTP that keeps cookies, as a browser would."""
    return httpx.Client(trust_env=False, timeout=30, verify=False, **more)  # http alone; a list of authorities takes long to read


@dataclass(frozen=True, slots=True)
class Idp:
    """An identity provider as a service provider is told of it."""

    base: str
    metadata: str

    @classmethod
    def at(cls, base: str) -> Idp:
        """The one below that address."""
        return cls(base, httpx.get(f"{base}/metadata", trust_env=False).raise_for_status().text)

    @property
    def parsed(self) -> dict[str, Any]:
        """As python3-saml reads it."""
        found: dict[str, Any] = OneLogin_Saml2_IdPMetadataParser.parse(self.metadata)["idp"]
        return found

    @property
    def certificates(self) -> list[str]:
        """The certificates that sign, as its metadata has them."""
        found = self.parsed
        return [found["x509cert"]] if "x509cert" in found else list(found["x509certMulti"]["signing"])


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that a service provider has begun: where it sends the browser, and the identifier of its request."""

    url: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What it made of a response: whom it let in, or why nobody."""

    name: str | None
    why: str = ""
    attributes: Mapping[str, Any] | None = None
    session: str | None = None


class Party(ABC):
    """A service provider; `signs` says what it wants signed."""

    entity_id: str
    acs: str

    @abstractmethod
    def begin(self) -> Begun:
        """Ask for a login."""

    @abstractmethod
    def take(self, response: str, begun: Begun) -> Taken:
        """Take a response, in base64."""

    def log_in(self, user: str = "ada", **form: str) -> Taken:
        """The whole of it, without a browser."""
        begun = self.begin()
        with browser() as http:
            answer = http.post(begun.url, data={"user": user, **form}, headers=JSON)
        return self.take(answer.raise_for_status().json()["SAMLResponse"], begun)


class Python3Saml(Party):
    """PyPI python3-saml, as strict as it can be."""

    def __init__(self, idp: Idp | None, signs: str, key: Signer | None, *, at: str = "http://127.0.0.1:9001") -> None:
        self.entity_id, self.acs, self._at = f"{at}/metadata", f"{at}/acs", at
        own = {} if key is None else {"x509cert": key.certificate_text, "privateKey": key.key_pem.decode()}
        post = POST
        self.settings = {
            "strict": True,
            "sp": {
                "entityId": self.entity_id, "assertionConsumerService": {"url": self.acs, "binding": post}, **own,
                "singleLogoutService": {"url": f"{at}/slo", "binding": REDIRECT},
            },
            "idp": {} if idp is None else idp.parsed,
            "security": {
                "wantAssertionsSigned": signs != "response", "wantMessagesSigned": signs != "assertion",
                "wantAssertionsEncrypted": key is not None, "rejectDeprecatedAlgorithm": True,
                "authnRequestsSigned": key is not None, "rejectUnsolicitedResponsesWithInResponseTo": True,
                "logoutRequestSigned": key is not None, "logoutResponseSigned": key is not None,
            },
        }  # fmt: skip

    @property
    def metadata(self) -> str:
        """What it tells identity providers."""
        found = OneLogin_Saml2_Settings(self.settings, sp_validation_only=True).get_sp_metadata()
        return found.decode() if isinstance(found, bytes) else str(found)

    def auth(self, path: str = "/acs", **data: Any) -> OneLogin_Saml2_Auth:
        """It, as it is for one request."""
        request = {"https": "off", "http_host": self._at.partition("//")[2], "script_name": path, "get_data": {}, "post_data": {}, **data}
        return OneLogin_Saml2_Auth(request, self.settings)

    def begin(self) -> Begun:
        """See Party."""
        auth = self.auth()
        return Begun(auth.login("/home"), auth.get_last_request_id())

    def take(self, response: str, begun: Begun) -> Taken:
        """See Party."""
        auth = self.auth(post_data={"SAMLResponse": response})
        try:
            auth.process_response(request_id=begun.request_id)
        except Exception as error:  # it raises where it should report
            return Taken(None, f"{type(error).__name__}: {error}")
        if auth.get_errors():
            return Taken(None, str(auth.get_last_error_reason()))
        return Taken(auth.get_nameid(), "", auth.get_attributes(), auth.get_session_index())


class PySaml2(Party):
    """PyPI pysaml2 with Debian's xmlsec1."""

    def __init__(self, idp: Idp | None, signs: str, key: Signer | None, folder: Path, *, at: str = "http://127.0.0.1:9002") -> None:
        if not Path(XMLSEC).exists():
            missing("needs xmlsec1")
        self.entity_id, self.acs = f"{at}/metadata", f"{at}/acs"
        own = key or Signer.make("pysaml2", datetime.now(UTC))
        pem, certificate = folder / "pysaml2.key", folder / "pysaml2.pem"
        pem.write_bytes(own.key_pem)
        certificate.write_text(own.pem.partition("-----END PRIVATE KEY-----\n")[2])
        services: dict[str, Any] = {"assertion_consumer_service": [(self.acs, BINDING_HTTP_POST)]}
        services["single_logout_service"] = [(f"{at}/slo", BINDING_HTTP_POST)]
        pair = {"key_file": str(pem), "cert_file": str(certificate)}
        self.config = SPConfig().load(
            {
                "entityid": self.entity_id,
                "xmlsec_binary": XMLSEC,
                "metadata": {"inline": [] if idp is None else [idp.metadata]},
                "service": {
                    "sp": {
                        "endpoints": services, "allow_unsolicited": False, "authn_requests_signed": key is not None,
                        "logout_requests_signed": True, "logout_responses_signed": True,
                        "signing_algorithm": SIG_RSA_SHA256, "digest_algorithm": DIGEST_SHA256,
                        "want_assertions_signed": signs != "response", "want_response_signed": signs != "assertion",
                    }
                },
                "allow_unknown_attributes": True,
                **pair,
                "encryption_keypairs": [pair] if key is not None else [],
            }
        )  # fmt: skip
        self.client = Saml2Client(config=self.config)

    @property
    def metadata(self) -> str:
        """What it tells identity providers."""
        return str(entity_descriptor(self.config))

    def begin(self) -> Begun:
        """See Party."""
        request_id, _, sent = self.client.prepare_for_negotiated_authenticate(binding=BINDING_HTTP_REDIRECT, relay_state="/home")
        return Begun(dict(sent["headers"])["Location"], request_id)

    def begin_by_form(self) -> tuple[Begun, dict[str, str]]:
        """Ask for a login by a form that is sent, and its fields."""
        request_id, _, sent = self.client.prepare_for_negotiated_authenticate(binding=BINDING_HTTP_POST, relay_state="/home")
        page = str(sent["data"])
        return Begun(page.partition('action="')[2].partition('"')[0], request_id), fields_of(page)

    def take(self, response: str, begun: Begun) -> Taken:
        """See Party."""
        try:
            found = self.client.parse_authn_request_response(response, BINDING_HTTP_POST, {begun.request_id: "/home"})
            if found is None:
                return Taken(None, "no response")
            info = found.session_info()
        except Exception as error:  # whatever it finds wrong
            return Taken(None, f"{type(error).__name__}: {error}")
        return Taken(str(info["name_id"].text), "", info["ava"], info["session_index"])


class NodeParty(Party):
    """One of the libraries of npm, in a server of its own."""

    def __init__(self, origin: str, library: str) -> None:
        self.at = f"{origin}/{library}"
        self.entity_id, self.acs = f"{self.at}/metadata", f"{self.at}/acs"

    def begin(self) -> Begun:
        """See Party; it remembers its requests itself."""
        with browser() as http:
            answer = http.get(f"{self.at}/login")
        assert answer.status_code == 302, answer.text
        return Begun(answer.headers["location"], "")

    def take(self, response: str, begun: Begun) -> Taken:
        """See Party."""
        with browser() as http:
            answer = http.post(self.acs, data={"SAMLResponse": response})
        found = answer.json()
        assert answer.status_code in (200, 403), answer.text
        return Taken(found.get("name"), found.get("error", ""), found.get("attributes"), found.get("session"))


class AuthSaml(Party):
    """Our own `auth-saml`, served; each login has a browser of its own."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.entity_id, self.acs = f"{origin}/saml/metadata", f"{origin}/saml/acs"
        self.http = browser()

    def begin(self) -> Begun:
        """See Party."""
        self.http.cookies.clear()
        answer = self.http.get(f"{self.origin}/me", headers={"accept": "text/html"})
        assert answer.status_code == 302, answer.text
        return Begun(answer.headers["location"], "")

    def take(self, response: str, begun: Begun) -> Taken:
        """See Party."""
        state = parse_qs(urlsplit(begun.url).query)["RelayState"][0]
        fields = {"SAMLResponse": response, "RelayState": state}
        answer = self.http.post(self.acs, data=fields, follow_redirects=True)
        if answer.status_code != 200:
            return Taken(None, f"{answer.status_code} {answer.text[-200:]}")
        found = answer.json()
        return Taken(found["id"], "", found["attributes"])


@contextmanager
def auth_saml(metadata_url: str, signs: str, **more: Any) -> Iterator[AuthSaml]:
    """One that wants so much signed."""
    wants = {"want_assertions_signed": signs != "response", "want_messages_signed": signs != "assertion"}
    config = {"idps": {"test": {"metadata_url": metadata_url}}, "roles": ["roles"], "name": "name", "email": "email", **wants}
    mock = {
        "version": 1,
        "dev": True,
        "plugins": {"saml": {"use": "auth-saml", "config": {**config, **more.pop("config", {})}}},
        "protect": [{"path": "/me", "auth": ["saml"]}],
        "templates": {
            "inline": {"me.json": '{"id": {{ request.principal.id | tojson }}, "attributes": {{ request.claims.attributes | tojson }}}'}
        },
        "routes": [{"match": {"path": "/me"}, "response": {"template": "me.json"}}],
        **more,
    }
    with Server(mock) as server:
        party = AuthSaml(server.url)
        with party.http:
            yield party


@dataclass(frozen=True, slots=True)
class NodeServer:
    """The server of both."""

    origin: str

    def parties(self, idp: Idp, signs: str, key: Signer | None, *, number: int | None = None) -> dict[str, NodeParty]:
        """Both, told of that identity provider; those of a number have the same addresses again."""
        own, number = key or Signer.make("node", datetime.now(UTC)), next(_NUMBERS) if number is None else number
        said = {"sso": f"{idp.base}/sso", "slo": f"{idp.base}/slo", "entity_id": idp.parsed["entityId"]}
        described = {**said, "certificates": idp.certificates, "metadata": idp.metadata}
        pair = {"key": own.key_pem.decode(), "certificate": own.pem.partition("-----END PRIVATE KEY-----\n")[2]}
        with browser() as http:
            body = {"number": number, "idp": described, "signs": signs, "encrypted": key is not None, **pair}
            http.post(f"{self.origin}/configure", json=body).raise_for_status()
        return {library: NodeParty(f"{self.origin}/{number}", library) for library in ("node-saml", "samlify")}


@contextmanager
def node_server() -> Iterator[NodeServer]:
    """One of your own."""
    with begun(["node", "server.mjs"], installed(NODE)) as (_, line):
        yield NodeServer(json.loads(line)["origin"])


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of a page's form, by name."""
    found = {}
    for tag in page.split("<input")[1:]:
        tag = tag.partition(">")[0]
        if 'name="' in tag:
            found[tag.partition('name="')[2].partition('"')[0]] = unescape(tag.partition('value="')[2].partition('"')[0])
    return found


def action_of(page: str) -> str:
    """Where a page's form goes."""
    return unescape(page.partition('action="')[2].partition('"')[0])
