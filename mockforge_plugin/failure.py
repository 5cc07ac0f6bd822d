"""Failures: what an author raises, what a host call raises, and the error envelope that leaves the plugin.

The envelope shows the author's own frames only; frames of the kit, the standard library and the sandbox are left out.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Mapping
from types import CodeType, TracebackType

from mockforge_plugin.values import Json

CODES = frozenset(
    {
        "denied",
        "invalid_input",
        "invalid_config",
        "not_found",
        "conflict",
        "bad_data",
        "unsupported_op",
        "timeout",
        "unavailable",
        "limit",
        "internal",
    }
)
"""Every code that an error envelope may carry."""

MAX_MESSAGE = 4_000
MAX_FRAMES = 20


class PluginError(Exception):
    """Raise it to fail with a code of your choice; any other exception becomes `internal`."""

    def __init__(self, message: str, *, code: str = "internal", retryable: bool = False, details: Mapping[str, Json] | None = None) -> None:
        self.message = message
        self.code = code if code in CODES else "internal"
        self.retryable = retryable
        self.details = dict(details or {})
        super().__init__(message)


class HostError(PluginError):
    """A host call was refused or failed: `code` says how, `message` says why."""

    @classmethod
    def from_envelope(cls, envelope: Json) -> HostError:
        """The exception that the error envelope of a host call describes."""
        error = envelope.get("error", {}) if isinstance(envelope, dict) else {}
        return cls(
            str(error.get("message", "the host call failed")),
            code=str(error.get("code", "internal")),
            retryable=bool(error.get("retryable")),
            details=error.get("details"),
        )


class WrongAnswer(PluginError):
    """A plugin's method gave something that its operation cannot answer with."""

    def __init__(self, message: str, code: CodeType | None = None) -> None:
        self.at = code
        super().__init__(message)


def error_envelope(exc: BaseException, author_files: Mapping[str, str]) -> dict[str, Json]:
    """The error document of an exception. `author_files` maps the code's file names to the names to show."""
    error = exc if isinstance(exc, PluginError) else PluginError(_headline(exc))
    details: dict[str, Json] = dict(error.details)
    details["exception"] = type(exc).__name__
    details["traceback"] = author_traceback(exc, author_files)
    place = _place(exc, author_files)
    if place:
        details["file"], details["line"], details["source"] = place
    return {"error": {"code": error.code, "message": error.message[:MAX_MESSAGE], "retryable": error.retryable, "details": details}}


def author_traceback(exc: BaseException, author_files: Mapping[str, str]) -> str:
    """The traceback as Python prints it, the author's frames alone, causes first."""
    parts: list[str] = []
    link: BaseException | None = exc
    joint = ""
    for _ in range(5):
        if link is None:
            break
        parts.append(_one_traceback(link, author_files) + joint)
        cause = link.__cause__
        context = None if link.__suppress_context__ else link.__context__
        joint = (
            "\n\nThe above exception was the direct cause of the following exception:\n"
            if cause
            else "\n\nDuring handling of the above exception, another exception occurred:\n"
        )
        link = cause or context
    return "\n".join(reversed(parts))


def _one_traceback(exc: BaseException, author_files: Mapping[str, str]) -> str:
    frames = list(_frames(exc, author_files))
    if len(frames) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        skipped = f"  ... {len(frames) - 2 * half} frames left out ..."
        lines = [frame_text(*f) for f in frames[:half]] + [skipped] + [frame_text(*f) for f in frames[-half:]]
    else:
        lines = [frame_text(*f) for f in frames]
    head = ["Traceback (most recent call last):"] if lines else []
    return "\n".join([*head, *lines, _headline(exc)])


def _frames(exc: BaseException, author_files: Mapping[str, str]) -> Iterator[tuple[str, int, str, str]]:
    """(file, line, function, source line) of each frame of the author, outermost first."""
    tb: TracebackType | None = exc.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        shown = author_files.get(code.co_filename)
        if shown is not None:
            yield shown, tb.tb_lineno, code.co_qualname, linecache.getline(code.co_filename, tb.tb_lineno).strip()
        tb = tb.tb_next
    if isinstance(exc, SyntaxError) and exc.filename is not None and exc.filename in author_files and exc.lineno:
        yield author_files[exc.filename], exc.lineno, "", (exc.text or "").rstrip("\n").strip()
    if isinstance(exc, WrongAnswer) and exc.at is not None and exc.at.co_filename in author_files:
        file, line = exc.at.co_filename, exc.at.co_firstlineno
        while linecache.getline(file, line).lstrip().startswith("@"):  # where a decorated function begins
            line += 1
        yield author_files[file], line, exc.at.co_qualname, linecache.getline(file, line).strip()


def frame_text(file: str, line: int, function: str, source: str) -> str:
    """One frame as Python prints it."""
    where = f'  File "{file}", line {line}' + (f", in {function}" if function else "")
    return f"{where}\n    {source}" if source else where


def _place(exc: BaseException, author_files: Mapping[str, str]) -> tuple[str, int, str] | None:
    """The innermost place in the author's code: file, line, source line."""
    frames = list(_frames(exc, author_files))
    return (frames[-1][0], frames[-1][1], frames[-1][3]) if frames else None


def _headline(exc: BaseException) -> str:
    """`KeyError: 'x'`, bounded."""
    try:
        text = str((exc.msg or "") if isinstance(exc, SyntaxError) else exc)
    except (Exception, SystemExit):  # an author's __str__ may itself be broken, or leave
        text = "(its text could not be made)"
    name = type(exc).__name__
    return f"{name}: {text}"[:MAX_MESSAGE] if text else name
