"""Which export of an Extism plugin serves which operation, and how unmodified Extism plugins are spoken to.

A plugin written for our contract exports `auth_authenticate`, `response_generate`, ... and speaks JSON documents. One
that was written for no contract is mapped by its manifest: `entry: {file: plugin.wasm, response: count_vowels}`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mockforge_asgi.bounded_json import RESULT, BadJson, TooMuch, parse
from mockforge_asgi.contract import CONTRACT, OPS, OPTIONAL_OPS, Json
from mockforge_asgi.contract.codec import body_bytes, body_document
from mockforge_asgi.errors import HostCallError, PluginFailed, PluginRejected, Problem
from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.text import clip
from mockforge_asgi.wasm.fiber import Fiber


@dataclass(frozen=True, slots=True)
class MappedCall:
    """One call of a mapped export: its input, and what its output means."""

    export: str
    data: bytes
    answer: Callable[[bytes], Json]


@dataclass(frozen=True, slots=True)
class ExtismEntry:
    """The `entry` of a manifest, read. Without a mapping the plugin speaks our contract."""

    response: str = ""
    """The export whose output is the body of the answer; its input is the body of the request."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """Template functions, by name: exports whose input is the first argument as text."""

    @property
    def is_mapped(self) -> bool:
        """True for a plugin that was not written for our contract."""
        return bool(self.response or self.functions)

    def check(self, plugin: str, exports: frozenset[str]) -> None:
        """Raises PluginRejected for an export that the mapping names and the code lacks."""
        missing = [name for name in (self.response, *self.functions.values()) if name and name not in exports]
        if missing:
            raise PluginRejected(
                plugin,
                f"its code has no export {clip(', '.join(missing), 200)} of type () -> i32.",
                [Problem("entry", f"its exports of that type are: {clip(', '.join(sorted(exports)), 500) or 'none'}.")],
            )

    @staticmethod
    def export(op: str) -> str:
        """The export that serves an operation of our contract."""
        return op.replace(".", "_")

    def described(self, exports: frozenset[str]) -> dict[str, Json]:
        """The description of a plugin that has none of its own."""
        if not self.is_mapped:
            known = [op for ops in OPS.values() for op in ops] + list(OPTIONAL_OPS)
            return {"contract": CONTRACT, "ops": [op for op in known if self.export(op) in exports]}
        ops = (["response.generate"] if self.response else []) + (["template.call"] if self.functions else [])
        return {"contract": CONTRACT, "ops": ops, "functions": [{"name": name} for name in self.functions]}

    async def mapped(self, fiber: Fiber, payload: bytes) -> MappedCall:
        """The call of an unmodified export that an operation stands for."""
        document = loads(payload)
        if fiber.op == "response.generate" and self.response:
            return MappedCall(self.response, await _body_in_time(fiber, document["request"]), _answer)
        name = document.get("function", "") if fiber.op == "template.call" else ""
        if name not in self.functions:
            raise PluginFailed(fiber.plugin, fiber.op, f"its manifest maps no export to {name or fiber.op}", code="unsupported_op")
        args = document.get("args") or [""]
        data = args[0].encode() if isinstance(args[0], str) else dumps(args[0])
        return MappedCall(self.functions[name], data, _value)


async def _body_in_time(fiber: Fiber, request: Json) -> bytes:
    """The body, read by the host before the guest runs, while the call's `timeout_ms` already counts."""
    loop = asyncio.get_running_loop()
    if fiber.deadline is None:
        fiber.deadline = loop.time() + fiber.budget.timeout_s
    clock = asyncio.timeout_at(fiber.deadline)
    try:
        async with clock:
            return await _request_body(fiber, request)
    except TimeoutError:
        if not clock.expired():
            raise
        raise fiber.over("timeout_ms") from None


async def _request_body(fiber: Fiber, request: Json) -> bytes:
    body = request.get("body") or {}
    if not body.get("available"):
        return body_bytes(body) if "available" not in body and body else b""
    parts, size, total = [], 0, 1
    while size < total:
        try:
            answer = await fiber.host_calls.call("body.read", {"of": "request", "offset": size}, fiber.request)
        except HostCallError as error:
            raise PluginFailed(fiber.plugin, fiber.op, error.message, code=error.code, retryable=error.retryable) from error
        part, total = base64.b64decode(answer["base64"]), int(answer["total"])
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _answer(output: bytes) -> Json:
    try:
        parse(output, RESULT)
        content_type = "application/json"
    except TooMuch:
        content_type = "application/json"  # not looked at, and so much of nothing else
    except BadJson:
        content_type = "text/plain; charset=utf-8"
    return {"status": 200, "headers": [["content-type", content_type]], "body": body_document(output)}


def _value(output: bytes) -> Json:
    try:
        return parse(output, RESULT)
    except BadJson:
        return output.decode("utf-8", "replace")
