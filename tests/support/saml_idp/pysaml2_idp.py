"""A SAML identity provider by pysaml2 and xmlsec1, on the loopback: the same pages as server.mjs, and the same ways to tell it things."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from base64 import b64encode
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORD
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

USERS = {"ada": ["reader", "writer"], "eve": ["reader"]}
BINDINGS = {"GET": BINDING_HTTP_REDIRECT, "POST": BINDING_HTTP_POST}


SHA256 = {"sign_alg": SIG_RSA_SHA256, "digest_alg": DIGEST_SHA256}
"""Its own default is SHA-1."""


class Provider:
    """The provider: its configuration, anew for each service that it is told of, and who is logged in."""

    def __init__(self, base: str, key: str, cert: str, folder: Path) -> None:
        self.base, self.folder, self.logins, self.services = base, folder, dict[str, str](), dict[str, dict[str, Any]]()
        for name, text in (("key.pem", key), ("cert.pem", cert)):
            (folder / name).write_text(text)
        self.server = self._made()

    def _made(self) -> Any:
        places = {
            "single_sign_on_service": [(f"{self.base}/sso", BINDING_HTTP_REDIRECT), (f"{self.base}/sso", BINDING_HTTP_POST)],
            "single_logout_service": [(f"{self.base}/slo", BINDING_HTTP_REDIRECT), (f"{self.base}/slo", BINDING_HTTP_POST)],
        }
        config = IdPConfig().load(
            {
                "entityid": f"{self.base}/metadata",
                "xmlsec_binary": "/usr/bin/xmlsec1",
                "key_file": str(self.folder / "key.pem"),
                "cert_file": str(self.folder / "cert.pem"),
                "metadata": {"inline": [each["metadata"] for each in self.services.values()]},
                "service": {
                    "idp": {
                        "endpoints": places,
                        "want_authn_requests_signed": any(each.get("signed") for each in self.services.values()),
                        "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}},
                        "name_id_format": [NAMEID_FORMAT_PERSISTENT],
                    }
                },
            }
        )
        return Server(config=config)

    def metadata(self) -> bytes:
        """What it says of itself."""
        return str(entity_descriptor(self.server.config)).encode()

    def add(self, service: dict[str, Any]) -> None:
        """A service that may use it, by its metadata."""
        self.services[service["entityId"]] = service
        self.server = self._made()

    def answer(self, said: dict[str, str], binding: str, user: str) -> str:
        """A page that posts the response to the service."""
        if "SAMLRequest" not in said:
            service = said["service"]
            args = {"in_response_to": None, "destination": self.services[service]["acs"], "sp_entity_id": service}
        else:
            signed = {"relay_state": said.get("RelayState"), "sigalg": said.get("SigAlg"), "signature": said.get("Signature")}
            parsed = self.server.parse_authn_request(said["SAMLRequest"], binding, **signed)
            args = self.server.response_args(parsed.message, [BINDING_HTTP_POST])
            args = {k: args[k] for k in ("in_response_to", "destination", "sp_entity_id", "name_id_policy") if k in args}
        told = self.services[args["sp_entity_id"]]
        identity = {"mail": f"{user}@example.org", "displayName": user.upper(), "eduPersonAffiliation": USERS[user]}
        response = self.server.create_authn_response(
            identity, userid=user, authn={"class_ref": PASSWORD, "authn_auth": self.base}, sign_assertion=told.get("signAssertion", True),
            sign_response=told.get("signResponse", False), encrypt_assertion=told.get("encrypted", False), **SHA256, **args,
        )  # fmt: skip
        return posting(
            args["destination"], {"SAMLResponse": b64encode(str(response).encode()).decode(), "RelayState": said.get("RelayState", "")}
        )


def posting(url: str, fields: dict[str, str]) -> str:
    """A page whose form sends itself."""
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    return f'<form method="post" action="{escape(url)}">{hidden}</form><script>document.forms[0].submit()</script>'


class Handler(BaseHTTPRequestHandler):
    """One request; one at a time, since pysaml2 is not made for several."""

    provider: Provider
    turn = threading.Lock()

    def do_GET(self) -> None:
        """Any page."""
        with self.turn:
            self._serve(dict(self._first(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        """A form, or what it is told."""
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        with self.turn:
            if self.path == "/__service":
                self.provider.add(json.loads(body))
                return self._send(200, "{}")
            self._serve({**self._first(urlsplit(self.path).query), **self._first(body)})

    def _serve(self, said: dict[str, str]) -> None:
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        cookie = self.headers.get("cookie") or ""
        user = next((u for id, u in self.provider.logins.items() if f"idp={id}" in cookie), None)
        if path == "/metadata":
            return self._send(200, self.provider.metadata().decode(), kind="application/samlmetadata+xml")
        if path == "/password":
            if said.get("user") not in USERS or said.get("password") != said["user"][::-1]:
                return self._send(403, "Wrong")
            id = uuid4().hex
            self.provider.logins[id] = said["user"]
            return self._send(303, "", location=f"/sso?{query}", set_cookie=f"idp={id}; HttpOnly; SameSite=Lax; Path=/")
        if path == "/sso" and user is None:
            fields = '<input name="user"><input name="password" type="password"><button>Log in</button>'
            kept = query or urlencode({k: said[k] for k in ("SAMLRequest", "RelayState", "service") if k in said} | {"posted": "1"})
            return self._send(
                200, f'<!doctype html><title>Log in</title><form method="post" action="/password?{escape(kept)}">{fields}</form>'
            )
        if path == "/sso":
            binding = BINDING_HTTP_POST if self.command == "POST" or "posted" in said else BINDING_HTTP_REDIRECT
            assert user is not None
            return self._send(200, self.provider.answer(said, binding, user))
        if path == "/slo" and "SAMLRequest" in said:
            return self._logout(said)
        if path == "/slo" and "SAMLResponse" in said:
            found = self.provider.server.parse_logout_request_response(said["SAMLResponse"], BINDINGS[self.command])
            return self._send(200, f"logged out everywhere: {found.status_ok()}")
        if path == "/logout":
            return self._begin_logout(said["service"], said["user"])
        self._send(404, "no such page")

    def _logout(self, said: dict[str, str]) -> None:
        """A service tells that somebody has logged out."""
        server, binding = self.provider.server, BINDINGS[self.command]
        parsed = server.parse_logout_request(
            said["SAMLRequest"], binding, relay_state=said.get("RelayState"), sigalg=said.get("SigAlg"), signature=said.get("Signature")
        )
        sender = parsed.message.issuer.text
        response = server.create_logout_response(parsed.message, [BINDING_HTTP_REDIRECT], sign=False)
        place = server.response_args(parsed.message, [BINDING_HTTP_REDIRECT])["destination"]
        self.provider.logins.clear()
        sent = server.apply_binding(
            BINDING_HTTP_REDIRECT, str(response), place, said.get("RelayState", ""), response=True, sign=True, sigalg=SIG_RSA_SHA256,
        )  # fmt: skip
        self._send(303, f"{sender} is logged out", location=dict(sent["headers"])["Location"])

    def _begin_logout(self, service: str, user: str) -> None:
        """Log somebody out of a service, by a form that is posted."""
        server = self.provider.server
        name_id = server.ident.find_nameid(user, sp_name_qualifier=service)[0]
        place = self.provider.services[service]["slo"]
        _, request = server.create_logout_request(place, service, name_id=name_id, sign=True, **SHA256)
        self._send(200, posting(place, {"SAMLRequest": b64encode(str(request).encode()).decode(), "RelayState": "from-the-provider"}))

    @staticmethod
    def _first(text: str) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}

    def _send(self, status: int, body: str, *, kind: str = "text/html; charset=utf-8", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body.encode())), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main() -> None:
    """Serve until the standard input ends."""
    told = json.loads(sys.stdin.readline())
    listening = ThreadingHTTPServer(("127.0.0.1", told.get("port", 0)), Handler)
    base = f"http://127.0.0.1:{listening.server_port}"
    with tempfile.TemporaryDirectory() as folder:
        Handler.provider = Provider(base, told["key"], told["cert"], Path(folder))
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        print(json.dumps({"base": base, "issuer": f"{base}/metadata"}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
