"""What came of one call of a plugin that is tried out: its answer or error, what it used, what it said meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mockforge_asgi.contract import Json
from mockforge_asgi.events import CallFinished, Event, EventStream, GuestLogged, HostCallDenied


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call. `error` is the inside of the error envelope, None where the plugin answered; seconds, bytes.

    `memory_bytes` is 0 where the runtime does not tell, `cpu_s` and `slices` for native plugins.
    """

    op: str
    answer: Json = None
    error: Mapping[str, Json] | None = None
    traceback: str = ""
    """The author's own file and line, where a plugin's code failed and said so."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    slices: int = 0
    memory_bytes: int = 0
    log: tuple[tuple[str, str], ...] = ()
    denied: tuple[str, ...] = ()
    """What it asked for without a grant."""


class EventRecorder:
    """Listens to what happens in a plugin, until it ends."""

    def __init__(self, events: EventStream) -> None:
        self._events: list[Event] = []
        self.end = events.subscribe(self._events.append)

    def outcome(self, op: str, answer: Json = None, error: Mapping[str, Json] | None = None, traceback: str = "") -> Outcome:
        """What was heard of an operation."""
        log = tuple((e.level, e.message) for e in self._events if isinstance(e, GuestLogged))
        denied = tuple(f"{e.host_call}: {e.detail}" for e in self._events if isinstance(e, HostCallDenied))
        made = Outcome(op, answer, error, traceback, log=log, denied=denied)
        ends = [e for e in self._events if isinstance(e, CallFinished) and e.op == op]
        if not ends:
            return made
        end = ends[-1]
        return replace(made, wall_s=end.wall_s, cpu_s=end.cpu_s, slices=end.slices, memory_bytes=end.memory_bytes)
