"""The stream of events: who subscribes, what is told in whose words, and what nobody hears of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from mockforge_asgi.events.kinds import (
    AnswerRefused,
    AuthDecided,
    CallFinished,
    Event,
    HostCallDenied,
    NameAttacked,
    PluginRefused,
    PluginWarning,
    Quarantined,
    RenderFailed,
    RequestAnswered,
    RequestTraced,
)
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
    AuthDecided: (MAX_CLIENT_TEXT, ("method", "path", "principal", "reason")),
}
"""What of an event is in the words of a guest or a client, and how much of it is told: a secret may be among it."""


class EventStream:
    """Hands each event to every subscriber, in the order they came, in the thread of the event loop that it happened on. A subscriber that
    raises is dropped and reported.

    `redact` takes secrets out of what events tell in free words; set by whoever knows the secrets.
    """

    __slots__ = ("_changing", "_subscribers", "broken", "is_auditing", "is_tracing", "redact", "silent_until_s", "unanswered_until_s")

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self.redact = redact
        self._changing = ProcessLock()
        self._subscribers: tuple[_Entry, ...] = ()
        self.is_tracing = False
        """Whether somebody wants to know of each request who was asked about it (`RequestTraced`)."""
        self.is_auditing = False
        """Whether somebody wants to know of each decision of auth (`AuthDecided`)."""
        self.silent_until_s = 0.0
        """Until when (`time.perf_counter`) nobody will hear of calls that end well, as far as is known: till then no call asks."""
        self.unanswered_until_s = 0.0
        """The same of responses."""
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
            self.is_auditing = any(kind is AuthDecided for kind, _, _ in self._subscribers)
        self.silent_until_s = self.unanswered_until_s = 0.0

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

    def hears_answers(self, now_s: float) -> bool:
        """The same of responses; asked once `unanswered_until_s` has come."""
        hears = self.wants(RequestAnswered, "info")
        self.unanswered_until_s = 0.0 if hears else now_s + SILENCE_S
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
