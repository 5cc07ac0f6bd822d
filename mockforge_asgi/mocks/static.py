"""What a route of the configuration answers, made once at load: bytes ready to be sent, a template to render, or a plugin to ask."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mockforge_asgi.config.objects import RouteResponse
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.http.headers import BadHeader, wire_headers
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.mocks.plans import PluginPlan
from mockforge_asgi.types import Headers

MAX_FILE: Final = 64 << 20
"""The largest file a route may answer with, in bytes; it is held in memory."""


class ResponseError(ValueError):
    """A route's response cannot be made; the message says why."""


_TYPES: Final[Mapping[str, bytes]] = {
    "json": b"application/json",
    "text": b"text/plain; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "base64": b"application/octet-stream",
}


def plan_of(response: RouteResponse, *, inline_name: str = "") -> MockResponse | TemplateResponse | PluginPlan:
    """The plan a route's `response:` asks for. `inline_name` is the name its `template_text` is stored under. Raises ResponseError."""
    if response.kind == "plugin":
        return PluginPlan(str(response.value))
    try:
        headers = wire_headers(response.headers)
        if response.kind in ("template", "template_text"):
            name = inline_name if response.kind == "template_text" else str(response.value)
            MediaType.among(headers).encode("")
            return TemplateResponse(response.status, headers, name, dict(response.vars), length=_length(response))
        if response.kind == "empty":
            ready = MockResponse(response.status, headers, b"", _length(response))
        else:
            body, media_type = _body(response, MediaType.among(headers))
            ready = MockResponse(response.status, _typed(headers, media_type), body, _length(response))
        # Checks status and headers now, so that no request is the first to find out.
        _ = ready.wire
    except (BadHeader, ValueError) as error:
        raise ResponseError(str(error)) from None
    return ready


def _length(response: RouteResponse) -> int | None:
    return next((int(value) for name, value in response.headers if name == "content-length"), None)


def _typed(headers: Headers, media_type: bytes) -> Headers:
    return headers if any(name == b"content-type" for name, _ in headers) else ((b"content-type", media_type), *headers)


def _body(response: RouteResponse, declared: MediaType) -> tuple[bytes, bytes]:
    if response.kind == "file":
        return _file(Path(str(response.value)))
    media_type = _TYPES[response.kind]
    if response.kind == "json":
        try:
            return declared.encode(dumps(response.value).decode()), media_type
        except TypeError as error:
            raise ResponseError(f"the value is not JSON: {error}") from None
    if response.kind == "base64":
        try:
            return base64.b64decode(str(response.value), validate=True), media_type
        except binascii.Error as error:
            raise ResponseError(f"the value is not base64: {error}") from None
    return declared.encode(str(response.value)), media_type


def _file(path: Path) -> tuple[bytes, bytes]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ResponseError(
            f"the file {str(path)!r} cannot be read: {error.strerror}; its path is meant from the configuration's folder"
        ) from None
    if len(data) > MAX_FILE:
        raise ResponseError(f"file {path.name!r} is larger than {MAX_FILE >> 20} MiB")
    kind, encoding = mimetypes.guess_type(path.name)
    if kind is None or encoding is not None:
        return data, b"application/octet-stream"
    return data, f"{kind}; charset=utf-8".encode() if kind.startswith("text/") and _is_utf8(data) else kind.encode()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
