"""Authorization requests (RFC 6749 §4.1.1, OIDC Core §3.1.2, RFC 7636): read and checked, and the answers that browsers take back."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from mockforge_plugin import Response

from .defects import AS_USUAL, Behaviour, behaviour_problems
from .oauth import NO_STORE, Form, OAuthError
from .settings import LOOPBACK, Client

PARAMETERS: Final = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
    "prompt", "max_age", "login_hint", "audience", "resource", "defect", "error", "delay_ms",
)  # fmt: skip
"""What the login page takes along."""
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,200}")
_PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})


class BadAddressee(Exception):
    """A request whose answer nobody can be sent to: the client is unknown, or the address is not one of its own."""


@dataclass(frozen=True, slots=True)
class Return:
    """Where a browser is sent back to, and what it takes along in any case."""

    uri: str
    issuer: str
    state: str | None = None

    @classmethod
    def of(cls, form: Form, client: Client, issuer: str) -> Return:
        """That of a request. Raises BadAddressee."""
        listed = [uri for uri in client.redirect_uris if uri != LOOPBACK]
        uri = form.get("redirect_uri") or (listed[0] if len(client.redirect_uris) == 1 and listed else None)
        if uri is None:
            raise BadAddressee("The parameter redirect_uri is missing.")
        if not client.may_return_to(uri):
            known = ", ".join("any on this machine (loopback)" if known == LOOPBACK else known for known in client.redirect_uris)
            raise BadAddressee(f"The address {uri} is not one of the client {client.id}. Its redirect_uris are: {known}.")
        return cls(uri, issuer, form.get("state"))

    def response(self, behaviour: Behaviour, **parameters: str) -> Response:
        """The way back, with these parameters; RFC 9207 adds the issuer."""
        said = {**parameters, "iss": self.issuer}
        if self.state is not None and behaviour.defect != "missing-state":
            said["state"] = f"wrong-{self.state}" if behaviour.defect == "wrong-state" else self.state
        if behaviour.defect == "wrong-iss-parameter":
            said["iss"] = "https://wrong-issuer.example"
        return Response.redirect(f"{self.uri}{'&' if '?' in self.uri else '?'}{urlencode(said)}", 303, NO_STORE)

    def error(self, error: OAuthError, behaviour: Behaviour = AS_USUAL) -> Response:
        """The way back with an error (RFC 6749 §4.1.2.1)."""
        return self.response(behaviour, error=error.code, error_description=error.description)


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a client asks for."""

    client: Client
    back: Return
    scopes: tuple[str, ...]
    challenge: str | None = None
    nonce: str | None = None
    prompts: frozenset[str] = frozenset()
    max_age_s: int | None = None
    login_hint: str | None = None
    audience: str | None = None
    behaviour: Behaviour = AS_USUAL
    """What the request itself wants to be wrong."""

    @classmethod
    def of(cls, form: Form, client: Client, back: Return, allowed: Collection[str] | None) -> Authorization:
        """That of a request; `allowed` are the scopes that there are, None for all. Raises OAuthError, which goes `back`."""
        for name in ("request", "request_uri", "registration"):
            if name in form:
                raise OAuthError(f"{name}_not_supported", f"the parameter {name} is not supported")
        if form.needed("response_type") != "code":
            raise OAuthError("unsupported_response_type", "only the response type code is supported")
        if form.get("response_mode", "query") != "query":
            raise OAuthError("invalid_request", "only the response mode query is supported")
        prompts = frozenset(form.words("prompt"))
        if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
            raise OAuthError("invalid_request", "the prompt is unknown, or none beside another")
        max_age = form.get("max_age")
        if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):
            raise OAuthError("invalid_request", "max_age is not a number of seconds")
        made = cls(client, back, granted_scopes(form, client, allowed), _challenge(form, client), form.get("nonce"), prompts)
        return replace(
            made,
            max_age_s=None if max_age is None else int(max_age),
            login_hint=form.get("login_hint"),
            audience=form.get("resource") or form.get("audience"),
            behaviour=behaviour_of(form),
        )


def behaviour_of(form: Form) -> Behaviour:
    """What a request wants to be wrong. Raises OAuthError."""
    for _, words in behaviour_problems(form):
        raise OAuthError("invalid_request", words)
    return Behaviour.of(form)


def granted_scopes(form: Form, client: Client, allowed: Collection[str] | None) -> tuple[str, ...]:
    """The scopes of a request. Raises OAuthError for one that is none, or not for this client."""
    asked = form.words("scope")
    for scope in asked:
        if not _SCOPE.fullmatch(scope) or len(asked) > 100:
            raise OAuthError("invalid_scope", "the scope has characters or a length that no scope has")
        if (allowed is not None and scope not in allowed) or (client.scopes is not None and scope not in client.scopes):
            raise OAuthError("invalid_scope", f"the scope {scope} is not there for this client")
    return asked


def _challenge(form: Form, client: Client) -> str | None:
    challenge = form.get("code_challenge")
    if challenge is None:
        if client.needs_pkce or "code_challenge_method" in form:
            raise OAuthError("invalid_request", "the parameter code_challenge is missing (PKCE, RFC 7636)")
        return None
    if form.get("code_challenge_method", "plain") != "S256":
        raise OAuthError("invalid_request", "the code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "the code_challenge is not a SHA-256 digest as base64url")
    return challenge
