"""What an Extism guest asks of its host, as host calls, and the answers as bytes in kernel memory.

The kernel asks by number (`kernel.wat`); here its number and argument words become a `HostCallRequest` by name.
`open` runs on the guest's stack and only reads and records; `HostCallRequest.answer` is called on the loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mockforge_asgi.bounded_json import HOST_CALL, BadJson, parse
from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import body_bytes, body_document, error_document
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.wasm.extism.kernel import REPLY_NOTHING, REPLY_REFUSED, REPLY_WAITS, KernelMemory
from mockforge_asgi.wasm.extism.log import GuestLines
from mockforge_asgi.wasm.extism.wasi import FIRST as FIRST_WASI
from mockforge_asgi.wasm.extism.wasi import GuestMemory, serve
from mockforge_asgi.wasm.fiber import HostCallRequest

FLUSH, TAKE, HTTP, HEADERS, OTHER = 1, 2, 3, 4, 5
_MAX_NAME: Final = 100
_MAX_PAYLOAD: Final = 2 << 20
_I64: Final = 1

Cell = Any
"""The C cell of a host function's result."""


class GuestHostCalls:
    """The host calls of one instance, with what they keep between a request and the guest's next words."""

    __slots__ = ("_headers", "_waiting", "guest_memory", "log", "memory", "refused")

    def __init__(self, memory: KernelMemory) -> None:
        self.memory = memory
        self.guest_memory: GuestMemory | None = None
        """The plugin's own memory, once it is instantiated and exports one."""
        self.refused: HostCallError | None = None
        """Why a host call ended the last call."""
        self._waiting = b""
        self._headers: dict[str, str] = {}
        self.log = GuestLines(memory)

    def open(self, number: int, cell: Cell) -> HostCallRequest | None:
        """The request to wait for; None when the cell already holds the answer."""
        if number == TAKE:
            self.memory.write(self.memory.arguments()[0], self._waiting)
            self._waiting = b""
        elif number == FLUSH:
            self.log.drain()
        elif number == HTTP:
            return self._http(cell)
        elif number == HEADERS:
            _set(cell, self._reply(dumps(self._headers)))
            return None
        elif number == OTHER:
            return self._other(cell)
        elif number >= FIRST_WASI:
            return self._wasi(number, cell)
        _set(cell, REPLY_NOTHING)
        return None

    def _reply(self, data: bytes) -> int:
        answer = self.memory.reply(data)
        self._waiting = data if answer == REPLY_WAITS else b""
        return answer

    def _refuse(self, cell: Cell, error: HostCallError) -> None:
        self.refused = error
        _set(cell, REPLY_REFUSED)

    def _http(self, cell: Cell) -> HostCallRequest | None:
        at, n, body_at, body_n = self.memory.arguments()[:4]
        try:
            payload = http_payload(_bounded(self.memory, at, n), _bounded(self.memory, body_at, body_n))
        except HostCallError as error:
            self._refuse(cell, error)
            return None

        def deliver(answer: Json, error: HostCallError | None) -> None:
            if error is not None:
                self._refuse(cell, error)
                return
            headers: dict[str, list[str]] = {}
            for name, value in answer.get("headers") or ():
                headers.setdefault(name.lower(), []).append(value)
            self._headers = {name: ", ".join(values) for name, values in headers.items()}
            self.memory.set_status(int(answer["status"]))
            body = answer.get("body")
            _set(cell, self._reply(body_bytes(body) if body else b""))

        return HostCallRequest("http.request", payload, deliver)

    def _other(self, cell: Cell) -> HostCallRequest | None:
        name_at, name_n, at, n = self.memory.arguments()[:4]
        if name_n > _MAX_NAME or n > _MAX_PAYLOAD:
            self._refuse(cell, HostCallError("limit", "too much was sent to a host call"))
            return None
        name = self.memory.read(name_at, name_n).decode("utf-8", "replace")

        def deliver(answer: Json, error: HostCallError | None) -> None:
            _set(cell, self._reply(dumps({"ok": answer} if error is None else {"error": error_document(error)})))

        return HostCallRequest(name, _bounded(self.memory, at, n), deliver)

    def _wasi(self, number: int, cell: Cell) -> HostCallRequest | None:
        wanted = serve(self.guest_memory, number, self.memory.arguments(), self.log.printed)
        if isinstance(wanted, int):
            _set(cell, wanted)
            return None
        name, payload, finish = wanted
        return HostCallRequest(name, payload, _finisher(cell, finish))


def _finisher(cell: Cell, finish: Callable[[Json], int]) -> Callable[[Json, HostCallError | None], None]:
    def deliver(answer: Json, error: HostCallError | None) -> None:
        _set(cell, finish(answer) if error is None else 29)  # io

    return deliver


def http_payload(request: bytes, body: bytes) -> dict[str, Json]:
    """The `http.request` payload for an Extism HTTP request. Raises HostCallError when it is none."""
    try:
        said = parse(request, HOST_CALL)
        headers = said.get("headers") or said.get("header") or {}
        payload: dict[str, Json] = {
            "method": str(said.get("method") or "GET").upper(),
            "url": str(said["url"]),
            "headers": [[str(k), str(v)] for k, v in headers.items()],
        }
    except (BadJson, AttributeError, KeyError, TypeError):
        raise HostCallError("invalid_input", "http_request takes JSON: {url, method, headers}") from None
    if body:
        payload["body"] = body_document(body)
    return payload


def _bounded(memory: KernelMemory, at: int, n: int) -> bytes:
    if n > _MAX_PAYLOAD:
        raise HostCallError("limit", f"{n} bytes sent to a host call, over the limit of {_MAX_PAYLOAD}")
    return memory.read(at, n) if n else b""


def _set(cell: Cell, value: int) -> None:
    cell.kind = _I64
    cell.of.i64 = value
