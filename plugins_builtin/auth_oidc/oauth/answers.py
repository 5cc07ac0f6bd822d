"""What a provider answers, read strictly: whole, bounded, and as JSON or a form.

The same file stands in every built-in plugin that logs in by OAuth; a test keeps them alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from mockforge_plugin import HostError, HttpAnswer, Json, http

from ..tokens.provider import Unavailable
from ..tokens.strict_json import NotStrict, read_object

MAX_BYTES: Final = 64 * 1024
MAX_LIST_BYTES: Final = 256 * 1024
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FORM: Final = "application/x-www-form-urlencoded"


class GrantRefused(Exception):
    """The provider does not give tokens for what it was shown (RFC 6749 §5.2); `code` is its word for why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


async def get(url: str, *, headers: Mapping[str, str], timeout_ms: int) -> HttpAnswer:
    """What is there. Raises Unavailable."""
    try:
        return await http.get(url, headers=headers, timeout_ms=timeout_ms)
    except HostError as error:
        raise Unavailable.after(error) from None


async def post(url: str, *, headers: Mapping[str, str], body: str, timeout_ms: int) -> HttpAnswer:
    """The answer to a form. Raises Unavailable."""
    try:
        return await http.post(url, headers=headers, body=body, timeout_ms=timeout_ms)
    except HostError as error:
        raise Unavailable.after(error) from None


def error_code(value: Json) -> str:
    """A provider's `error`, as far as it may be shown and logged; never its description."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else "unknown"


def object_of(answer: HttpAnswer, what: str, *, forms: bool = False, most: int = MAX_BYTES) -> dict[str, Json]:
    """The JSON object that an answer is, or, with `forms`, the fields of a form. Raises Unavailable."""
    if len(answer.body) > most:
        raise Unavailable.badly(f"{what}: the answer is longer than {most} bytes")
    kind = (answer.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if forms and kind == _FORM:
        return _form(answer.body, what)
    if kind != "application/json" and not kind.endswith("+json"):
        raise Unavailable.badly(f"{what}: the answer ({answer.status}) is not application/json")
    try:
        return read_object(answer.body)
    except NotStrict as error:
        raise Unavailable.badly(f"{what}: the answer is refused: {error}") from None


def list_of(answer: HttpAnswer, what: str) -> list[Json]:
    """The JSON list that an answer is. Raises Unavailable."""
    whole = HttpAnswer(answer.status, answer.headers, b'{"list":' + answer.body + b"}")
    found = object_of(whole, what, most=MAX_LIST_BYTES)
    if found.keys() != {"list"} or not isinstance(found["list"], list):
        raise Unavailable.badly(f"{what}: the answer is not a list")
    return found["list"]


def tokens_of(answer: HttpAnswer, *, forms: bool = False) -> dict[str, Json]:
    """What the token endpoint gives: a bearer token at least. Raises GrantRefused, Unavailable.

    `forms`: it may answer with a form, and tell of errors with status 200, as GitHub does.
    """
    what = "token endpoint"
    if answer.status >= 500:
        raise Unavailable.badly(f"{what}: it answered {answer.status}")
    said = object_of(answer, what, forms=forms)
    if "error" in said and (forms or answer.status != 200):
        _refuse(error_code(said["error"]), answer.status)
    if answer.status != 200:
        raise Unavailable.badly(f"{what}: it answered {answer.status}")
    token, kind = said.get("access_token"), said.get("token_type")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise Unavailable.badly(f"{what}: the answer has no access token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Unavailable.badly(f"{what}: the access token is not a bearer token")
    return said


def _refuse(code: str, status: int) -> None:
    if code in ("invalid_client", "unauthorized_client", "incorrect_client_credentials", "redirect_uri_mismatch"):
        raise Unavailable.badly(
            f"token endpoint: {code} ({status}): it does not take client_id, client_secret or public_url as they are configured here"
        )
    raise GrantRefused(code)


def _form(data: bytes, what: str) -> dict[str, Json]:
    try:
        pairs = parse_qsl(data.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Unavailable.badly(f"{what}: the answer cannot be read as a form") from None
    if len(dict(pairs)) != len(pairs):
        raise Unavailable.badly(f"{what}: the answer has the same name twice")
    return dict(pairs)
