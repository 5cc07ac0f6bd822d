"""`SamlProvider`: the built-in SAML identity provider on the loopback, which hands out responses without a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from mockforge_asgi.testing.server import Server

_TIMEOUT_S: Final = 30


class SamlProvider(Server):
    """The plugin `idp-saml` with that configuration, served from `start` to `stop`. `secrets` are those that it names.

    Needs the extra `saml`.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, secrets: Mapping[str, str] | None = None) -> None:
        said, known = dict(config or {}), dict(secrets or {})
        plugin = {"use": "idp-saml", "config": said}
        super().__init__({"version": 1, "plugins": {"idp": plugin}, "secrets": {name: {"value": value} for name, value in known.items()}})
        self._said = said
        self._passwords = {user["id"]: known[user["password"]] for user in said.get("users", ()) if user.get("password") in known}
        self._opener = build_opener(ProxyHandler({}))  # what is asked is on this machine

    @property
    def entity_id(self) -> str:
        """The issuer of its assertions."""
        return str(self._said.get("entity_id") or self.metadata_url)

    @property
    def metadata_url(self) -> str:
        """Where its metadata is."""
        return f"{self._base}/metadata"

    @property
    def sso_url(self) -> str:
        """Where service providers send browsers to log in."""
        return f"{self._base}/sso"

    @property
    def slo_url(self) -> str:
        """Where they send them to log out."""
        return f"{self._base}/slo"

    @property
    def _base(self) -> str:
        return str(self._said.get("public_url") or f"{self.url}/idp")

    def metadata(self) -> str:
        """What a service provider has to know of it."""
        with self._opener.open(f"{self.url}/idp/metadata", timeout=_TIMEOUT_S) as answer:
            return str(answer.read().decode())

    def response(
        self,
        user: str = "ada",
        *,
        acs: str,
        audience: str,
        in_response_to: str | None = None,
        relay_state: str | None = None,
        defect: str | None = None,
    ) -> str:
        """A `SAMLResponse` about that user, in base64, as it is sent to `acs` for the service provider `audience`; as bad as `defect` says.

        Raises RuntimeError for what the provider refuses, in its words.
        """
        form = {"sp": audience, "acs": acs, "in_response_to": in_response_to, "RelayState": relay_state}
        return self._asked(f"{self.url}/idp/login", user, defect, self._passwords.get(user), form)["SAMLResponse"]

    def log_in(self, url: str, user: str = "ada", *, defect: str | None = None, password: str | None = None) -> dict[str, str]:
        """What a browser would bring back from `url`, to which a service provider has sent it: the fields `SAMLResponse` and `RelayState`.

        Raises RuntimeError for what the provider refuses, in its words.
        """
        found = self._asked(url, user, defect, self._passwords.get(user) if password is None else password, {})
        return {name: found[name] for name in ("SAMLResponse", "RelayState") if name in found}

    def _asked(self, url: str, user: str, defect: str | None, password: str | None, form: Mapping[str, str | None]) -> dict[str, str]:
        fields = {"user": user, "defect": defect, "password": password, **form}
        body = urlencode({name: value for name, value in fields.items() if value is not None}).encode()
        try:
            with self._opener.open(Request(url, body, {"accept": "application/json"}), timeout=_TIMEOUT_S) as answer:
                found: dict[str, str] = json.load(answer)
                return found
        except HTTPError as error:
            with error:
                raise RuntimeError(f"the provider refuses it: {_words(error.read())}") from None


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:500].decode(errors="replace")
