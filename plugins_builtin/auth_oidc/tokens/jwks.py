"""A provider's keys by URL: fetched once, kept as long as it says within bounds, fetched anew for a key that nobody knows yet.

One fetch at a time, and none soon after another, whatever tokens come; while the provider is down its last keys serve on, for a while.

The same file stands in every built-in plugin that fetches a provider's keys; a test keeps them alike.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from mockforge_plugin import HostError, HttpAnswer, http, log
from mockforge_plugin.context import detached, entered

from .keys import ASYMMETRIC, BadKey, KeySet, VerifyingKey, usable_keys
from .provider import Unavailable
from .strict_json import NotStrict, read_object

_MAX_AGE: Final = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]{1,9})", re.I)
_NEVER_KEPT: Final = re.compile(r"(?:^|,)\s*no-(?:store|cache)\b", re.I)
_DEFAULT_AGE_S: Final = 300.0
_MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """How long keys are kept and when they are asked for again, in seconds."""

    fresh_min_s: float = 60.0
    fresh_max_s: float = 3600.0
    stale_s: float = 3600.0
    refetch_s: float = 10.0
    timeout_ms: int = 3000


class StaticKeys:
    """Keys of the configuration: always there."""

    generation: Final = 0

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys
        self.algorithms = keys.algorithms
        """What a token may be signed with, unless the operator says less."""

    def is_current(self, generation: int) -> bool:
        """Whether what was verified with the keys of that generation still holds."""
        return True

    async def find(self, algorithm: str, kid: str | None) -> tuple[VerifyingKey, ...]:
        """The keys that may have signed."""
        return self.keys.candidates(algorithm, kid)

    async def prepare(self) -> None:
        """Nothing is to be fetched."""

    async def close(self) -> None:
        """Nothing is under way."""


class RemoteKeys:
    """Keys of a JWK set by URL, and those of the configuration beside them."""

    def __init__(
        self, url: str, times: KeyTimes, allowed: Collection[str] | None, own: KeySet, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.url, self.times, self.allowed, self.own, self._clock = url, times, allowed, own, clock
        self.keys = KeySet()
        self.algorithms = own.algorithms.union(ASYMMETRIC)
        self.generation = 0
        """Rises with every change of the keys: what was verified before counts no more."""
        self._fresh_until = self._stale_until = self._looked_at = self._retry_at = float("-inf")
        self._failure: Unavailable | None = None
        self._fetching: asyncio.Task[None] | None = None

    def is_current(self, generation: int) -> bool:
        """Whether what was verified with the keys of that generation still holds: no, where keys must be fetched first."""
        return generation == self.generation and self._clock() < self._fresh_until

    async def find(self, algorithm: str, kid: str | None) -> tuple[VerifyingKey, ...]:
        """The keys that may have signed; the provider is asked again, now and then, for one that is not known. Raises Unavailable."""
        own = self.own.candidates(algorithm, kid)
        if own and self.own.knows(kid):
            return own
        is_news = await self._ready()
        found = self.keys.candidates(algorithm, kid)
        if not found and not self.keys.knows(kid):
            if not is_news:
                await self._look_for_more()
            found = self.keys.candidates(algorithm, kid)
            if not found and self._failure is not None:
                raise self._failure.anew()
        return own + found

    async def prepare(self) -> None:
        """Fetch them before the first request; a provider that is not there yet is asked again later."""
        try:
            await self._ready()
        except Unavailable:
            pass  # the log has it

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def _ready(self) -> bool:
        """Have keys that may be used; whether they came just now. Raises Unavailable."""
        now = self._clock()
        if now < self._fresh_until:
            return False
        is_waited_for = now >= self._retry_at if self._fetching is None else now >= self._stale_until  # else what there is serves meanwhile
        if is_waited_for:
            await self._fetched()
        if self._clock() >= self._stale_until:
            raise self._failure.anew() if self._failure is not None else Unavailable.badly("there are no keys")
        return is_waited_for

    async def _look_for_more(self) -> None:
        """Fetch for a key that is not known; whatever names are made up, seldom. The fetches that are due anyway do not count."""
        now = self._clock()
        if self._fetching is None:
            if now < self._looked_at + self.times.refetch_s:
                return
            self._looked_at = now
        await self._fetched()

    async def _fetched(self) -> None:
        """Return when the fetch that is under way, or else a new one, has ended. It goes on when the request that began it is given up."""
        if self._fetching is None:
            with entered(detached()):
                self._fetching = asyncio.get_running_loop().create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        self._retry_at = self._clock() + self.times.refetch_s  # also when it ends in a way that nobody foresaw
        try:
            answer = await http.get(self.url, headers={"accept": "application/json"}, timeout_ms=self.times.timeout_ms)
            self._accept(answer, *await asyncio.to_thread(_read, answer, self.allowed))  # a large set would hold the event loop
        except HostError as error:
            self._failed(Unavailable.after(error))
        except BadKey as error:
            self._failed(Unavailable.badly(str(error)))
        finally:
            self._fetching = None

    def _accept(self, answer: HttpAnswer, keys: KeySet, passed_over: list[str]) -> None:
        if keys.identity != self.keys.identity:
            self.generation += 1
            if passed_over:
                self._tell(f"keys passed over: {'; '.join(passed_over)[:500]}")
        now = self._clock()
        self.keys, self._failure, self._retry_at = keys, None, float("-inf")
        self._fresh_until = now + self._age(answer)
        self._stale_until = self._fresh_until + self.times.stale_s

    def _failed(self, failure: Unavailable) -> None:
        self._failure, self._retry_at = failure, self._clock() + self.times.refetch_s
        serves = (
            "its last keys serve on meanwhile"
            if self._clock() < self._stale_until
            else "until they come, its tokens are answered 502 or 503"
        )
        self._tell(f"the provider's keys cannot be fetched: {failure.why} ({serves})")

    def _tell(self, what: str) -> None:
        try:
            log.warning(f"{self.url}: {what}")
        except HostError:
            pass  # whoever began the fetch is gone, and the log with it

    def _age(self, answer: HttpAnswer) -> float:
        control = ",".join(answer.headers.all("cache-control"))
        said = _MAX_AGE.search(control)
        age_s = _DEFAULT_AGE_S if said is None else float(said[1])
        if (already := answer.headers.get("age") or "").isascii() and already.isdigit():
            age_s -= float(already[:9])
        if _NEVER_KEPT.search(control):
            age_s = 0.0
        return min(max(age_s, self.times.fresh_min_s), self.times.fresh_max_s)


def _read(answer: HttpAnswer, allowed: Collection[str] | None) -> tuple[KeySet, list[str]]:
    """The keys that an answer has, and why others cannot be used. Raises BadKey."""
    if answer.status != 200:
        raise BadKey(f"it answered {answer.status}")
    if len(answer.body) > _MAX_BYTES:
        raise BadKey(f"it answered more than {_MAX_BYTES} bytes")
    try:
        keys, passed_over = usable_keys(read_object(answer.body), allowed)
    except NotStrict as error:
        raise BadKey(f"its answer is refused: {error}") from None
    if not keys.keys:
        raise BadKey(f"none of its keys can be used: {'; '.join(passed_over)[:500] or 'there are none'}")
    return keys, passed_over
