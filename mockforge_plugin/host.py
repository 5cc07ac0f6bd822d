"""Host calls: key-value storage, HTTP, data sources, secrets, log, clock, files and bodies.

Each call that may wait gives a `HostCall`: `await kv.get("k")` in async code, `kv.get("k").result()` in plain functions.
`secret`, `log` and `now` answer at once. What a plugin may reach is decided by the host.
"""

from __future__ import annotations

import datetime as _datetime
import json as _json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mockforge_plugin.charset import decoded, decoded_json
from mockforge_plugin.context import current
from mockforge_plugin.failure import HostError
from mockforge_plugin.host_call import HostCall, Steps, ask
from mockforge_plugin.pairs import Headers, pairs
from mockforge_plugin.tables import Column, DataResult
from mockforge_plugin.values import Json


def read_body(of: str, offset: int = 0, length: int | None = None) -> HostCall[bytes]:
    """A body at the host, whole or in part, as many chunks as the host needs."""
    return HostCall(_read_body(of, offset, length))


def _read_body(of: str, offset: int, length: int | None) -> Steps[bytes]:
    parts: list[bytes] = []
    wanted = length
    while wanted is None or wanted > 0:
        payload: dict[str, Json] = {"of": of, "offset": offset}
        if wanted is not None:
            payload["length"] = wanted
        answer = yield "body.read", payload
        chunk = b64decode(answer["base64"])
        parts.append(chunk)
        offset += len(chunk)
        if wanted is not None:
            wanted -= len(chunk)
        if not chunk or offset >= answer["total"]:
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _nothing(_: Any) -> None:
    return None


class KeyValue:
    """The plugin's own storage: JSON values under string keys, atomic across workers. `ttl_s` forgets a key after so many seconds."""

    def get(self, key: str, default: Json = None) -> HostCall[Json]:
        """The value, or the default when there is none."""
        return HostCall(ask("kv.get", {"key": key}, lambda a: default if a["value"] is None else a["value"]))

    def set(self, key: str, value: Json, *, ttl_s: float | None = None) -> HostCall[None]:
        """Store a value."""
        return HostCall(ask("kv.set", _timed({"key": key, "value": value}, ttl_s), _nothing))

    def delete(self, key: str) -> HostCall[bool]:
        """Forget a key; True when it was there."""
        return HostCall(ask("kv.delete", {"key": key}, lambda a: bool(a["deleted"])))

    def add_if_absent(self, key: str, value: Json, *, ttl_s: float | None = None) -> HostCall[bool]:
        """Store only when the key is new; True when it was (nonces, one-time codes)."""
        return HostCall(ask("kv.add_if_absent", _timed({"key": key, "value": value}, ttl_s), lambda a: bool(a["added"])))

    def incr(self, key: str, by: int = 1, *, ttl_s: float | None = None) -> HostCall[int]:
        """Add to a counter (0 when new); the new value."""
        return HostCall(ask("kv.incr", _timed({"key": key, "by": by}, ttl_s), lambda a: int(a["value"])))

    def compare_and_set(self, key: str, expected: Json, value: Json, *, ttl_s: float | None = None) -> HostCall[bool]:
        """Store only when the present value equals `expected` (None: absent); True when stored."""
        payload = _timed({"key": key, "expected": expected, "value": value}, ttl_s)
        return HostCall(ask("kv.compare_and_set", payload, lambda a: bool(a["swapped"])))


def _timed(payload: dict[str, Json], ttl_s: float | None) -> dict[str, Json]:
    if ttl_s is not None:
        payload["ttl_s"] = ttl_s
    return payload


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What another server answered."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, in the charset of its byte order mark or `content-type`, else UTF-8."""
        return decoded(self.body, self.headers.get("content-type") or "")

    def json(self) -> Json:
        """The body as JSON."""
        return _json.loads(decoded_json(self.body, self.headers.get("content-type") or ""))


class Http:
    """Requests to other servers, through the host's allow-list."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None,
        body: bytes | str | None = None,
        json: Json = None,
        timeout_ms: int | None = None,
        follow_redirects: bool = False,
    ) -> HostCall[HttpAnswer]:
        """Send a request; the answer is whole. Pass `json` to send a JSON body, as `application/json` unless the headers say otherwise.

        A redirect is an answer like any other unless it is to be followed; each place must be granted.
        """
        sent = [list(pair) for pair in pairs(headers)]
        payload: dict[str, Json] = {"method": method, "url": url, "headers": sent}
        if json is not None:
            if not any(name.lower() == "content-type" for name, _ in sent):
                sent.append(["content-type", "application/json"])
            body = _json.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if isinstance(body, str):
            payload["body"] = {"text": body}
        elif body is not None:
            payload["body"] = {"base64": b64encode(body).decode()}
        if timeout_ms is not None:
            payload["timeout_ms"] = timeout_ms
        if follow_redirects:
            payload["follow_redirects"] = True
        return HostCall(ask("http.request", payload, _http_answer))

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None,
        timeout_ms: int | None = None,
        follow_redirects: bool = False,
    ) -> HostCall[HttpAnswer]:
        """Send a GET request."""
        return self.request("GET", url, headers=headers, timeout_ms=timeout_ms, follow_redirects=follow_redirects)

    def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None,
        body: bytes | str | None = None,
        json: Json = None,
        timeout_ms: int | None = None,
        follow_redirects: bool = False,
    ) -> HostCall[HttpAnswer]:
        """Send a POST request."""
        return self.request("POST", url, headers=headers, body=body, json=json, timeout_ms=timeout_ms, follow_redirects=follow_redirects)


def _http_answer(answer: Any) -> HttpAnswer:
    body = answer.get("body") or {}
    data = body["text"].encode() if "text" in body else b64decode(body.get("base64", ""))
    return HttpAnswer(int(answer["status"]), Headers((str(k), str(v)) for k, v in answer.get("headers", ())), data)


class Data:
    """Named queries of the operator's data sources."""

    def query(
        self,
        source: str,
        query: str,
        params: Mapping[str, Json] | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        count: bool = False,
    ) -> HostCall[DataResult]:
        """Run a granted query; `cursor` is the `next` of the page before, `count` asks for the `total` of all pages."""
        payload: dict[str, Json] = {"source": source, "query": query, "params": dict(params or {})}
        if limit is not None:
            payload["limit"] = limit
        if cursor is not None:
            payload["cursor"] = cursor
        if count:
            payload["count"] = True
        return HostCall(ask("data.query", payload, _data_result))

    def changed(self) -> None:
        """For data sources: the data are others now, so that no result that the host has cached of them is given again."""
        current().call_now("data.changed", {})


def _data_result(answer: Any) -> DataResult:
    columns = tuple(Column(c["name"], c.get("type", "text"), c.get("nullable", True)) for c in answer.get("columns", ()))
    documents = answer.get("documents") is True
    rows = tuple(answer["rows"]) if documents else tuple(map(tuple, answer["rows"]))
    facts = answer.get("next"), answer.get("total"), answer.get("affected")
    return DataResult(columns, rows, answer.get("truncated") is True, *facts, documents)


class Log:
    """Lines for the operator's log."""

    def debug(self, message: object) -> None:
        """For whoever debugs the plugin."""
        self._line("debug", message)

    def info(self, message: object) -> None:
        """What happened."""
        self._line("info", message)

    def warning(self, message: object) -> None:
        """What the operator should look at."""
        self._line("warning", message)

    def error(self, message: object) -> None:
        """What went wrong."""
        self._line("error", message)

    def _line(self, level: str, message: object) -> None:
        current().call_now("log", {"level": level, "message": str(message)})


def secret(name: str, *, again: bool = False) -> str:
    """A secret that the operator granted. Raises: HostError (`denied`, `not_found`).

    `again` reads it anew, for whoever was refused with the value that it had: a file's may have been replaced.
    """
    value = current().call_now("secret.get", {"name": name, "again": True} if again else {"name": name})["value"]
    if not isinstance(value, str):
        raise HostError(f"secret '{name}' has no value", code="not_found")
    return value


def now() -> _datetime.datetime:
    """The time of the host's clock, in UTC (frozen when the operator says so)."""
    nanoseconds = int(current().call_now("clock.now", {})["unix_ns"])
    moment = _datetime.datetime.fromtimestamp(nanoseconds // 1_000_000_000, _datetime.UTC)
    return moment.replace(microsecond=nanoseconds // 1_000 % 1_000_000)


def sleep(seconds: float) -> HostCall[None]:
    """Wait that long; the call's `timeout_ms` runs on. Raises: ValueError for a negative time."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    return HostCall(ask("clock.sleep", {"ns": round(seconds * 1e9)}, _nothing))


def resource(path: str) -> HostCall[bytes]:
    """A file of the plugin's own folder."""
    return HostCall(ask("file.read", {"path": path}, lambda a: b64decode(a["base64"])))


kv = KeyValue()
http = Http()
data = Data()
log = Log()
