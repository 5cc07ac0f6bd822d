"""Sessions by the names that an identity provider ends them by: bounded lists in key-value storage, under digests of the names."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from mockforge_plugin.failure import PluginError
from mockforge_plugin.host import kv, sleep

MAX_SESSIONS: Final = 50
"""The most sessions of one index, if nothing else is said; the one that would have ended first makes room for the next."""
_ATTEMPTS: Final = 20

Entries: TypeAlias = list[tuple[str, float]]
"""(session, Unix time at which it ends), in that order."""


def index_keys(names: Iterable[str]) -> list[str]:
    """Where the lists of those names are kept."""
    return [f"index/{hashlib.sha256(name.encode()).hexdigest()[:32]}" for name in dict.fromkeys(names)]


async def add(key: str, session: str, expires_s: float, now_s: float, most: int = MAX_SESSIONS) -> list[str]:
    """Add a session; those that had to make room for it, since there are `most` at the most, must be ended."""
    held = await _changed(key, now_s, lambda entries: [*entries[max(0, len(entries) + 1 - most) :], (session, expires_s)])
    return [id for id, _ in held[: max(0, len(held) + 1 - most)]]


async def remove(key: str, session: str, now_s: float) -> None:
    """Take a session out that has ended."""
    await _changed(key, now_s, lambda entries: [each for each in entries if each[0] != session])


async def sessions_of(key: str) -> list[str]:
    """The sessions that were added and not taken out; some of them may have ended by themselves."""
    return [id for id, _ in await kv.get(key, [])]


async def _changed(key: str, now_s: float, change: Callable[[Entries], Entries]) -> Entries:
    """Change a list; what was in it."""
    for attempt in range(_ATTEMPTS):
        if attempt:  # others change it at the same time: each at a moment of its own
            await sleep(secrets.randbelow(attempt * 10) / 1000)
        held = await kv.get(key)
        before = sorted(((id, ends_s) for id, ends_s in held or () if ends_s > now_s), key=lambda each: each[1])
        after = sorted(change(before), key=lambda each: each[1])
        if await kv.compare_and_set(key, held, after or None, ttl_s=after[-1][1] - now_s if after else None):
            return before
    raise PluginError("too many logins of one user at a time", code="unavailable", retryable=True)
