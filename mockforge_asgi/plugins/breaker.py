"""The circuit breaker of one plugin generation: when it takes no calls, for how long, and what ends that.

A *crash* costs an instance or a budget: a trap, a used-up limit, a worker process or a host call that broke. What a plugin reports by
itself, wrong answers, full pools and clients that leave are none.

A client can make some plugins crash with its own input, so crashes alone prove nothing. A plugin is quarantined when it crashes several
times while no call of it ends well, or when no instance of it can be made, which no client can cause. In quarantine a plugin that crashes
is tried with one call at a time, and after each crash rests nine times as long as the trial took: crashes take a tenth of the time at most.
A trial that ends well ends the quarantine. A plugin of which no instance can be made rests for twice as long each time. Every generation
has a breaker of its own: an edit begins anew.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from mockforge_asgi.config.objects import BreakerConfig
from mockforge_asgi.errors import LimitExceeded, PluginCrashed, PluginFailed, PluginUnavailable
from mockforge_asgi.events import EventStream, Quarantined, Recovered

DEFAULT: Final = BreakerConfig()
UNMADE: Final = 3
"""So many instances in a row that could not be made, with none alive, quarantine a plugin."""
REST: Final = 9
"""After a trial that crashed a plugin rests so many times as long as the trial took."""
_MAKING: Final = ("plugin.load", "plugin.init")
_ASIDE: Final = frozenset({"response.can_handle", "plugin.health", "data.schema"})
"""Operations that serve nobody: that they end well says nothing about the others."""

Refuse = Callable[[Callable[[], PluginUnavailable]], None]


class Breaker:
    """`enter` before a call and `ended` behind it. Belongs to one event loop.

    Neither changes anything for a call that ends well while `until_s` is None and `has_served` is set, as nearly all do: they may be
    left out for it.

    `clock` gives seconds, `chance` numbers from 0 to 1.
    """

    __slots__ = (
        "_began_s", "_chance", "_clock", "_config", "_crashes", "_events", "_is_trying", "_level", "_reason", "_served_s", "_tried_s",
        "_unmade", "has_served", "plugin", "refuse_waiting", "until_s",
    )  # fmt: skip

    def __init__(
        self,
        plugin: str,
        config: BreakerConfig = DEFAULT,
        events: EventStream | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.plugin, self._config, self._clock, self._chance = plugin, config, clock, chance
        self._events = events or EventStream()
        self._crashes: deque[float] = deque(maxlen=config.crashes)
        """When the last calls crashed."""
        self.has_served = False
        """Whether a call has ended well since the last crash."""
        self._served_s = float("-inf")
        """When a crash first came after a call that had ended well."""
        self._level = self._unmade = 0
        self.until_s: float | None = None
        """Until when it takes no calls but a trial; None: it is not in quarantine."""
        self._began_s = self._tried_s = 0.0
        self._is_trying = False
        self._reason = ""
        self.refuse_waiting: Refuse | None = None
        """Refuses the calls that wait for an instance, where the host has such."""

    @property
    def is_quarantined(self) -> bool:
        """Whether it takes no calls but a trial."""
        return self.until_s is not None

    def enter(self) -> bool:
        """Whether the call is the trial of a plugin in quarantine. Raises PluginUnavailable."""
        if self.until_s is None:
            return False
        now = self._clock()
        if now < self.until_s or self._is_trying:
            raise self._unavailable()
        self._is_trying, self._tried_s = True, now
        return True

    def ended(self, op: str, is_trial: bool, error: BaseException | None = None) -> None:
        """Take note of how the call ended. One that never ran, or that its caller left, says nothing."""
        if is_trial:
            self._is_trying = False
        if error is not None and is_crash(error):
            self._crashed(error, is_trial)
        elif op not in _ASIDE and (error is None or isinstance(error, PluginFailed)):  # what a plugin reports by itself shows that it works
            self.has_served = True
            if is_trial and self.until_s is not None:
                self._recover()

    def made(self) -> None:
        """An instance was made."""
        self._unmade = self._level = 0

    def unmade(self, error: PluginFailed) -> None:
        """An instance could not be made, and none is alive."""
        self._unmade += 1
        config = self._config
        if not config.enabled or self._unmade < UNMADE:
            return
        if self.until_s is None or self._clock() >= self.until_s:
            longest_s = min(config.max_backoff_s, config.backoff_s * 2.0 ** min(self._level, 60))
            self._level += 1
            self._quarantine(longest_s * (0.5 + self._chance() / 2), f"no instance of it can be made: {_words(error)}")

    def _crashed(self, error: BaseException, is_trial: bool) -> None:
        config, now = self._config, self._clock()
        if self.until_s is not None:
            if is_trial and now >= self.until_s:  # else an instance that could not be made has decided already
                self.until_s = now + min(config.max_backoff_s, REST * (now - self._tried_s))
            return
        if self.has_served:
            self.has_served, self._served_s = False, now
        crashes, since = self._crashes, now - config.window_s
        crashes.append(now)
        if config.enabled and len(crashes) == config.crashes and crashes[0] > since and self._served_s <= since:
            reason = (
                f"it has crashed {len(crashes)} times within {config.window_s:g} s and served nobody, the last time so: {_words(error)}"
            )
            self._quarantine(config.backoff_s, reason)

    def _quarantine(self, for_s: float, reason: str) -> None:
        now = self._clock()
        if self.until_s is None:
            self._began_s = now
        self.until_s, self._reason = now + for_s, reason
        self._events.emit(Quarantined(plugin=self.plugin, reason=reason, for_s=round(for_s, 3)))
        if self.refuse_waiting is not None:
            self.refuse_waiting(self._unavailable)

    def _recover(self) -> None:
        now = self._clock()
        self.until_s, self._unmade, self._level = None, 0, 0
        self._events.emit(Recovered(plugin=self.plugin, after_s=round(now - self._began_s, 3)))

    def _unavailable(self) -> PluginUnavailable:
        left_s = max(0.0, (self.until_s or 0.0) - self._clock())
        if self._is_trying or left_s == 0.0:
            return PluginUnavailable(self.plugin, f"it is in quarantine and being tried: {self._reason}")
        return PluginUnavailable(self.plugin, f"it is in quarantine for {left_s:.1f} s more: {self._reason}", retry_after_s=left_s)


def is_crash(error: BaseException) -> bool:
    """Whether a call ended by a trap, a limit or the host's own failure, or its instance could not be made."""
    return isinstance(error, PluginCrashed | LimitExceeded) or (isinstance(error, PluginFailed) and error.op in _MAKING)


def _words(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
