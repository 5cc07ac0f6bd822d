"""Another's HTTP API: requests below one address, through the host's door, and what an answer means that is none.

No redirect leads elsewhere, no request outlives its query, and no answer's own words are passed on.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import unquote_plus, urljoin, urlsplit

from mockforge_plugin import HostError, HttpAnswer, Json, PluginError, http, now
from mockforge_plugin.engines.http.credentials import Credentials, Shown, credentials
from mockforge_plugin.engines.http.json_text import read_json

_NO_URL: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_IN_A_THREAD: Final = 128 * 1024
"""Larger bodies are read beside the event loop."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent: `target` is a path with its query, below the address of the service."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None


class Deadline:
    """When a query must have ended."""

    __slots__ = ("_until",)

    def __init__(self, timeout_ms: int | None) -> None:
        self._until = time.monotonic() + (timeout_ms or 300_000) / 1000

    def left_ms(self) -> int:
        """Milliseconds from now. Raises PluginError (`timeout`)."""
        left = int((self._until - time.monotonic()) * 1000)
        if left <= 0:
            raise PluginError("the time of the query is over", code="timeout")
        return left


class Service:
    """One service, and what it is shown."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        parts = urlsplit(config["url"])
        self._origin, self._base = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        self._headers = tuple((name.lower(), value) for name, value in config.get("headers", {}).items())
        self._credentials: Credentials = credentials(config.get("auth", {}))
        self._key_name = config.get("auth", {}).get("query", {}).get("name", "")
        self.is_well = True
        """Whether it answered when it was last asked."""

    async def send(self, request: Request, deadline: Deadline) -> HttpAnswer:
        """The answer, whatever its status but for credentials refused and redirects elsewhere. Raises PluginError."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._authorized(request, deadline)
            if answer.status not in _REDIRECTS:
                return answer
            request = self._redirected(request, answer)
        raise PluginError(f"it redirects more than {MAX_REDIRECTS} times", code="bad_data")

    def target(self, found: str, within: Request) -> str:
        """Where a link in an answer leads to, as a target. Raises PluginError where that is not below the service's address."""
        try:
            if _NO_URL.search(found):
                raise ValueError
            parts = urlsplit(urljoin(f"{self._origin}{self._base}{within.target}", found))
            query = self._without_key(parts.query)
            path = f"{parts.path}?{query}" if query else parts.path
            port = parts.port
        except ValueError:
            raise PluginError("a link in its answer is not one", code="bad_data") from None
        own = urlsplit(self._origin)
        usual = {"http": 80, "https": 443}.get(own.scheme)
        is_own = (parts.scheme, parts.hostname, port or usual) == (own.scheme, own.hostname, own.port or usual)
        is_climbing = any(segment.lower().replace("%2e", ".") in (".", "..") for segment in parts.path.split("/"))
        if not is_own or is_climbing or not path.startswith(f"{self._base}/") or parts.username is not None:
            raise PluginError("its answer leads to another address than its own", code="bad_data")
        return path[len(self._base) :]

    def _without_key(self, query: str) -> str:
        """A link's query without the secret that the server may have put back into it: a cursor is shown to clients."""
        if not self._key_name:
            return query
        return "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) != self._key_name)

    async def _authorized(self, request: Request, deadline: Deadline) -> HttpAnswer:
        shown = await self._credentials.show(deadline.left_ms())
        answer = await self._exchange(request, shown, deadline)
        if answer.status == 401 and self._credentials.forget(shown):
            answer = await self._exchange(request, await self._credentials.show(deadline.left_ms()), deadline)
        if answer.status in (401, 403, 407):
            self.is_well = False
            raise PluginError(f"it refuses our credentials ({answer.status})", code="unavailable")
        return answer

    async def _exchange(self, request: Request, shown: Shown, deadline: Deadline) -> HttpAnswer:
        mark = "&" if "?" in request.target else "?"
        url = f"{self._origin}{self._base}{request.target}{mark + shown.query if shown.query else ''}"
        own = [pair for pair in request.headers if pair[0] not in dict(shown.headers)]
        usual = {"accept": "application/json", **dict(self._headers)}
        headers = [*(pair for pair in usual.items() if pair[0] not in dict((*own, *shown.headers))), *own, *shown.headers]
        try:
            answer = await http.request(request.method, url, headers=headers, body=request.body, timeout_ms=deadline.left_ms())
        except HostError as error:
            self.is_well = False
            raise _unreached(error) from None
        self.is_well = answer.status < 500
        return answer

    def _redirected(self, request: Request, answer: HttpAnswer) -> Request:
        if request.method != "GET" and answer.status != 303:  # 303: what was asked is done, and its result is read there
            raise PluginError("it redirects what is not read only; that is not sent on", code="bad_data")
        headers = tuple(pair for pair in request.headers if pair[0] != "content-type")
        return Request("GET", self.target(answer.headers.get("location") or "", request), headers)


def check_status(answer: HttpAnswer) -> None:
    """Pass on an answer of success. Raises PluginError with what its status means for the query; its words are not told."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status == 429 or status in (502, 503, 504):
        details: dict[str, Json] = {"busy": True} if status == 429 or answer.headers.get("retry-after") else {}
        if (after_s := retry_after_s(answer.headers.get("retry-after"))) is not None:
            details["retry_after_s"] = after_s
        raise PluginError(f"it answered {status}", code="unavailable", retryable=True, details=details)
    code = {409: "conflict", 412: "conflict", 400: "invalid_input", 413: "invalid_input", 422: "invalid_input", 408: "timeout"}
    raise PluginError(f"it answered {status}", code=code.get(status, "bad_data"))


def retry_after_s(text: str | None) -> float | None:
    """The seconds of a `Retry-After`, which may be a date (RFC 9110 §10.2.3)."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now()).total_seconds())


async def json_of(answer: HttpAnswer) -> Json:
    """The body as JSON. Raises PluginError (`bad_data`)."""
    return read_json(answer) if len(answer.body) <= _IN_A_THREAD else await asyncio.to_thread(read_json, answer)


def _unreached(error: HostError) -> PluginError:
    """A request that had no answer: it was not reached, or it does not speak HTTP, or it says too much."""
    if error.code == "unavailable" and not error.retryable:
        return PluginError(error.message, code="bad_data")
    return PluginError(error.message, code=error.code, retryable=error.retryable)
