"""Back-off: whoever sends wrong credentials again and again has to wait, longer each time, before plugins are asked again.

Two counts in the shared state: of an address, and of a user name from that address. The name is the one of `Authorization: Basic`, known
before a plugin is asked. No count of a name holds for other addresses, or anybody could lock anybody out. While a caller waits, a right
password is refused like a wrong one. Nothing is looked up of addresses that have not failed in this process (`auth/seen.py`).
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import Final
from unicodedata import category, normalize

from mockforge_asgi.auth.failures import Fail, Waits
from mockforge_asgi.auth.seen import KnownWaits, SeenFailures, UnderWay
from mockforge_asgi.errors import RequestRejected, StateError
from mockforge_asgi.events import CallerDelayed, EventStream, NameAttacked
from mockforge_asgi.http.backoff import Allowance, BackoffConfig, network_of
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.state import KeySpace, Quota, StateStore

MAX_CALLERS: Final = 50_000
"""The most counts that are kept; beyond them, new callers are counted with their neighbours."""
LEAST_AT_ONCE: Final = 4
"""So many requests of a caller that has failed may wait for a decision at once, in one process; more, where it has more failures free."""
GUESSED_TIMES: Final = 10
"""So many times the attempts of one address, from all of them together, and an event tells that the name is attacked."""
_MAX_HEADER: Final = 8192
_NOT_SEEN: Final = frozenset({"Mn", "Me", "Cf"})
"""Categories of characters that directories ignore: accents, variation selectors, joiners, marks of direction (RFC 4518 §2.2)."""
_QUOTA: Final = Quota(MAX_CALLERS, 8 << 20, 256)
_NEIGHBOURS: Final = Quota(1 << 17, 16 << 20, 256)


class Backoff:
    """The counts of one configuration, over the runtime's shared state."""

    __slots__ = ("_address", "_anywhere", "_config", "_events", "_name", "_names", "_state", "_under_way", "_waits", "seen")

    def __init__(
        self, config: BackoffConfig, state: Callable[[], StateStore], events: EventStream, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._state, self._events = config, state, events
        self._address = Allowance(config.attempts_from_address, config.delay_s, config.max_delay_s, config.forget_s)
        self._name = Allowance(config.attempts, config.delay_s, config.max_delay_s, config.forget_s)
        self._anywhere = Allowance(config.attempts * GUESSED_TIMES, config.delay_s, config.delay_s, config.forget_s)
        self._under_way = UnderWay()
        self._waits = KnownWaits(clock)
        self._names = f"auth/backoff/{_digest(config.scope)}" if config.scope else "auth/backoff"
        self.seen: Final = SeenFailures(max(self._address.lasts_s, self._name.lasts_s), clock)

    async def begin(self, exchange: Exchange) -> Attempt | None:
        """Before plugins are asked; None for an address that has not failed. `Attempt.end` must follow. Raises RequestRejected (429)."""
        snapshot = exchange.snapshot
        if (client := snapshot.client) is None or (caller := network_of(client)) not in self.seen:
            return None
        name = attempted_name(snapshot)
        keys = [("a " + caller, self._address)] + ([(_key("p", name, caller), self._name)] if name else [])
        wait_s, count, at_once = max(self._waits.left_s(key) for key, _ in keys), 0.0, dict[str, int]()
        for key, allowance in keys if wait_s <= 0 else ():
            found_s, count = await self._look(key, allowance, caller)
            wait_s = max(wait_s, found_s)
            self._waits.note(key, found_s)
            at_once[key] = max(LEAST_AT_ONCE, allowance.attempts - round(count))
        if wait_s <= 0 and not self._under_way.enter(at_once):
            wait_s = 1.0
        if wait_s > 0:
            exchange.answered_by = "backoff"
            raise RequestRejected(429, "too many wrong credentials: try again later", [("retry-after", str(ceil(wait_s)))])
        return Attempt(self._under_way, tuple(at_once), self._space(), keys[-1][0] if name and count else "")

    async def failed(self, exchange: Exchange) -> None:
        """Its credentials were wrong."""
        snapshot = exchange.snapshot
        if (client := snapshot.client) is None:  # a server that does not say who calls: there is nobody to count
            return
        caller, name = network_of(client), attempted_name(snapshot)
        self.seen.add(caller)
        keys = [("a " + caller, self._address)]
        if name:
            keys += [(_key("p", name, caller), self._name), (_key("n", name), self._anywhere)]
        counts = [await self._fail(key, allowance, caller) for key, allowance in keys]
        wait_s, count, _ = max(counts[:2])
        if wait_s > 0:
            self._events.emit(CallerDelayed(address=caller, failures=round(count), wait_s=round(wait_s, 1)))
        if name and round(counts[2][2]) < self._anywhere.attempts <= round(counts[2][1]):
            self._events.emit(NameAttacked(name=name, failures=self._anywhere.attempts))

    async def _look(self, key: str, allowance: Allowance, caller: str) -> tuple[float, float]:
        wait_s, count = await self._space().run(Waits(key, allowance))
        if not count and key.startswith("a "):
            wait_s, _ = await self._neighbours().run(Waits(_neighbourhood(caller), allowance))
        return wait_s, count

    async def _fail(self, key: str, allowance: Allowance, caller: str) -> tuple[float, float, float]:
        try:
            wait_s, count, before = await self._space().run(Fail(key, allowance))
        except StateError as error:
            if error.code != "limit":
                raise
            if not key.startswith("a "):
                return 0.0, 0.0, 0.0
            wait_s, count, before = await self._neighbours().run(Fail(_neighbourhood(caller), allowance))
        return wait_s, count, before

    def _space(self) -> KeySpace:
        return KeySpace(self._state(), self._names, _QUOTA)

    def _neighbours(self) -> KeySpace:
        return KeySpace(self._state(), f"{self._names}/neighbours", _NEIGHBOURS)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request of an address that has failed before, while it is decided."""

    _under_way: UnderWay
    _keys: tuple[str, ...]
    _space: KeySpace
    _name_key: str
    """The count of its user name from there; empty where nobody is named, or has not failed."""

    def end(self) -> None:
        """It is decided, or nobody waits for that any more."""
        self._under_way.leave(self._keys)

    async def succeeded(self) -> None:
        """The caller was let pass: its failures under that name are forgotten, those of its address are not."""
        if self._name_key:
            await self._space.delete(self._name_key)


class Backoffs:
    """One `Backoff` for each configuration, for as long as a mount lives."""

    __slots__ = ("_made", "_runtime", "clock")

    def __init__(self, runtime: PluginRuntime) -> None:
        self._runtime = runtime
        self.clock: Callable[[], float] = time.monotonic
        self._made: dict[BackoffConfig, Backoff] = {}

    def of(self, config: BackoffConfig | None) -> Backoff | None:
        """The one of a rule; None where it has none."""
        if config is None:
            return None
        if config not in self._made:
            self._made[config] = Backoff(config, lambda: self._runtime.state, self._runtime.events, self.clock)
        return self._made[config]


def attempted_name(snapshot: RequestSnapshot) -> str:
    """The user name that `Authorization: Basic` tells, in one spelling; empty where it tells none."""
    told = snapshot.header("authorization") or ""
    if told[:6].lower() != "basic " or len(told) > _MAX_HEADER:
        return ""
    try:
        name, colon, _ = b64decode(told[6:]).partition(b":")
    except ValueError:
        return ""
    return spelling(name[:1024].decode("utf-8", "replace")) if colon else ""


def spelling(name: str) -> str:
    """One spelling of all those of a user name that a directory may take for the same: without accents and what is not seen, too.

    More names than are the same may be counted together, for they are counted for one address.
    """
    letters = (c for c in normalize("NFKD", name)[:2048] if category(c) not in _NOT_SEEN)
    return " ".join(normalize("NFKC", "".join(letters)).casefold().split())[:256]


def _key(kind: str, *parts: str) -> str:
    """The key of a count: who was named is not to be read in it."""
    return f"{kind} {_digest(chr(0).join(parts))}"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _neighbourhood(caller: str) -> str:
    """The first sixteen bits of an address, with which it is counted where there is no room for it alone."""
    return "a " + (":".join(caller.split(":")[:1]) if ":" in caller else ".".join(caller.split(".")[:2]))
