"""Every door with any payload: an answer that can be written, or a HostCallError that can; what is not granted is denied.

An input is a JSON list of [door, payload] pairs, asked one after the other; where it is none, it is the text of one payload for each door.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import urlsplit

import orjson

from mockforge_asgi.config import NamedQuery, QueryParameter
from mockforge_asgi.config.hosts import canonical_host
from mockforge_asgi.contract import ERROR_CODES, Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.events import Event, EventStream, GuestLogged, HostCallDenied
from mockforge_asgi.http.request_document import EVERYTHING
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices, PluginHostCalls
from mockforge_asgi.security.egress.client import Egress
from mockforge_asgi.security.egress.request import read_url
from mockforge_asgi.security.permissions import NOTHING, EffectivePermissions, KvRight, NetworkRule
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.sources.parameters import typed_parameters
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.wasm.component.guest import envelope
from mockforge_asgi.wasm.fiber import HostCallRequest
from tests.fuzz.fuzzing import Target, kept
from tests.fuzz.trees import changer

DOORS = (
    "log", "secret.get", "config.get", "clock.now", "random.bytes", "file.read", "kv.get", "kv.set", "kv.delete", "kv.add_if_absent",
    "kv.incr", "kv.compare_and_set", "http.request", "data.query", "body.read", "clock.sleep",
)  # fmt: skip
FREE = frozenset({"log", "config.get", "clock.now", "random.bytes", "clock.sleep"})
"""Doors that need no grant."""
SEEDS = kept("doors")
TYPES = {
    "t": "text", "id": "integer", "f": "float", "b": "boolean", "at": "datetime", "bin": "binary", "j": "json", "u": "uuid",
}  # fmt: skip
RIGHTS = EffectivePermissions(
    request_view=EVERYTHING,
    response_body=True,
    secrets=frozenset({"key"}),
    kv=KvRight(max_keys=20, max_bytes=20_000),
    network=(NetworkRule("https", "*.example.com", 443), NetworkRule("http", "api.example.org", 8080)),
    data=frozenset({"db/all"}),
    files=("data/*",),
)
ROOM = asyncio.new_event_loop()
SECRETS = Secrets({"key": "k-a-n-a-r-y"})


class Bodies:
    """A request with bodies."""

    async def read_body(self, of: str) -> bytes:
        return b"0123456789"

    def watched(self) -> AbstractContextManager[None]:
        return nullcontext()


class Typed:
    """Sources whose one query takes a parameter of every type; it answers them."""

    async def query(
        self, source: str, query: str, params: Json, *, limit: int | None, cursor: str | None, count: bool, asker: str, raw: bool,
        max_values: int | None,
    ) -> Json:  # fmt: skip
        given = {name: params.get(name) for name in TYPES}
        named = NamedQuery(query, "", {name: QueryParameter(kind) for name, kind in TYPES.items()})
        return {"asked": typed_parameters(named, given), "limit": limit, "cursor": cursor, "count": count}

    def changed(self, plugin: str) -> None:
        """Nothing is cached."""


async def nowhere(host: str, port: int) -> Sequence[str]:
    """A resolver that finds no name; so nothing is connected to."""
    assert host == canonical_host(host) and (host.endswith(".example.com") or host == "api.example.org"), host
    raise OSError("no such name")


def told(event: Event) -> None:
    """What operators read is one line, in bounds."""
    text = event.message if isinstance(event, GuestLogged) else event.detail if isinstance(event, HostCallDenied) else ""
    assert text.isprintable() or all(char == "\t" or char.isprintable() or char.isspace() for char in text), ascii(text)
    assert "\n" not in text and "\r" not in text and "\x1b" not in text and len(text) < 30_000
    assert "k-a-n-a-r-y" not in text


def asked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(door, payload's text) of each call."""
    try:
        pairs = orjson.loads(data)
        for pair in pairs:
            yield str(pair[0]), orjson.dumps(pair[1])
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, TypeError, KeyError, IndexError, RecursionError):
        for name in DOORS:
            yield name, data


def check(data: bytes) -> None:
    """Ask all, with every right and with none."""
    ROOM.run_until_complete(_ask_all(list(asked(data))[:50]))


async def _ask_all(wanted: list[tuple[str, bytes]]) -> None:
    events = EventStream(Redactor(SECRETS))
    events.subscribe(told)
    rooms = HostServices(
        state=MemoryStore(), events=events, secrets=SECRETS, sources=Typed(),
        egress=lambda rules: Egress(rules, resolver=nowhere),
    )  # fmt: skip
    files = {"data/a.txt": b"x", "secret.txt": b"no"}
    for rights in (RIGHTS, NOTHING):
        doors = PluginHostCalls("guest", rights, rooms, config={"a": {"b": [1]}}, files=files)
        for name, payload in wanted:
            answer = await _ask(doors, name, payload)
            assert answer is None or rights is RIGHTS or name in FREE, (name, answer)
        await doors.close()
    await rooms.state.close()


async def _ask(doors: PluginHostCalls, name: str, payload: bytes) -> Json:
    """The answer in an object of its own, or None for a refusal."""
    request = HostCallRequest(name, payload, lambda answer, error: None)
    try:
        given = request.arguments()
        if name == "clock.sleep" and given.get("ns"):
            return None
        if name == "http.request" and isinstance(given.get("url"), str):
            _one_reading(given["url"])
        answer = await doors.call(name, given, Bodies())
    except HostCallError as error:
        assert error.code in ERROR_CODES and len(error.message) < 200_000 and envelope(error)
        return None
    return orjson.dumps({"ok": answer})


def _one_reading(url: str) -> None:
    """What we take for host, port and scheme is what Python's own reader takes for it."""
    target = read_url(url)
    other = urlsplit(url)
    assert other.hostname is not None and canonical_host(other.hostname) == target.host, (url, target)
    assert (other.scheme, other.port or target.port) == (target.scheme, target.port)
    again = urlsplit(target.url)
    assert again.hostname == target.host and (again.port or target.port) == target.port and target.path[:1] == "/", (url, target)
    assert target.path.isascii() and not set(target.path) & set(" \t\r\n\\"), target.path


TARGET = Target(check, 900, mutate=changer(SEEDS, vocabulary=[[name, {}] for name in DOORS]), max_bytes=8192)
