"""Envelopes and bodies of the contract, written and read in one place for every runtime.

What a request or a response looks like as a document is `http/request_document.py`; how results are checked, `results.py`.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

from mockforge_asgi.errors import HostCallError, PluginFailed
from mockforge_asgi.exact_json import Json, dumps
from mockforge_asgi.text import clip, escape, text_of
from mockforge_plugin.failure import HostError
from mockforge_plugin.values import body_document

_MAX_MESSAGE = 2000
_MAX_CODE = 40
_MAX_TRACEBACK = 8000


class NotABody(ValueError):
    """It is not a body document."""


def around(name: str, inner: bytes, rest: Mapping[str, Json]) -> bytes:
    """An object that holds `inner`, which is JSON text, under that name beside the rest, which is not empty."""
    return b'{"%b":%b,%b' % (name.encode(), inner, dumps(rest)[1:])


def error_document(error: HostCallError | PluginFailed | HostError) -> dict[str, Json]:
    """The error of an envelope, `{"error": …}`: code, message, whether it may be tried again, details."""
    return {"code": error.code, "message": error.message, "retryable": error.retryable, "details": error.details}


def plugin_failure(plugin: str, op: str, envelope: Json) -> PluginFailed:
    """The failure that a plugin's error envelope describes. Raises KeyError, TypeError, AttributeError for what is not an envelope."""
    error = envelope["error"]
    details = error.get("details") or {}
    return PluginFailed(
        plugin,
        op,
        escape(text_of(error["message"], _MAX_MESSAGE)),
        code=clip(text_of(error.get("code", "internal"), _MAX_CODE + 1), _MAX_CODE),
        retryable=error.get("retryable") is True,
        details=details,
        author_traceback=escape(text_of(details.get("traceback", ""), _MAX_TRACEBACK)),
    )


def body_bytes(document: Json) -> bytes:
    """The bytes of `{"text": …}` or `{"base64": …}`. Raises NotABody for anything else, ValueError for what cannot be decoded."""
    if isinstance(document, Mapping):
        text, encoded = document.get("text"), document.get("base64")
        if isinstance(text, str) and encoded is None:
            return text.encode()
        if isinstance(encoded, str) and text is None:
            return b64decode(encoded, validate=True)
    raise NotABody('neither {"text": ...} nor {"base64": ...}')


__all__ = ["NotABody", "around", "body_bytes", "body_document", "error_document", "plugin_failure"]
