"""MockResponse and TemplateResponse: what responders and plugins respond with, and how it is sent.

The only sender of ASGI response messages that are ours. Content-Length and framing are always ours; HEAD, 204, 205 and 304 carry no body
(RFC 9110 §9.3.2, §15.3.5, §15.4.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar, dataclass_transform, final

from mockforge_asgi.exact_json import dumps
from mockforge_asgi.http.headers import wire_headers, with_headers
from mockforge_asgi.types import Headers, Json, Message, Send

TEMPLATE_EXTENSION: Final = "mockforge.template"
"""The ASGI extension, and the message type, by which a response asks a `TemplateMiddleware` around it to be rendered."""

ALLOW_ORIGIN: Final = b"access-control-allow-origin"
"""The header that says which pages may read a response; one that carries it is not given another."""

BODILESS: Final = frozenset({204, 205, 304})
"""Statuses of responses without a body."""

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _value(cls: type[T]) -> type[T]:
    """Frozen for the type checker only: at run time it takes a third of the time to make one, and each request makes some."""
    return dataclass(slots=True)(cls)


@final
@_value
class MockResponse:
    """A whole response. Made once, it may be sent any number of times."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    length: int | None = None
    """What Content-Length says, where it is not the length of the body: in responses to HEAD."""
    _wire: Headers | None = field(default=None, init=False, repr=False, compare=False)
    _with_extra: tuple[Headers, Headers] | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]] = (), body: bytes = b"") -> MockResponse:
        """A response from text headers. Raises BadHeader."""
        return cls(status, wire_headers(headers), body)

    @classmethod
    def json(cls, value: Json, status: int = 200, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> MockResponse:
        """A response of `application/json`."""
        return cls(status, ((b"content-type", b"application/json"), *wire_headers(headers)), dumps(value))

    @classmethod
    def text(cls, text: str, status: int = 200, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> MockResponse:
        """A response of `text/plain; charset=utf-8`."""
        return cls(status, ((b"content-type", b"text/plain; charset=utf-8"), *wire_headers(headers)), text.encode())

    @classmethod
    def checked(cls, status: int, headers: Headers, body: bytes, length: int | None = None) -> MockResponse:
        """A response whose headers are as `wire_headers` and the readers of plugins' results give them: they are not looked at again."""
        made = cls(status, headers, body, length)
        if 200 <= status <= 599:
            object.__setattr__(made, "_wire", made._framed(headers))
        return made

    def adding(self, extra: Headers) -> MockResponse:
        """The same response with those headers set too."""
        return replace(self, headers=tuple(with_headers(self.headers, extra))) if extra else self

    @property
    def wire(self) -> Headers:
        """The headers as sent, Content-Length included; checked once. Raises BadHeader, and ValueError for a status nobody can send."""
        if self._wire is None:
            if not 200 <= self.status <= 599:
                raise ValueError(f"status {self.status} cannot be sent: a final response has 200 to 599")
            headers = self._framed(wire_headers(self.headers))
            object.__setattr__(self, "_wire", headers)
            return headers
        return self._wire

    def _framed(self, headers: Headers) -> Headers:
        """Those headers with that of the length, if it is to have one."""
        length, status = self.length, self.status
        if length is None:
            if status in BODILESS:
                return (*headers, (b"content-length", b"0")) if status == 205 else headers
            length = len(self.body)
        return (*headers, (b"content-length", b"%d" % length))

    def wire_with(self, extra: Headers) -> Headers:
        """The same with the CORS headers `extra`, unless it says itself which pages may read it; kept for the next with the very same."""
        kept = self._with_extra
        if kept is not None and kept[0] is extra:
            return kept[1]
        headers = self._wire or self.wire
        for name, _ in headers:
            if name == ALLOW_ORIGIN:
                break
        else:
            headers = (*headers, *extra)
        object.__setattr__(self, "_with_extra", (extra, headers))
        return headers

    async def send(self, send: Send, head: bool = False, extra: Headers = ()) -> None:
        """Send it over HTTP; `head` leaves the body out (the response to a HEAD request), `extra` are headers of CORS."""
        headers = self.wire_with(extra) if extra else self._wire or self.wire
        await send({"type": "http.response.start", "status": self.status, "headers": list(headers)})
        body = b"" if head or self.status in BODILESS else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def send_denial(self, send: Send) -> None:
        """Send it as the denial response of a websocket handshake (ASGI extension `websocket.http.response`)."""
        await send({"type": "websocket.http.response.start", "status": self.status, "headers": list(self.wire)})
        await send({"type": "websocket.http.response.body", "body": self.body, "more_body": False})


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response of the wrapped app whose body is streamed past us: only its head can be changed."""

    status: int
    headers: Headers
    is_bodiless: bool = False
    """Whether no body follows, as for a HEAD request."""
    has_new_body: bool = False
    """Whether the body that does not follow would be another one: what its headers say of the length no longer holds."""


@_value
class TemplateResponse:
    """A response whose body the host renders from the operator's template of that name, and headers from those of `header_templates`."""

    status: int = 200
    headers: Headers = ()
    template: str = ""
    vars: Mapping[str, Json] = field(default_factory=dict)
    header_templates: tuple[tuple[str, str], ...] = ()
    """Names of headers with the names of their templates."""
    body: bytes | None = None
    """The body, where only headers are rendered."""
    length: int | None = None
    """As a MockResponse has it."""

    @property
    def message(self) -> Message:
        """The message that asks to be rendered, in the shape of an ASGI response extension."""
        message = {
            "type": TEMPLATE_EXTENSION,
            "status": self.status,
            "headers": list(self.headers),
            "name": self.template,
            "vars": dict(self.vars),
        }
        if self.header_templates:
            message |= {"header_templates": self.header_templates, "body": self.body}
        return message if self.length is None else {**message, "length": self.length}

    def adding(self, extra: Headers) -> TemplateResponse:
        """The same response with those headers set too."""
        return replace(self, headers=tuple(with_headers(self.headers, extra))) if extra else self
