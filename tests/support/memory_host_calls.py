"""Doors answered from memory, for tests of plugins: real storage semantics, fixed clock, no network."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from typing import Any

UNIX_NS = 1_790_000_000_123_456_789


class DoorRefused(Exception):
    """A door says no, in an envelope."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.envelope = {"error": {"code": code, "message": message, "retryable": False, "details": {}}}
        super().__init__(message)


class HostCalls:
    """One plugin's doors.

    `asked` lists the doors asked, `logged` the lines, `slept_ns` the waits, `followed` what HTTP requests said of redirects.
    """

    def __init__(
        self,
        *,
        secrets: dict[str, str] | None = None,
        http: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        files: dict[str, bytes] | None = None,
        request_body: bytes = b"",
        response_body: bytes = b"",
        chunk: int = 65_536,
    ) -> None:
        self.secrets, self.http, self.data, self.files = secrets or {}, http or {}, data or {}, files or {}
        self.bodies = {"request": request_body, "request.raw": request_body, "response": response_body}
        self.chunk = chunk
        self.kv: dict[str, Any] = {}
        self.logged: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.slept_ns: list[int] = []
        self.followed: list[bool] = []
        self._drawn = 0

    def answer(self, door: str, payload: dict[str, Any]) -> Any:
        """What the door says. Raises: DoorRefused."""
        self.asked.append(door)
        method = getattr(self, "_" + door.replace(".", "_"), None)
        if method is None:
            raise DoorRefused("denied", f"no grant for {door}")
        return method(**payload)

    def _log(self, level: str, message: str) -> None:
        self.logged.append((level, message))

    def _secret_get(self, name: str) -> Any:
        if name not in self.secrets:
            raise DoorRefused("denied", f"secret '{name}' is not granted")
        return {"value": self.secrets[name]}

    def _clock_now(self) -> Any:
        return {"unix_ns": UNIX_NS, "monotonic_ns": 5_000_000_000}

    def _clock_sleep(self, ns: int) -> None:
        self.slept_ns.append(ns)

    def _random_bytes(self, n: int) -> Any:
        self._drawn += 1
        return {"hex": hashlib.shake_256(str(self._drawn).encode()).hexdigest(n)}

    def _kv_get(self, key: str) -> Any:
        return {"value": self.kv.get(key)}

    def _kv_set(self, key: str, value: Any, ttl_s: float | None = None) -> None:
        self.kv[key] = value

    def _kv_delete(self, key: str) -> Any:
        return {"deleted": self.kv.pop(key, None) is not None}

    def _kv_add_if_absent(self, key: str, value: Any, ttl_s: float | None = None) -> Any:
        added = key not in self.kv
        self.kv.setdefault(key, value)
        return {"added": added}

    def _kv_incr(self, key: str, by: int = 1, ttl_s: float | None = None) -> Any:
        self.kv[key] = self.kv.get(key, 0) + by
        return {"value": self.kv[key]}

    def _kv_compare_and_set(self, key: str, expected: Any, value: Any, ttl_s: float | None = None) -> Any:
        if self.kv.get(key) != expected:
            return {"swapped": False}
        self.kv[key] = value
        return {"swapped": True}

    def _http_request(
        self, method: str, url: str, headers: Any, body: Any = None, timeout_ms: int | None = None, follow_redirects: bool = False
    ) -> Any:
        self.followed.append(follow_redirects)
        found = self.http.get(f"{method} {url}")
        if found is None:
            raise DoorRefused("denied", f"{url} is not granted")
        return found(headers, body) if callable(found) else found

    def _data_query(self, source: str, query: str, params: Any, limit: int | None = None, cursor: str | None = None) -> Any:
        found = self.data.get(f"{source}/{query}")
        if found is None:
            raise DoorRefused("denied", f"query {source}/{query} is not granted")
        return found(params, limit, cursor) if callable(found) else found

    def _body_read(self, of: str, offset: int = 0, length: int | None = None) -> Any:
        body = self.bodies[of]
        end = min(len(body), offset + (self.chunk if length is None else min(length, self.chunk)))
        return {"base64": b64encode(body[offset:end]).decode(), "total": len(body)}

    def _file_read(self, path: str) -> Any:
        if path not in self.files:
            raise DoorRefused("not_found", f"no file '{path}' in the plugin's folder")
        return {"base64": b64encode(self.files[path]).decode()}


def unbase64(text: str) -> bytes:
    """Bytes of base64 text."""
    return b64decode(text)
