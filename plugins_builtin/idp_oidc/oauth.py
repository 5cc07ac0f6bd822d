"""Requests and errors of OAuth: parameters of a query or a form, each once and bounded; and what a client is told (RFC 6749 §5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mockforge_plugin import Request, Response

MAX_BYTES: Final = 64 * 1024
MAX_VALUE_BYTES: Final = 4000
"""The longest value that is read, but for those below."""
_LONGEST: Final = {
    **dict.fromkeys(("nonce", "scope", "audience", "resource"), 1000),  # they are kept
    "redirect_uri": 2000,
    **dict.fromkeys(("token", "id_token_hint"), MAX_BYTES),
}
_SEVERAL: Final = frozenset({"resource"})
"""Parameters that may be there several times (RFC 8707 §2)."""
_UNFIT: Final = re.compile(r"[^ -~]|[\\<>]")
"""What a description may not have (RFC 6749 §5.2), and what clients might take for a page's."""
NO_STORE: Final = (("cache-control", "no-store"), ("pragma", "no-cache"))
_STATUS: Final = {"invalid_client": 401, "temporarily_unavailable": 503, "server_error": 500}


class OAuthError(Exception):
    """An error code of OAuth with a description, in the characters that RFC 6749 leaves for it."""

    def __init__(self, code: str, description: str, *, challenge: str | None = None, status: int | None = None) -> None:
        super().__init__(description)
        self.code, self.challenge = code, challenge
        self.description = _UNFIT.sub("?", description.replace('"', "'"))[:300]
        self.status = status or _STATUS.get(code, 400)

    @property
    def response(self) -> Response:
        """The answer of an endpoint that clients call."""
        challenge = () if self.challenge is None else (("www-authenticate", self.challenge),)
        return Response.json({"error": self.code, "error_description": self.description}, self.status, (*NO_STORE, *challenge))


class Form(dict[str, str]):
    """Parameters by name, without those that are empty (RFC 6749 §3.1). Of those that may be there several times, the first."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Form:
        """Those of a query or a form. Raises OAuthError."""
        form = cls()
        for name, value in pairs:
            if len(value) > (longest := _LONGEST.get(name, MAX_VALUE_BYTES)) or len(value.encode()) > longest:
                raise OAuthError("invalid_request", f"the parameter {name[:50]} is longer than {longest} bytes")
            if not value:
                continue
            if name in form and name not in _SEVERAL:
                raise OAuthError("invalid_request", f"the parameter {name[:50]} is there twice")
            form.setdefault(name, value)
        return form

    def words(self, name: str) -> tuple[str, ...]:
        """The words of a parameter, each once."""
        return tuple(dict.fromkeys(self.get(name, "").split()))

    def needed(self, name: str) -> str:
        """A parameter that must be there. Raises OAuthError."""
        if name not in self:
            raise OAuthError("invalid_request", f"the parameter {name} is missing")
        return self[name]


async def posted(request: Request) -> Form:
    """The parameters of a POST request's body. Raises OAuthError."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "the parameters must be sent as application/x-www-form-urlencoded")
    if request.body.size > MAX_BYTES:
        raise OAuthError("invalid_request", f"the request has more than {MAX_BYTES} bytes", status=413)
    try:
        return Form.of(await request.form())
    except ValueError:
        raise OAuthError("invalid_request", "the request is not a form in UTF-8") from None


async def sent(request: Request) -> Form:
    """The parameters of a request that may be GET or POST. Raises OAuthError."""
    return await posted(request) if request.method == "POST" else Form.of(request.query)
