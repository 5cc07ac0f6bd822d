"""One typed stream of what happens; log, metrics, audit, journal and pages subscribe, nothing else reports.

Holds the event types and the stream. What subscribers do with events is theirs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from mockforge_asgi.locks import ProcessLock

logger = logging.getLogger("mockforge")

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

LEVEL_NUMBERS: Final[dict[Level, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
"""The levels as `logging` counts them."""

MAX_CLIENT_TEXT: Final = 1024
_MAX_TEXT: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; `at` is Unix time in seconds."""

    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLoaded(Event):
    """A plugin generation answers from now on; `replaced` names the digest it took over from."""

    plugin: str
    version: str
    digest: str
    runtime: str
    kinds: tuple[str, ...]
    load_s: float
    replaced: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRefused(Event):
    """A plugin could not be loaded or reloaded; an earlier generation, if any, goes on."""

    plugin: str
    reason: str
    kept_last_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginWarning(Event):
    """Something about a plugin's configuration is odd, though nothing is wrong."""

    plugin: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginStopped(Event):
    """A plugin generation was drained and stopped."""

    plugin: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFinished(Event):
    """One call of a plugin ended. `outcome`: ok | failed | limit | cancelled (what the client did, too) | unavailable.

    `slices` is in how many turns of the loop the guest computed, 0 for native plugins.
    `memory_bytes` is the size of the instance's linear memories afterwards, where the runtime tells (extism), else 0.
    """

    plugin: str
    op: str
    outcome: str
    wall_s: float
    cpu_s: float = 0.0
    slices: int = 0
    memory_bytes: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRefused(Event):
    """A call went well for the guest, but what it answered breaks the contract, and its caller got the error."""

    plugin: str
    op: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCallDenied(Event):
    """A guest asked the host for something it has no grant for."""

    plugin: str
    host_call: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestLogged(Event):
    """A line that a plugin logged or printed; bounded and escaped."""

    plugin: str
    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined(Event):
    """A plugin crashed too often, or once more in its trial, and takes no calls for `for_s` seconds."""

    plugin: str
    reason: str
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """A plugin takes calls again: its trial, `after_s` seconds after it was quarantined, ended without a crash."""

    plugin: str
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered(Event):
    """A request was answered by us (never for one that only passed through).

    `answered_by`: an auth plugin by its name, `plugin NAME`, `route PATH`, `no route`, `cors`, `on_failure of NAME`, `request check`,
    `backoff`.
    """

    method: str
    path: str
    status: int
    answered_by: str
    wall_s: float
    allowed_by: str = ""
    """The auth plugins that let it pass, by their names; empty where none was asked, or it was refused."""
    principal: str | None = None
    reason: str = ""
    """Why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerDelayed(Event):
    """A caller sent wrong credentials once more, and is answered 429 for `wait_s` seconds. `address`: of IPv6 its network."""

    address: str
    failures: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAttacked(Event):
    """Passwords of one user are being guessed, wherever from: so many were wrong lately. Nobody is kept from that user's own."""

    name: str
    failures: int


@dataclass(frozen=True, slots=True)
class Step:
    """One of those that were asked about a request: who, what came of it, how long it took, and why."""

    asked: str
    """`plugin NAME`."""
    outcome: str
    """`allow`, `deny`, `reply`, `unavailable`, `response`, `nothing`, `failed`."""
    wall_s: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTraced(Event):
    """Who was asked about a request that somebody here could have a say in, in their order. Only for those who subscribe to this kind."""

    method: str
    path: str
    answered_by: str
    """As in `RequestAnswered`; empty where the request was left to the wrapped app."""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiling(Event):
    """Code is being compiled outside the serving process; said once with `wall_s` 0, then every few seconds; `done` ends it."""

    what: str
    size_bytes: int
    done: bool = False
    wall_s: float = 0.0

    @property
    def begins(self) -> bool:
        """Whether it is the first of its compilation."""
        return not self.done and self.wall_s == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTrouble(Event):
    """The compiled-code cache could not be used as it is; code is compiled again instead. `what` says why and what to do."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderFailed(Event):
    """A template of the operator's could not be rendered, or not be reloaded; `reason` names it, its place and its line."""

    template: str
    reason: str


SILENCE_S: Final = 0.1
"""How long a change of the log's level may go unnoticed by events that every call could tell of."""

Subscriber = Callable[[Event], None]
_Entry: TypeAlias = tuple[type[Event], Subscriber, Callable[[int], bool] | None]

_FREE_TEXT: Final[dict[type[Event], tuple[int, tuple[str, ...]]]] = {
    CallFinished: (_MAX_TEXT, ("error",)),
    AnswerRefused: (_MAX_TEXT, ("error",)),
    HostCallDenied: (_MAX_TEXT, ("detail",)),
    NameAttacked: (MAX_CLIENT_TEXT, ("name",)),
    PluginRefused: (4 * _MAX_TEXT, ("reason",)),
    PluginWarning: (_MAX_TEXT, ("detail",)),
    Quarantined: (_MAX_TEXT, ("reason",)),
    RenderFailed: (_MAX_TEXT, ("reason",)),
    RequestAnswered: (MAX_CLIENT_TEXT, ("method", "path", "principal", "reason")),
    RequestTraced: (MAX_CLIENT_TEXT, ("method", "path")),
}
"""What of an event is in the words of a guest or a client, and how much of it is told: a secret may be among it."""


class EventStream:
    """Hands each event to every subscriber, in the order they came, in the thread of the event loop that it happened on. A subscriber that
    raises is dropped and reported.

    `redact` takes secrets out of what events tell in free words; set by whoever knows the secrets.
    """

    __slots__ = ("_changing", "_subscribers", "broken", "is_tracing", "redact", "silent_until_s")

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self.redact = redact
        self._changing = ProcessLock()
        self._subscribers: tuple[_Entry, ...] = ()
        self.is_tracing = False
        """Whether somebody wants to know of each request who was asked about it (`RequestTraced`)."""
        self.silent_until_s = 0.0
        """Until when (`time.perf_counter`) nobody will hear of calls that end well, as far as is known: till then no call asks."""
        self.broken: list[tuple[Subscriber, Exception]] = []

    def subscribe(
        self, subscriber: Subscriber, kind: type[Event] = Event, *, hears: Callable[[int], bool] | None = None
    ) -> Callable[[], None]:
        """Call `subscriber` with each event of that kind; gives the function that ends it. Where events of a level that `hears` (asked by
        its number in `LEVEL_NUMBERS`) refuses are costly to make, they are left out."""
        entry = (kind, subscriber, hears)
        self._change(entry)
        return lambda: self._change(without=entry)

    def _change(self, *more: _Entry, without: object = None) -> None:
        with self._changing.here():
            self._subscribers = (*(e for e in self._subscribers if e is not without and e[1] is not without), *more)
            self.is_tracing = any(kind is RequestTraced for kind, _, _ in self._subscribers)
            self.silent_until_s = 0.0

    def wants(self, kind: type[Event], level: Level) -> bool:
        """Whether anybody listens to that kind at that level: lets the request path skip building events nobody reads."""
        for listened, _, hears in self._subscribers:
            if issubclass(kind, listened) and (hears is None or hears(LEVEL_NUMBERS[level])):
                return True
        return False

    def hears_calls(self, now_s: float) -> bool:
        """Whether anybody wants to hear of calls that end well; asked once `silent_until_s` has come.

        A new subscriber is heeded at once, another level of the log within `SILENCE_S`.
        """
        hears = self.wants(CallFinished, "debug")
        self.silent_until_s = 0.0 if hears else now_s + SILENCE_S
        return hears

    def emit(self, event: Event) -> None:
        """Hand the event on. Subscribers are quick and never wait; slow ones queue for themselves."""
        if not self._subscribers:
            return
        most, names = _FREE_TEXT.get(type(event), (0, ()))
        told: dict[str, Any] = {n: said for n in names if (text := getattr(event, n)) and (said := self._harmless(text, most)) != text}
        if isinstance(event, RequestTraced):
            told["steps"] = tuple(replace(step, why=self._harmless(step.why, _MAX_TEXT)) if step.why else step for step in event.steps)
        event = replace(event, **told) if told else event
        for kind, subscriber, _ in self._subscribers:
            if isinstance(event, kind):
                try:
                    subscriber(event)
                except Exception as error:  # foreign code: one broken listener must not end a request
                    logger.exception("a subscriber of events failed and hears no more: %r", subscriber)
                    self.broken.append((subscriber, error))
                    self._change(without=subscriber)

    def _harmless(self, text: str, most: int) -> str:
        return self.redact(text[:most]) + ("…" if len(text) > most else "")
