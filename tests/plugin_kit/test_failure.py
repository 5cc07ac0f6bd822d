"""Error envelopes: codes, places, the author's own frames."""

from __future__ import annotations

import pytest

from mockforge_plugin import HostError, PluginError
from mockforge_plugin.failure import MAX_FRAMES, MAX_MESSAGE, error_envelope

FILES = {__file__: "plugin.py"}


def envelope_of(exc: BaseException, files: dict[str, str] | None = None) -> dict[str, object]:
    """The envelope's inside, of an exception raised here."""
    try:
        raise exc
    except BaseException as raised:
        inside: dict[str, object] = error_envelope(raised, FILES if files is None else files)["error"]
        return inside


def test_any_exception_is_internal_and_named() -> None:
    error = envelope_of(KeyError("x"))
    assert (error["code"], error["message"], error["retryable"]) == ("internal", "KeyError: 'x'", False)
    assert error["details"]["source"] == "raise exc"  # type: ignore[index]  # a dict


def test_foreign_frames_are_left_out() -> None:
    details = envelope_of(ValueError("a"), {})["details"]
    assert details == {"exception": "ValueError", "traceback": "ValueError: a"}


@pytest.mark.parametrize("code", ["denied", "timeout", "odd"])
def test_codes_are_kept_when_they_are_known(code: str) -> None:
    error = envelope_of(PluginError("m", code=code, retryable=True, details={"n": 1}))
    assert error["code"] == ("internal" if code == "odd" else code)
    assert error["message"] == "m"
    assert error["details"]["n"] == 1  # type: ignore[index]  # a dict


def test_a_doors_envelope_becomes_an_exception() -> None:
    error = HostError.from_envelope({"error": {"code": "limit", "message": "m", "retryable": True, "details": None}})
    assert (error.code, error.message, error.retryable, error.details) == ("limit", "m", True, {})
    assert HostError.from_envelope("nonsense").code == "internal"


def test_long_messages_and_tracebacks_are_bounded() -> None:
    def down(n: int) -> None:
        if n == 0:
            raise ValueError("x" * 10_000)
        down(n - 1)

    try:
        down(100)
    except ValueError as exc:
        error = error_envelope(exc, FILES)["error"]
    assert len(error["message"]) == MAX_MESSAGE
    assert error["details"]["traceback"].count("  File") == MAX_FRAMES
    assert "frames left out" in error["details"]["traceback"]


def test_an_exception_whose_text_fails_is_still_told() -> None:
    class Broken(Exception):
        """Has no text."""

        def __str__(self) -> str:
            raise RuntimeError

    assert envelope_of(Broken())["message"] == "Broken: (its text could not be made)"


def test_an_exception_that_leaves_while_it_is_told_is_still_told() -> None:
    class Leaving(Exception):
        """Leaves."""

        def __str__(self) -> str:
            raise SystemExit

    assert envelope_of(Leaving())["message"] == "Leaving: (its text could not be made)"


def test_causes_come_first_and_from_none_hides_them() -> None:
    def fail(hide: bool) -> str:
        try:
            try:
                raise KeyError("inner")
            except KeyError as inner:
                raise ValueError("outer") from (None if hide else inner)
        except ValueError as exc:
            return str(error_envelope(exc, FILES)["error"]["details"]["traceback"])

    assert fail(False).index("KeyError") < fail(False).index("direct cause") < fail(False).index("ValueError: outer")
    assert "KeyError" not in fail(True)
