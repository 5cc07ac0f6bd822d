"""The golden cases of `sdk/golden`: what every kit and every host must answer. One file per plugin, its cases in order in one instance."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any, Protocol

from tests.support.error_envelopes import GuestError
from tests.support.memory_host_calls import DoorRefused, HostCalls

GOLDEN = Path(__file__).resolve().parents[2] / "sdk" / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))


class Instance(Protocol):
    """A loaded plugin, whatever runs it."""

    doors: HostCalls

    def describe(self) -> Any: ...
    def call(self, op: str, document: Any = None) -> Any: ...


def golden(name: str) -> Any:
    """The file of that name."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def files_of(folder: Path) -> dict[str, str]:
    """The Python files of a plugin's folder."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.py"))}


def doors_of(document: dict[str, Any]) -> HostCalls:
    """The doors that a golden file describes."""
    files = {path: _bytes(body) for path, body in document.get("files", {}).items()}
    data = {name: _Pages(answer) if "pages" in answer else answer for name, answer in document.get("data", {}).items()}
    return HostCalls(
        secrets=document.get("secrets"),
        http=document.get("http"),
        data=data,
        files=files,
        request_body=_bytes(document.get("request_body")),
        response_body=_bytes(document.get("response_body")),
    )


def replay(instance: Instance, document: Any) -> list[Any]:
    """What an instance answers to the file's cases, in the file's shape."""
    answers: list[Any] = []
    for case in document["cases"]:
        try:
            answers.append({"name": case["name"], "out": instance.call(case["op"], case["in"])})
        except GuestError as error:
            answers.append({"name": case["name"], "error": error.error})
    return answers


def expected(document: Any) -> list[Any]:
    """What the file says the answers are."""
    return [{key: case[key] for key in ("name", "out", "error") if key in case} for case in document["cases"]]


class _Pages:
    """A data source of several pages: `cursors` says which page a cursor means."""

    def __init__(self, answer: Any) -> None:
        self._pages, self._cursors = answer["pages"], answer["cursors"]

    def __call__(self, params: Any, limit: int | None, cursor: str | None) -> Any:
        page = self._cursors.get(cursor or "")
        if page is None:
            raise DoorRefused("invalid_input", "this cursor is not of this query")
        return self._pages[page]


def _bytes(body: dict[str, str] | None) -> bytes:
    if body is None:
        return b""
    return body["text"].encode() if "text" in body else b64decode(body["base64"])
