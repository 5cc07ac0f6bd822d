"""Envelopes and bodies: what is written is read again, and what is neither is told."""

from __future__ import annotations

import binascii

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import NotABody, around, body_bytes, body_document, error_document, plugin_failure
from mockforge_asgi.errors import HostCallError, PluginFailed
from mockforge_plugin.failure import HostError


def test_a_document_is_put_around_another_without_reading_it() -> None:
    number = b"123456789012345678901234567890"
    assert around("request", number, {"n": 1, "m": [2**70]}) == b'{"request":' + number + b',"n":1,"m":[1180591620717411303424]}'


@given(st.binary(max_size=40))
def test_a_body_is_read_as_it_was_written(body: bytes) -> None:
    assert body_bytes(orjson.loads(orjson.dumps(body_document(body)))) == body


@pytest.mark.parametrize("said", [None, "text", [], {}, {"available": 3}, {"text": 1}, {"base64": b""}, {"text": "a", "base64": "YQ=="}])
def test_what_is_no_body_document_is_told(said: Json) -> None:
    with pytest.raises(NotABody, match="neither"):
        body_bytes(said)


def test_base64_is_read_strictly() -> None:
    with pytest.raises(binascii.Error):
        body_bytes({"base64": "YQ==\n"})


@pytest.mark.parametrize("kind", [HostCallError, lambda code, message, **rest: HostError(message, code=code, **rest)])
def test_an_error_is_told_and_read_again(kind: type[HostCallError]) -> None:
    error = kind("denied", "no", retryable=True, details={"n": 1})
    envelope = {"error": error_document(error)}
    assert envelope == {"error": {"code": "denied", "message": "no", "retryable": True, "details": {"n": 1}}}
    read = plugin_failure("p", "op", envelope)
    assert (read.plugin, read.op, read.code, read.message, read.retryable, read.details) == ("p", "op", "denied", "no", True, {"n": 1})


def test_what_an_envelope_says_is_bounded_and_cannot_steer_a_terminal() -> None:
    told = {"error": {"code": "c" * 99, "message": "\x1b[1m" + "m" * 9000, "retryable": 1, "details": {"traceback": "\x1bt" * 9000}}}
    read = plugin_failure("p", "op", told)
    assert len(read.code) <= 40 and "\x1b" not in read.message + read.author_traceback and read.retryable is False
    assert read.message.startswith("\\u001b[1mmm") and len(read.message) < 2100
    assert isinstance(read, PluginFailed) and plugin_failure("p", "op", {"error": {"message": ["x"]}}).code == "internal"


@pytest.mark.parametrize("said", [{}, {"error": {}}, {"error": "x"}, 1, {"error": {"message": "m", "details": "x"}}])
def test_what_is_no_envelope_is_none(said: Json) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        plugin_failure("p", "op", said)
