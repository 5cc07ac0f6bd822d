"""What a guest answers: a checked value that can be sent, stored and shown to other plugins, or a failure in words.

An input is the name of an operation, a line break, and the text that the guest wrote.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import orjson

from mockforge_asgi.contract import Allow, BodyReader, Decision, Deny, Description, Json, Lease, Reply
from mockforge_asgi.contract.codec import around
from mockforge_asgi.contract.description import accept_config, read_description
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.errors import ConfigError, HostCallError, PluginFailed, PluginRejected
from mockforge_asgi.http.errors import response_for
from mockforge_asgi.http.headers import OURS, is_restricted
from mockforge_asgi.http.request_document import EVERYTHING
from mockforge_asgi.http.responses import MockResponse, ResponseHead, TemplateResponse
from mockforge_asgi.plugins.plugin import Plugin, PluginMeta
from mockforge_asgi.security.permissions import EffectivePermissions
from mockforge_asgi.sources.results import checked_result
from mockforge_asgi.types import Message
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.reports import answer_json
from tests.fuzz.fuzzing import Target, kept
from tests.fuzz.said import MAX_FAILURE, in_bounds
from tests.fuzz.trees import changer
from tests.support.template_rendering import exchange

MAY_SET = frozenset({"set-cookie"})
OPS = (
    "auth.authenticate", "response.can_handle", "response.generate", "response.modify", "response.modify:head", "endpoint.call",
    "template.call", "data.query", "plugin.validate_config", "describe",
)  # fmt: skip
SEEDS = kept("answers")
NO_DOORS: Any = None
ROOM = asyncio.new_event_loop()
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")


class Said:
    """A host, and its own lease, that answers every operation with the same."""

    said: Json = None

    async def call(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        return self.said

    begin = call

    def lease(self) -> Lease:
        return self

    def release(self) -> None:
        """Nothing is held."""

    async def open(self) -> Description:
        return Description("0.1", frozenset())

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing is kept open."""


HOST = Said()
RIGHTS = EffectivePermissions(request_view=EVERYTHING, response_headers=frozenset({"x-shown"}), set_headers=MAY_SET)
PLUGIN = Plugin(
    PluginMeta("guest", "guest", "1.0.0", "", "extism", frozenset({"response"})),
    Description("0.1", frozenset({"response.can_handle"})),
    HOST,
    RIGHTS,
    ResultReader("guest", MAY_SET),
)
MADE = MockResponse(200, ((b"content-type", b"text/html"), (b"set-cookie", b"app=1"), (b"x-shown", b"1")), b"made")


def check(data: bytes) -> None:
    """Read the text as hosts do, then the answer as its operation is read; look at what comes of it."""
    name, _, text = data.partition(b"\n")
    op = name.decode("latin-1")
    if op not in OPS:
        return
    fiber = Fiber("guest", op, Budget(), NO_DOORS, None)
    try:
        HOST.said = answer_json(fiber, text)
        ROOM.run_until_complete(_read(op))
    except PluginFailed as error:
        assert len(str(error)) < MAX_FAILURE and response_for(error).wire
        str(error).encode()
    except HostCallError as error:
        assert len(error.message) < 1000
    except (ConfigError, PluginRejected) as error:
        in_bounds(error, in_guests_words=op != "plugin.validate_config")


async def _read(op: str) -> None:
    match op:
        case "describe":
            _described(read_description("guest", HOST.said))
        case "plugin.validate_config":
            accept_config("guest", HOST.said)
        case "auth.authenticate":
            await _decided(await PLUGIN.authenticate(exchange()))
        case "response.can_handle":
            assert type(await PLUGIN.can_handle(exchange())) is bool
        case "response.generate":
            if (answer := await PLUGIN.generate(exchange())) is not None:
                await sendable(answer)
        case "endpoint.call":
            await sendable(await PLUGIN.call_endpoint(exchange(), "callback"))
        case "response.modify":
            if (changed := await PLUGIN.modify(exchange(), MADE)) is not None:
                await sendable(changed, given=MADE.headers)
        case "response.modify:head":
            head = ResponseHead(200, MADE.headers)
            if (changed_head := await PLUGIN.modify(exchange(), head)) is not None:
                await sendable(MockResponse(changed_head.status, changed_head.headers), given=MADE.headers)
        case "template.call":
            again(await PLUGIN.call_function(exchange(), "f", [], {}))
        case "data.query":
            found = checked_result("db", await PLUGIN.query(exchange(), SourceQuery("q")), 5)
            assert len(found["rows"]) <= 5 and all(len(row) == len(found["columns"]) for row in found["rows"])
            again(found)


async def _decided(decision: Decision) -> None:
    if isinstance(decision, Allow):
        asked = exchange()
        asked.allowed(decision.principal, decision.claims)
        assert orjson.loads(around("request", asked.document(EVERYTHING), {"fingerprint": ""}))
        again(decision.claims)
        await sendable(MockResponse.of(200, decision.set_headers))
    elif isinstance(decision, Deny):
        assert 400 <= decision.status <= 599 and len(decision.reason) <= 500
        headers = [("www-authenticate", decision.challenge)] if decision.challenge is not None else []
        await sendable(MockResponse.json({"error": decision.reason}, decision.status, headers))
    elif isinstance(decision, Reply):
        assert 200 <= decision.response.status <= 599
        again(dict(decision.response.vars or {}))
    else:
        assert decision is None and HOST.said is None


def _described(said: Description) -> None:
    assert all(f.name.isidentifier() and not f.name.startswith("_") for f in said.functions)
    again([said.kit, dict(said.capabilities), [f.description for f in said.functions]])


async def sendable(answer: MockResponse | TemplateResponse, given: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """It has a status and headers that HTTP can carry, and none that the plugin may not set, unless they were there before."""
    assert type(answer.status) is int and 200 <= answer.status <= 599
    for name, value in answer.headers:
        assert _TOKEN.fullmatch(name) and not set(value) & {0, 10, 13, 127}, (name, value)
        assert (name, value) in given or (name not in OURS and (name.decode() in MAY_SET or not is_restricted(name))), name
    if isinstance(answer, TemplateResponse):
        again(answer.message["vars"])
        answer.template.encode()
        return
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await answer.send(send)
    lengths = [value for name, value in sent[0]["headers"] if name == b"content-length"]
    assert lengths == ([] if answer.status in (204, 304) else [b"%d" % len(sent[1]["body"])])


def again(value: Json | Mapping[str, Json]) -> None:
    """It can be written as JSON, inside the documents that it is passed on in."""
    orjson.dumps({"request": {"principal": {"attributes": {"value": value}}}})


TARGET = Target(check, 2_000, mutate=changer(SEEDS, heads=OPS), max_bytes=16_384)
