"""The host calls of one plugin: every function of the host that it may call, under its grants.

Each checks the right first, then the payload, then acts; what is refused is a HostCallError for the guest and an event for
the operator. Quick ones are answered at once (`call_now`), the others are awaited (`call`). How a guest makes a call is its
host's affair.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.errors import HostCallError, StateError
from mockforge_asgi.events import EventStream, HostCallDenied, PluginWarning
from mockforge_asgi.http.request_document import base64_text
from mockforge_asgi.plugins.hostcalls import payload as read
from mockforge_asgi.plugins.hostcalls.clock_random import REAL, ClockAndRandom
from mockforge_asgi.plugins.hostcalls.guest_log import GuestLog, escaped
from mockforge_asgi.plugins.hostcalls.package_files import PackageFiles
from mockforge_asgi.plugins.hostcalls.services import HttpClient, Payload, Queries
from mockforge_asgi.security.permissions import EffectivePermissions, KvRight, NetworkRule
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.state import KeySpace, Quota, StateStore
from mockforge_asgi.state.operations import AddIfAbsent, CompareAndSet, Delete, Get, Incr, Operation, Set, check_by, check_key, check_ttl

MAX_CHUNK = 256 * 1024
MAX_RANDOM = 65_536
MAX_VALUES = 20_000
"""Of a data result that a sandboxed plugin is given."""
_DENIALS_TOLD = 100
_TRUSTED_KV = KvRight(max_keys=100_000, max_bytes=64 << 20)
_SPLIT = (
    "it keeps data in key-value storage, and another worker of this server keeps its own: memory:// is not shared. "
    "Write `state: {url: sqlite:///mockforge-state.db}`, or serve with one worker (docs/explanation/several-workers.md)."
)

Quick: TypeAlias = Callable[[Payload], Json]
Waiting: TypeAlias = Callable[[Payload, BodyReader | None], Awaitable[Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostServices:
    """What answers the host calls of a runtime's plugins. `egress` makes a plugin's HTTP client from its rules, when first used."""

    state: StateStore
    events: EventStream
    secrets: Secrets = field(default_factory=Secrets)
    secrets_place: str = "`secrets:`"
    """Where their values are set, in words."""
    sources: Queries | None = None
    egress: Callable[[Sequence[NetworkRule] | None], HttpClient] | None = None
    clock_random: ClockAndRandom = REAL


class PluginHostCalls:
    """The host calls of one plugin; see `contract.HostCalls`."""

    def __init__(
        self,
        plugin: str,
        rights: EffectivePermissions | None,
        services: HostServices,
        *,
        config: Json = None,
        files: Mapping[str, bytes] | None = None,
        kinds: Collection[str] = (),
    ) -> None:
        """`rights` None: trusted code, which may ask for everything. `files` are those of its package."""
        self.plugin, self.rights, self._services = plugin, rights, services
        self._config = config if isinstance(config, Mapping) else {}
        self._denials = 0
        self._is_split_told = False
        self._http_client: HttpClient | None = None
        self._is_closed = False
        self._log = GuestLog(plugin, services.events)
        self._files = PackageFiles(files or {}, None if rights is None else rights.files)
        self._clock_random = services.clock_random.for_kinds(kinds)
        kv = _TRUSTED_KV if rights is None else rights.kv
        self._space = None if kv is None else KeySpace(services.state, f"plugin/{plugin}", _quota(kv))
        self._quick: dict[str, Quick] = {
            "log": self._log.write,
            "secret.get": self._secret,
            "config.get": self._config_value,
            "clock.now": self._now,
            "random.bytes": self._random,
            "file.read": self._file,
            "data.changed": self._changed,
        }
        self._waiting: dict[str, Waiting] = {
            "http.request": self._http,
            "data.query": self._query,
            "body.read": self._body,
            "file.read": self._large_file,
            "clock.sleep": self._sleep,
        }

    def call_now(self, name: str, payload: Payload) -> Json:
        """The answer to a call that needs no waiting, or `NotImplemented`. Raises HostCallError."""
        try:
            quick = self._quick.get(name)
            if quick is not None:
                return quick(_mapping(payload))
            made = _KV.get(name)
            if made is not None:
                operation, answer = made[0](self._storage(), _mapping(payload)), made[1]
                found = self._storage().run_now(operation)
                return NotImplemented if found is NotImplemented else answer(found)
        except StateError as error:
            raise self._state_failed(name, error) from error
        except HostCallError as error:
            self._told(name, error)
            raise
        if name not in self._waiting:
            raise HostCallError("not_found", f"there is no host call {name[:40]!r}")
        return NotImplemented

    async def call(self, name: str, payload: Payload, request: BodyReader | None) -> Json:
        """The answer to any call. Raises HostCallError."""
        answer = self.call_now(name, payload)
        if answer is not NotImplemented:
            return answer
        try:
            if name in _KV:
                make, shape = _KV[name]
                return shape(await self._storage().run(make(self._storage(), payload)))
            return await self._waiting[name](_mapping(payload), request)
        except StateError as error:
            raise self._state_failed(name, error) from error
        except HostCallError as error:
            self._told(name, error)
            raise

    async def close(self) -> None:
        """Close what the calls keep open."""
        client, self._http_client, self._is_closed = self._http_client, None, True
        if client is not None:
            await client.close()

    def headers_left_out(self, names: Sequence[str]) -> None:
        """Tell the operator of headers that the plugin's answers name and may not set."""
        what = f"{', '.join(names)}: left out of its answer; to allow it, ask for response.set_headers in plugin.yaml and grant it"
        self._told("response.set_headers", HostCallError("denied", what))

    def _told(self, name: str, error: HostCallError) -> None:
        if error.code == "denied" and self._denials < _DENIALS_TOLD:
            self._denials += 1
            self._services.events.emit(HostCallDenied(plugin=self.plugin, host_call=name, detail=escaped(error.message[:500])))

    def _state_failed(self, name: str, error: StateError) -> HostCallError:
        """What the plugin hears of it. Where the state is kept, and what is wrong there, only the operator hears."""
        if error.code != "unavailable":
            return HostCallError(error.code, str(error))
        if self._denials < _DENIALS_TOLD:
            self._denials += 1
            self._services.events.emit(PluginWarning(plugin=self.plugin, detail=f"{name}: {error}"))
        return HostCallError("unavailable", "the key-value storage cannot be used now", retryable=True)

    def _storage(self) -> KeySpace:
        if self._space is None:
            raise HostCallError("denied", "key-value storage is not granted to this plugin (kv)")
        if not self._is_split_told:
            self._is_split_told = True
            if self._services.state.is_split(self._space.name):
                self._services.events.emit(PluginWarning(plugin=self.plugin, detail=_SPLIT))
        return self._space

    def _secret(self, payload: Payload) -> Json:
        name = read.text(payload, "name")
        if self.rights is not None and name not in self.rights.secrets:
            raise HostCallError("denied", f"the secret {name!r} is not granted to this plugin")
        secrets = self._services.secrets
        value = secrets.read_again(name) if payload.get("again") is True else secrets.get(name)
        if value is None:
            raise HostCallError("not_found", f"the secret {name!r} has no value; set it under {self._services.secrets_place}")
        return {"value": value}

    def _config_value(self, payload: Payload) -> Json:
        return self._config.get(read.text(payload, "key"))

    def _now(self, payload: Payload) -> Json:
        return {"unix_ns": self._clock_random.unix_ns(), "monotonic_ns": self._clock_random.monotonic_ns()}

    def _random(self, payload: Payload) -> Json:
        return {"hex": self._clock_random.random_bytes(read.whole(payload, "n", None, least=1, most=MAX_RANDOM)).hex()}

    def _file(self, payload: Payload) -> Json:
        data = self._files.read(payload)
        return {"base64": base64.b64encode(data).decode("ascii")} if len(data) <= MAX_CHUNK else NotImplemented

    async def _large_file(self, payload: Payload, request: BodyReader | None) -> Json:
        return {"base64": await base64_text(self._files.read(payload))}

    async def _sleep(self, payload: Payload, request: BodyReader | None) -> Json:
        await asyncio.sleep(read.whole(payload, "ns", None, least=0, most=1 << 62) / 1e9)  # the call's `timeout_ms` ends it earlier

    async def _http(self, payload: Payload, request: BodyReader | None) -> Json:
        rules = None if self.rights is None else self.rights.network
        if rules is not None and not rules:
            raise HostCallError("denied", "no network place is granted to this plugin")
        if self._is_closed:  # nobody would close another client
            raise HostCallError("unavailable", "the plugin is being stopped")
        if self._http_client is None:
            if self._services.egress is None:
                raise HostCallError("unavailable", "this runtime has no HTTP client")
            self._http_client = self._services.egress(rules)
        return await self._http_client.request(payload)

    async def _query(self, payload: Payload, request: BodyReader | None) -> Json:
        source, query = read.text(payload, "source"), read.text(payload, "query", max_chars=65_536)
        rights = self.rights
        is_named = rights is None or f"{source}/{query}" in rights.data
        if rights is not None and not is_named and source not in rights.data_raw:
            raise HostCallError("denied", f"the query {source + '/' + query[:100]!r} is not granted to this plugin")
        if self._services.sources is None:
            raise HostCallError("unavailable", "this runtime has no data sources")
        cursor = read.text(payload, "cursor", max_chars=4096) if payload.get("cursor") is not None else None
        limit = read.optional_whole(payload, "limit", least=1, most=100_000)
        params = read.members(payload, "params")
        count = payload.get("count") is True
        most = None if self.rights is None else MAX_VALUES
        return await self._services.sources.query(
            source, query, params, limit=limit, cursor=cursor, count=count, asker=self.plugin, raw=not is_named, max_values=most
        )

    def _changed(self, payload: Payload) -> Json:
        if self._services.sources is not None:
            self._services.sources.changed(self.plugin)

    async def _body(self, payload: Payload, request: BodyReader | None) -> Json:
        of = read.text(payload, "of")
        if of not in ("request", "request.raw", "response"):
            raise HostCallError("invalid_input", "`of` must be 'request', 'request.raw' or 'response'")
        rights = self.rights
        if rights is not None and not (rights.response_body if of == "response" else rights.request_view.body):
            whose = of.removesuffix(".raw")
            raise HostCallError("denied", f"the {whose}'s body is not granted to this plugin ({whose}.body)")
        if request is None:
            raise HostCallError("unavailable", "no request belongs to this call")
        offset = read.whole(payload, "offset", 0, least=0, most=2**53)
        length = read.whole(payload, "length", MAX_CHUNK, least=0, most=2**53)
        body = await request.read_body(of)
        chunk = body[offset : offset + min(length, MAX_CHUNK)]
        return {"base64": base64.b64encode(chunk).decode("ascii"), "total": len(body)}


def _quota(right: KvRight) -> Quota:
    return Quota(right.max_keys, right.max_bytes, min(Quota().max_value_bytes, right.max_bytes))


def _mapping(payload: object) -> Payload:
    if not isinstance(payload, Mapping):
        raise HostCallError("invalid_input", "a host call takes a JSON object")
    return payload


def _set(space: KeySpace, payload: Payload) -> Set:
    return space.op_set(payload.get("key", ""), payload.get("value"), payload.get("ttl_s"))


def _add(space: KeySpace, payload: Payload) -> AddIfAbsent:
    return space.op_add(payload.get("key", ""), payload.get("value"), payload.get("ttl_s"))


def _swap(space: KeySpace, payload: Payload) -> CompareAndSet:
    return space.op_swap(payload.get("key", ""), payload.get("expected"), payload.get("value"), payload.get("ttl_s"))


def _incr(space: KeySpace, payload: Payload) -> Incr:
    return Incr(check_key(payload.get("key", "")), check_by(payload.get("by", 1)), check_ttl(payload.get("ttl_s")))


_KV: dict[str, tuple[Callable[[KeySpace, Payload], Operation], Callable[[Any], Json]]] = {
    "kv.get": (lambda space, payload: Get(check_key(payload.get("key", ""))), lambda found: {"value": found}),
    "kv.set": (_set, lambda found: None),
    "kv.delete": (lambda space, payload: Delete(check_key(payload.get("key", ""))), lambda found: {"deleted": found}),
    "kv.add_if_absent": (_add, lambda found: {"added": found}),
    "kv.incr": (_incr, lambda found: {"value": found}),
    "kv.compare_and_set": (_swap, lambda found: {"swapped": found}),
}
