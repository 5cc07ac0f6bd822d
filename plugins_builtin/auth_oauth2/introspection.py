"""Questions to the provider about tokens (RFC 7662): how they are asked, and what its answers are taken for.

A provider that does not answer is left alone for a moment, so that requests do not queue for it. One that answers badly is not: with a
token that it, or what stands before it, chokes on, anybody could keep everybody out.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus, urlencode

from mockforge_plugin import HostError, HttpAnswer, Json, http, log

from .provider import Unavailable
from .strict_json import NotStrict, read_object

_MAX_BYTES: Final = 24 * 1024
"""Of an answer: its claims go into the documents of other plugins."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom the provider is asked."""

    url: str
    client_id: str
    client_secret: str
    method: str = "basic"
    hint: str | None = None
    timeout_ms: int = 3000

    @property
    def headers(self) -> dict[str, str]:
        """Those of a question; name and secret are encoded before they are joined (RFC 6749 §2.3.1)."""
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        if self.method == "basic":
            joined = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["authorization"] = f"Basic {b64encode(joined.encode()).decode()}"
        return headers

    def form(self, token: str) -> str:
        """The body of a question."""
        fields = {"token": token}
        if self.hint:
            fields["token_type_hint"] = self.hint
        if self.method == "post":
            fields |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return urlencode(fields)


class Introspector:
    """Asks one provider."""

    def __init__(self, endpoint: Endpoint, *, rest_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.endpoint, self.rest_s, self._clock = endpoint, rest_s, clock
        self._headers = endpoint.headers
        self._failure: Unavailable | None = None
        self._rests_until = self._silent_until = float("-inf")

    @property
    def is_well(self) -> bool:
        """Whether the last question was answered."""
        return self._failure is None

    async def ask(self, token: str) -> dict[str, Json] | None:
        """What the provider says of a token; None: it is not active. Raises Unavailable."""
        if self._failure is not None and self._clock() < self._rests_until:
            raise self._failure.anew()
        try:
            answer = await http.post(
                self.endpoint.url, headers=self._headers, body=self.endpoint.form(token), timeout_ms=self.endpoint.timeout_ms
            )
            said = _read(answer)
        except HostError as error:
            raise self._failed(Unavailable.after(error)) from None
        except _BadAnswer as error:
            raise self._failed(Unavailable.badly(str(error))) from None
        self._failure = None
        return said if said["active"] else None

    def _failed(self, failure: Unavailable) -> Unavailable:
        self._failure, now_s = failure, self._clock()
        if failure.status == 503:
            self._rests_until = now_s + self.rest_s
        if now_s >= self._silent_until:
            self._silent_until = now_s + self.rest_s
            log.warning(f"{self.endpoint.url}: {failure.why}")
        return failure.anew()


class _BadAnswer(ValueError):
    """What is wrong with an answer, in words for the operator."""


def _read(answer: HttpAnswer) -> dict[str, Json]:
    """The object that the answer is. Raises _BadAnswer."""
    if answer.status in (401, 403):
        raise _BadAnswer(f"it answered {answer.status}: it does not take client_id and client_secret, or client_auth is another")
    if answer.status != 200:
        raise _BadAnswer(f"it answered {answer.status}")
    kind = (answer.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind == "application/token-introspection+jwt":
        raise _BadAnswer("it answered with a signed token (RFC 9701), which is not supported: have it answer application/json")
    if kind != "application/json":
        raise _BadAnswer("its answer is not application/json")
    if len(answer.body) > _MAX_BYTES:
        raise _BadAnswer(f"its answer is longer than {_MAX_BYTES} bytes")
    try:
        said = read_object(answer.body)
    except NotStrict as error:
        raise _BadAnswer(f"its answer is refused: {error}") from None
    if type(said.get("active")) is not bool:
        raise _BadAnswer("its answer does not say `active`, as true or false")
    return said
