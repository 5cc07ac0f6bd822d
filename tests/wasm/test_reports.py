"""What guests say at the end of a call."""

from __future__ import annotations

import orjson
import pytest

from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.types import Json
from mockforge_asgi.wasm.fiber import Budget, Fiber, GuestTrapped
from mockforge_asgi.wasm.reports import answer_json, reported, trapped
from tests.support.component_guests import TestDoors


@pytest.fixture
def fiber() -> Fiber:
    return Fiber("guest", "response.generate", Budget(), TestDoors(), None)


def test_an_envelope_is_a_failure_with_its_facts(fiber: Fiber) -> None:
    said = {"message": "no\x1bway", "code": "c" * 50, "retryable": True, "details": {"a": 1, "traceback": "one\ntwo\x9b"}}
    failed = reported(fiber, orjson.dumps({"error": said}))
    assert (failed.message, failed.code, failed.retryable) == ("no\\u001bway", "c" * 39 + "…", True)
    assert failed.details["a"] == 1 and failed.author_traceback == "one\ntwo\\u009b"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"plain\x07 words", "plain\\u0007 words"),
        (b"", "no reason given"),
        (b'{"error":"text"}', '{"error":"text"}'),
        (b'{"error":{"message":"m","details":[1]}}', '{"error":{"message":"m","details":[1]}}'),
        (b"\xff" * 9000, "\ufffd" * 2000),
        (b"[" + b"[]," * 30_000 + b"1]", ("[" + "[]," * 30_000)[:2000]),
    ],
)
def test_what_is_no_envelope_becomes_the_message(fiber: Fiber, said: bytes, told: str) -> None:
    assert reported(fiber, said).message == told


@pytest.mark.parametrize("odd", [list(range(50_000)), {"a": list(range(1000))}, [["x"] * 500] * 50], ids=["list", "object", "lists"])
def test_what_should_be_text_and_is_not_is_named_instead_of_written_out(fiber: Fiber, odd: Json) -> None:
    kind = "a list" if isinstance(odd, list) else "a mapping"
    for said in ({"message": odd}, {"message": kind, "code": odd}, {"message": kind, "details": {"traceback": odd}}):
        failed = reported(fiber, orjson.dumps({"error": said}))
        assert failed.message == kind
        assert failed.code in ("internal", kind) and failed.author_traceback in ("", kind)


def test_an_answer_that_is_no_json_or_too_much_is_the_guests_fault(fiber: Fiber) -> None:
    assert answer_json(fiber, b'{"a":[1]}') == {"a": [1]}
    for text in (b"{", b"[" * 101 + b"]" * 101, b"[" + b"[]," * 30_000 + b"1]"):
        with pytest.raises(PluginFailed, match="its answer is") as failed:
            answer_json(fiber, text)
        assert failed.value.code == "invalid_output"


def test_a_trap_is_told_in_the_words_that_the_guest_left(fiber: Fiber) -> None:
    gave_up = GuestTrapped("guest", fiber.op, "its code gave up (unreachable: a panic)")
    assert trapped(fiber, gave_up, None) is gave_up
    told = trapped(fiber, gave_up, b"panicked at src/lib.rs:7")
    assert isinstance(told, GuestTrapped) and told.message == "panicked at src/lib.rs:7"
    other = GuestTrapped("guest", fiber.op, "its code reached outside its memory")
    assert trapped(fiber, other, b"words") is other
