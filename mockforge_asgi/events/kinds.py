"""The kinds of events: what happened, as values."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthDecided(Event):
    """A rule's plugins have decided about a request, or a websocket's handshake. Only for those who subscribe to this kind."""

    method: str
    path: str
    rule: str
    """The path of the rule, as it is written."""
    plugins: tuple[str, ...]
    """Those that the rule names, in the order they are asked."""
    outcome: str
    """`allow`, `anonymous`, `deny`, `reply`, `unavailable`."""
    by: str = ""
    """The plugins that let it pass, or the one that refused or answered."""
    principal: str | None = None
    status: int | None = None
    """What a refused caller gets."""
    reason: str = ""
    client: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQueried(Event):
    """A query of a data source ended. `outcome`: ok, cancelled, or the code of its failure. No event has a parameter's value.

    `query` is its name, empty for the text of a plugin. `size_bytes` are those of the rows as JSON; `waited_s` is how long it waited for a
    connection, as far as the source tells. `is_cached`: it was not run; the rows were there, or being read for somebody else.
    """

    source: str
    query: str
    wall_s: float
    rows: int = 0
    size_bytes: int = 0
    waited_s: float = 0.0
    is_cached: bool = False
    outcome: str = "ok"
    reason: str = ""
