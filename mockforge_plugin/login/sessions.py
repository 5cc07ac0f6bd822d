"""Sessions of browsers: who logged in stands in an encrypted cookie, and that the session goes on, in key-value storage.

A session lives as long as its record is there, so that a logout holds for all workers at once and after a restart, and storage that is
lost ends sessions rather than forgetting logouts. What a cookie cannot hold stands in the record too.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mockforge_plugin.failure import PluginError
from mockforge_plugin.host import kv, now
from mockforge_plugin.login import indexes as indexes_
from mockforge_plugin.login import settings as _settings
from mockforge_plugin.login.cookies import LoginCookie, SetHeaders
from mockforge_plugin.login.failed import LoginFailed
from mockforge_plugin.login.sealing import Sealer
from mockforge_plugin.login.settings import SessionSettings
from mockforge_plugin.request import Request
from mockforge_plugin.values import Allow, Json, PluginInfo, Principal

MAX_CLAIMS_CHARS: Final = 32_768
"""Of all that is known of one session, sealed."""
_CACHED_CHARS: Final = 8 << 20
_CLOCKS_DIFFER_S: Final = 300
_VARY: Final = (("vary", "Cookie"),)
"""On what is answered to a session: caches must not give it to others (RFC 9110 §12.5.5)."""
_NEVER_S: Final = float("inf")
_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class Session:
    """A session that goes on. Times are in seconds of Unix time; nothing of it is to be changed.

    `allow` has `Vary: Cookie` for the answer, so that no cache gives it to others: keep it in `Allow.set_headers` of your own.
    """

    id: str
    allow: Allow
    data: Mapping[str, Json]
    created_s: float
    expires_s: float
    version: int = field(default=1, repr=False)
    """How often it was renewed."""


class Sessions:
    """The sessions of one plugin, made in `init`."""

    def __init__(self, settings: SessionSettings, *, provider: str = "") -> None:
        """`provider` names whom users are known by: sessions that were begun by another one are over."""
        self.settings, self.sealer = settings, Sealer(f"{settings.plugin}\0{provider}" if provider else settings.plugin, settings.keys)
        self.cookie = LoginCookie(settings.cookie, settings)
        self._opened: OrderedDict[bytes, _Opened] = OrderedDict()
        self._chars = 0

    @classmethod
    def from_config(
        cls, config: Mapping[str, Json] | None, secret: Callable[[str], str], plugin: PluginInfo, *, provider: str = ""
    ) -> Sessions:
        """The sessions that a `session:` object describes; `secret` is the kit's, `plugin` the plugin's `self.plugin`.

        Raises PluginError (`invalid_config`) with every problem.
        """
        return cls(SessionSettings.from_config(config, secret, plugin), provider=provider)

    @staticmethod
    def problems(config: object) -> Iterator[tuple[str, str]]:
        """(key, what is wrong) of a `session:` object, for `validate_config`."""
        return _settings.problems(config)

    async def begin(
        self,
        request: Request,
        allow: Allow,
        *,
        data: Mapping[str, Json] | None = None,
        private: Mapping[str, Json] | None = None,
        expires_s: float | None = None,
        indexes: Iterable[str] = (),
    ) -> SetHeaders:
        """A new session; the headers that give it to the browser. One that the request carries ends (session fixation), and where the
        principal has `per_user` of them, the one that would have ended first.

        `data` is the plugin's own, in the cookie as far as it fits; `private` is kept at the host, encrypted; `indexes` are texts by which
        `end_by` finds it. `expires_s` is the Unix time at which it ends at the latest. Raises PluginError for too much, HostError where
        storage fails.
        """
        carried = await self.find(request)
        if carried is not None:
            await self._forget(carried.id)
        now_s = now().timestamp()
        ends_s = min(now_s + self.settings.lifetime_s, _NEVER_S if expires_s is None else expires_s)
        if ends_s <= now_s:
            raise LoginFailed("the login has ended already")
        made = Session(secrets.token_urlsafe(16), allow, dict(data or {}), now_s, ends_s)
        value, record = await self._written(request, made)
        whose, *keys = indexes_.index_keys([f"principal\n{allow.principal.id}", *indexes])
        record["x"] = [whose, *keys]
        try:
            if private is not None:
                await self._keep_private(made, private, now_s)
            await kv.set(_record(made.id), record, ttl_s=ends_s - now_s)
            for key in (whose, *keys):
                most = self.settings.per_user if key == whose else indexes_.MAX_SESSIONS
                for id in await indexes_.add(key, made.id, ends_s, now_s, most):
                    await self._forget(id)
        except PluginError:
            await self._forget(made.id)  # half of a session, or one that the provider could not end
            raise
        return self.cookie.headers(request, value, ends_s - now_s)

    async def find(self, request: Request) -> Session | None:
        """The session that the request carries, if it goes on: its cookie is verified once, its record looked up each time.

        Raises HostError where storage fails: nobody passes then.
        """
        value = self.cookie.value(request)
        if value is None:
            return None
        opened = self._known(digest := _digest(value)) or await self._open(value, digest)
        if opened is None or not opened.created_s - _CLOCKS_DIFFER_S <= now().timestamp() < opened.expires_s:
            return None
        record = await kv.get(_record(opened.id))
        if record is None:
            return None
        return opened.session if opened.session is not None and opened.version == record["v"] else await self._stored(opened.id, record)

    async def private(self, session: Session) -> dict[str, Json]:
        """What `begin` or `renew` was given as `private`; empty where that was nothing. Raises HostError where storage fails."""
        sealed = await kv.get(_private(session.id))
        found = None if sealed is None else await self.sealer.open(sealed, "private")
        return found["d"] if found is not None and found["i"] == session.id else {}

    async def renew(
        self,
        request: Request,
        session: Session,
        *,
        allow: Allow | None = None,
        data: Mapping[str, Json] | None = None,
        private: Mapping[str, Json] | None = None,
        expires_s: float | None = None,
    ) -> SetHeaders:
        """The session with what is given in place of what was; the headers that give it to the browser. `expires_s` may end it earlier.

        It holds at once for cookies that were given before. Raises LoginFailed where it has ended meanwhile.
        """
        for _ in range(_ATTEMPTS):
            record, now_s = await kv.get(_record(session.id)), now().timestamp()
            is_older = record is not None and record["v"] != session.version
            current = await self._stored(session.id, record) if is_older else None if record is None else session
            ends_s = 0.0 if current is None else min(current.expires_s, _NEVER_S if expires_s is None else expires_s)
            if current is None or ends_s <= now_s:
                await kv.delete(_private(session.id))
                raise LoginFailed("the session has ended")
            given = (allow or current.allow, current.data if data is None else dict(data))
            made = Session(session.id, *given, current.created_s, ends_s, record["v"] + 1)
            value, written = await self._written(request, made, always=True)
            written |= {"x": record["x"]} if "x" in record else {}
            if private is not None:  # first: what a provider gives once is not lost where the record cannot be written
                await self._keep_private(made, private, now_s)
            if await kv.compare_and_set(_record(session.id), record, written, ttl_s=ends_s - now_s):
                return self.cookie.headers(request, value, ends_s - now_s)
        raise PluginError("the session is being changed by too many others", code="unavailable", retryable=True)

    async def end(self, request: Request, session: Session | None) -> SetHeaders:
        """End a session for all workers; the headers that delete its cookie. Raises HostError where storage fails: it goes on then."""
        if session is not None:
            await self._forget(session.id)
        return self.cookie.gone(request)

    async def end_by(self, index: str) -> int:
        """End every session that was begun with that index (a logout that the identity provider asks for); how many went on till now."""
        [key] = indexes_.index_keys([index])
        return sum([await self._forget(id) for id in await indexes_.sessions_of(key)])

    async def _forget(self, id: str) -> bool:
        """End a session; whether it went on till now."""
        record = await kv.get(_record(id), {})
        went_on = await kv.delete(_record(id))  # first of all: whatever fails after that, nobody goes on with it
        await kv.delete(_private(id))
        for key in record.get("x", ()):
            await indexes_.remove(key, id, now().timestamp())
        return went_on

    async def _keep_private(self, session: Session, private: Mapping[str, Json], now_s: float) -> None:
        sealed = await self.sealer.seal({"i": session.id, "d": dict(private)}, "private")
        await kv.set(_private(session.id), sealed, ttl_s=session.expires_s - now_s)

    async def _written(self, request: Request, session: Session, *, always: bool = False) -> tuple[str, dict[str, Json]]:
        """The cookie's value, and the record: with the session itself where the cookie cannot hold it, or `always`."""
        value = await self.sealer.seal(_payload(session), "session")
        if len(value) > MAX_CLAIMS_CHARS:
            raise PluginError("what is known of the user is too much for a session: leave claims or groups out", code="limit")
        record: dict[str, Json] = {"v": session.version}
        is_long = len(value) > self.cookie.room(request)
        if is_long or always:
            record["c"] = value
        return (await self.sealer.seal(_head(session), "session") if is_long else value), record

    async def _stored(self, id: str, record: Mapping[str, Any]) -> Session | None:
        """The session as it stands in its record, where a cookie holds it no more, or not all of it."""
        sealed = record.get("c", "")
        kept = self._known(digest := _digest(sealed)) or await self._open(sealed, digest)
        return kept.session if kept is not None and (kept.id, kept.version) == (id, record["v"]) else None

    def _known(self, digest: bytes) -> _Opened | None:
        found = self._opened.get(digest)
        if found is not None:
            self._opened.move_to_end(digest)
        return found

    async def _open(self, value: str, digest: bytes) -> _Opened | None:
        """What a sealed text says, which is then known by its digest."""
        payload = await self.sealer.open(value, "session")
        if payload is None:
            return None
        if (known := self._known(digest)) is not None:  # another request was quicker
            return known
        made = self._opened[digest] = _Opened.from_payload(payload, len(value))
        self._chars += made.chars
        while self._chars > _CACHED_CHARS:
            self._chars -= self._opened.popitem(last=False)[1].chars
        return made


@dataclass(frozen=True, slots=True)
class _Opened:
    """A cookie that was opened; `session` where it holds all of it."""

    id: str
    version: int
    session: Session | None
    chars: int
    created_s: float
    expires_s: float

    @classmethod
    def from_payload(cls, payload: Any, chars: int) -> _Opened:
        id, version, created_s, expires_s = payload["i"], payload["v"], payload["t"], payload["e"]
        session = None
        if "p" in payload:
            allow = Allow(Principal.from_document(payload["p"]), payload["c"], _VARY)
            session = Session(id, allow, payload["d"], created_s, expires_s, version)
        return cls(id, version, session, chars, created_s, expires_s)


def _head(session: Session) -> dict[str, Json]:
    return {"i": session.id, "v": session.version, "t": session.created_s, "e": session.expires_s}


def _payload(session: Session) -> dict[str, Json]:
    who = session.allow.principal
    principal = {name: value for name in Principal.__slots__ if (value := getattr(who, name))}
    return {**_head(session), "p": principal, "c": dict(session.allow.claims), "d": dict(session.data)}


def _record(id: str) -> str:
    return f"session/{id}"


def _private(id: str) -> str:
    return f"private/{id}"


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "replace")).digest()
