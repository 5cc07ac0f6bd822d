"""A plugin's response document made into an answer: shapes checked, headers cleaned.

What a guest gives is hostile until it has passed here. Which template names it may use is for `templates/` to say.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error

from mockforge_asgi.http.answers import MockResponse, TemplateAnswer
from mockforge_asgi.http.headers import guest_headers
from mockforge_asgi.types import Json
from mockforge_plugin.values import Response


class BadAnswer(ValueError):
    """A response document that is not one; the message names the field."""


Answer = MockResponse | TemplateAnswer


def answer_of(document: Json, *, granted: frozenset[str] = frozenset(), kept: bytes | None = None) -> tuple[Answer, tuple[str, ...]]:
    """The answer that a response document describes, and the restricted headers that were left out for want of a grant.

    `kept` is the body being modified: `{"available": n}` leaves it as it is. Raises BadAnswer and BadHeader (both ValueError).
    """
    if not isinstance(document, dict):
        raise BadAnswer(f"a response must be an object, not {type(document).__name__}")
    headers, denied = guest_headers(_header_pairs(document.get("headers", [])), granted)
    status = checked_status(document.get("status", 200))
    template = document.get("template")
    if template is None:
        return MockResponse(status, headers, _body_of(document.get("body"), kept)), denied
    variables = document.get("vars") or {}
    if not isinstance(template, str) or not isinstance(variables, dict):
        raise BadAnswer("`template` must be a string and `vars` an object")
    return TemplateAnswer(status, headers, template, variables), denied


def answer_of_value(response: Response, *, granted: frozenset[str] = frozenset()) -> tuple[Answer, tuple[str, ...]]:
    """The same for the author's `Response` value. Raises BadAnswer and BadHeader."""
    headers, denied = guest_headers(response.headers, granted)
    status = checked_status(response.status)
    if response.template is None:
        body = response.body if isinstance(response.body, bytes) else response.body.data
        if body is None:
            raise BadAnswer("the body is not there: only a modifier may leave it at the host")
        return MockResponse(status, headers, body), denied
    return TemplateAnswer(status, headers, response.template, response.vars), denied


def checked_status(status: object) -> int:
    """A status that can end an exchange. Raises BadAnswer."""
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise BadAnswer(f"status {status!r} is not a whole number from 200 to 599")
    return status


def _body_of(body: Json, kept: bytes | None) -> bytes:
    if body is None:
        return b""
    if kept is not None and isinstance(body, dict) and "available" in body:
        return kept
    if isinstance(body, dict):
        text, base64 = body.get("text"), body.get("base64")
        if isinstance(text, str) and base64 is None:
            return text.encode("utf-8", "replace")
        if isinstance(base64, str) and text is None:
            try:
                return b64decode(base64, validate=True)
            except (Base64Error, ValueError):
                raise BadAnswer("`body.base64` is not base64 (RFC 4648 §4)") from None
    raise BadAnswer('`body` must be {"text": …} or {"base64": …}')


def _header_pairs(items: Json) -> list[tuple[str, str]]:
    if not isinstance(items, list):
        raise BadAnswer("`headers` must be a list of [name, value] pairs")
    for item in items:
        if not (isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], str)):
            raise BadAnswer("`headers` must be a list of [name, value] pairs of strings")
    return [(name, value) for name, value in items]
