"""The identity providers: their metadata from a URL or a file, read again before they end and when a key is not known yet."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin import HostError, Processes, http, log, now
from mockforge_plugin.context import detached, entered

from .provider import Unavailable

_REFETCH_S: Final = 30.0
"""The least time between two readings after a failure, or for keys that are not known."""
_FIRST_S: Final = 1.0
"""The same as long as there are none at all."""
_STALE_S: Final = 86_400.0
"""How long metadata serve on that cannot be read again, unless they say less (`validUntil`)."""
_LEAST_S: Final = 60.0
_ACCEPT: Final = "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8"


@dataclass(frozen=True, slots=True)
class Known:
    """What the metadata say; places by binding, `redirect` or `post`."""

    entity_id: str
    certificates: tuple[str, ...]
    sso: Mapping[str, Mapping[str, str]]
    slo: Mapping[str, Mapping[str, str]]
    valid_until_s: float | None


@dataclass(frozen=True, slots=True)
class Source:
    """Where metadata come from: an address or a file, of which `entity_id` is the one provider that is meant."""

    name: str
    label: str
    url: str | None
    file: str | None
    entity_id: str | None
    refresh_s: float
    timeout_ms: int


class IdentityProvider:
    """One provider. Its metadata are read once for all who wait, and by whoever asks first when they are due."""

    def __init__(self, source: Source, worker: Processes, clock: Callable[[], float] = time.monotonic) -> None:
        self.source, self._worker, self._clock = source, worker, clock
        self._known: Known | None = None
        self._failure: Unavailable | None = None
        self._fresh_until = self._stale_until = self._retry_at = self._looked_at = float("-inf")
        self._stamp: tuple[int, int] | None = None
        self._reading: asyncio.Future[None] | None = None

    @property
    def is_well(self) -> bool:
        """Whether the last reading was good."""
        return self._failure is None and self._known is not None

    async def known(self) -> Known:
        """What its metadata say; whoever comes first has them read, and all wait as long as there are none. Raises Unavailable."""
        known = self.at_hand()
        if known is None and (self._reading is not None or self._clock() >= self._retry_at):
            await self._read()
            known = self._usable()
        if known is None:
            raise self._failure.anew() if self._failure is not None else Unavailable.badly("its metadata have expired (validUntil)")
        return known

    def at_hand(self) -> Known | None:
        """The same as far as nobody has to wait for it: what was read before serves while it is read again, but for a file that is new."""
        known = self._usable()
        if known is None or self._clock() < self._retry_at:
            return known
        if self._is_file_new():
            return None
        if self._clock() >= self._fresh_until:
            self._begin_to_read()
        return known

    async def look_for_new_keys(self, known: Known) -> bool:
        """Read the metadata again, now and then, for a signature by a key that they did not have; whether they have others now."""
        if self._clock() >= self._looked_at + _REFETCH_S or self._reading is not None:
            self._looked_at = self._clock()
            await self._read()
        return self._known is not None and self._known.certificates != known.certificates

    async def close(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()

    def _usable(self) -> Known | None:
        known = self._known
        return None if known is None or self._clock() >= self._stale_until or _is_over(known) else known

    def _is_file_new(self) -> bool:
        return self.source.file is not None and _stamp(self.source.file) != self._stamp

    async def _read(self) -> None:
        """Return when the reading that is under way, or else a new one, has ended; it goes on when its caller leaves."""
        await asyncio.shield(self._begin_to_read())

    def _begin_to_read(self) -> asyncio.Future[None]:
        if self._reading is None:
            with entered(detached()):
                self._reading = asyncio.ensure_future(self._read_now())
        return self._reading

    async def _read_now(self) -> None:
        try:
            entity_id = self.source.entity_id if self._known is None else self._known.entity_id
            said = await self._worker.call("metadata", await self._text(), entity_id, now().timestamp())
            if "refused" in said:
                self._failed(Unavailable.badly(said["refused"]))
            else:
                self._accept(said)
        except Unavailable as error:
            self._failed(error)
        except HostError as error:
            self._failed(Unavailable.after(error))
        finally:
            self._reading = None

    async def _text(self) -> str:
        if self.source.file is not None:
            self._stamp = _stamp(self.source.file)
            try:
                return await asyncio.to_thread(_file_text, self.source.file)
            except (OSError, ValueError) as error:
                raise Unavailable.badly(f"it cannot be read: {error}") from None
        assert self.source.url is not None, "a source is a file or a URL"
        answer = await http.get(self.source.url, headers={"accept": _ACCEPT}, timeout_ms=self.source.timeout_ms)
        if answer.status != 200:
            raise Unavailable.badly(f"it answered {answer.status}")
        return answer.text

    def _accept(self, said: Mapping[str, Any]) -> None:
        if said["passed_over"]:
            self._tell(f"keys passed over: {'; '.join(said['passed_over'])[:500]}")
        keys = tuple(said["certificates"])
        if self._known is not None and keys != self._known.certificates:
            log.info(f"identity provider {self.source.name}: its metadata have other keys than before")
        self._known, self._failure = Known(said["entity_id"], keys, said["sso"], said["slo"], said["valid_until_s"]), None
        age_s = min(self.source.refresh_s, said["cache_s"] if said["cache_s"] is not None else self.source.refresh_s)
        self._fresh_until = self._clock() + max(age_s, _LEAST_S)
        self._stale_until, self._retry_at = self._fresh_until + _STALE_S, float("-inf")

    def _failed(self, failure: Unavailable) -> None:
        is_first = self._failure is None and self._known is None
        self._failure, self._retry_at = failure.anew(), self._clock() + (_FIRST_S if self._known is None else _REFETCH_S)
        if is_first and failure.status == 503:  # it may start at the same time, or be a part of this very server
            self._retry_at = self._clock()
            self._tell(f"its metadata cannot be read: {failure.why}; it is asked again with the next login", log.info)
        else:
            self._tell(f"its metadata cannot be read: {failure.why}")

    def _tell(self, words: str, how: Callable[[str], None] = log.warning) -> None:
        try:
            how(f"identity provider {self.source.name} ({self.source.url or self.source.file}): {words}")
        except HostError:
            pass  # whoever began the reading is gone, and the log with it


def _is_over(known: Known) -> bool:
    return known.valid_until_s is not None and now().timestamp() >= known.valid_until_s


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _file_text(file: str) -> str:
    with open(file, encoding="utf-8") as opened:
        return opened.read(4 << 20)
