"""The circuit breaker of one plugin generation: when it takes no calls, for how long, and what ends that.

A *crash* is what costs an instance or a budget: a trap, a used-up limit, a worker process or a door that broke. What a plugin reports by
itself, wrong answers, full pools and clients that leave are none.

One client can make some plugins crash with its own input, so a row of crashes proves nothing. A plugin is quarantined for the share of its
calls that crash within a window, or because no instance of it can be made, in which no client has a hand. Every generation has a breaker of
its own: an edit begins anew.
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
_SLOTS: Final = 10
_MAKING: Final = ("plugin.load", "plugin.init")

Refuse = Callable[[Callable[[], PluginUnavailable]], None]


class Breaker:
    """`enter` before each call, `passed` or `failed` behind it. Belongs to one event loop.

    `clock` gives seconds, `chance` numbers from 0 to 1.
    """

    __slots__ = (
        "_began_s",
        "_calls",
        "_chance",
        "_clock",
        "_config",
        "_crashes",
        "_due_s",
        "_events",
        "_is_trying",
        "_level",
        "_reason",
        "_recovered_s",
        "_slots",
        "_unmade",
        "_until_s",
        "plugin",
        "refuse_waiting",
    )

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
        self._due_s = float("-inf") if config.enabled else float("inf")
        """When `enter` has something to do: with the next slot, and always in quarantine."""
        self._slots: deque[tuple[float, int, int]] = deque(maxlen=_SLOTS)
        """Past slots of the window: when each ended, its calls and crashes."""
        self._calls = self._crashes = self._level = self._unmade = 0
        self._until_s: float | None = None
        self._began_s = 0.0
        self._recovered_s = float("-inf")
        self._is_trying = False
        self._reason = ""
        self.refuse_waiting: Refuse | None = None
        """Refuses the calls that wait for an instance, where the host has such."""

    @property
    def is_quarantined(self) -> bool:
        """Whether it takes no calls but a trial."""
        return self._until_s is not None

    def enter(self) -> bool:
        """Whether the call is the trial of a plugin in quarantine. Raises PluginUnavailable."""
        now = self._clock()
        return now >= self._due_s and self._turn(now)

    def _turn(self, now: float) -> bool:
        if self._until_s is None:
            self._slots.append((self._due_s, self._calls, self._crashes))
            self._calls = self._crashes = 0
            self._due_s = now + self._config.window_s / _SLOTS
            return False
        if now < self._until_s or self._is_trying:
            raise self._unavailable()
        self._is_trying = True
        return True

    def failed(self, error: BaseException, is_trial: bool) -> None:
        """Take note of how a call ended; one that never ran, or that its caller left, counts for nothing."""
        if not is_trial:
            if self._until_s is None and isinstance(error, PluginFailed):
                self._calls += 1
                if is_crash(error):
                    self._crashed(error)
            return
        self._is_trying = False
        if self._until_s is None or self._clock() < self._until_s:
            return  # an instance that could not be made has decided already
        if is_crash(error):
            self._quarantine(f"it crashed again when it was tried: {_words(error)}")
        elif isinstance(error, PluginFailed):
            self._recover()

    def passed(self, is_trial: bool) -> None:
        """The call ended well."""
        self._calls += 1
        if is_trial:
            self._is_trying = False
            if self._until_s is not None:
                self._recover()

    def made(self) -> None:
        """An instance was made."""
        self._unmade = 0

    def unmade(self, error: PluginFailed) -> None:
        """An instance could not be made, and none is alive."""
        self._unmade += 1
        if not self._config.enabled or self._unmade < UNMADE:
            return
        if self._until_s is None or self._clock() >= self._until_s:
            self._quarantine(f"no instance of it can be made: {_words(error)}")

    def _crashed(self, error: BaseException) -> None:
        self._crashes += 1
        config, since = self._config, self._clock() - self._config.window_s
        while self._slots and self._slots[0][0] <= since:
            self._slots.popleft()
        calls = self._calls + sum(slot[1] for slot in self._slots)
        crashes = self._crashes + sum(slot[2] for slot in self._slots)
        if config.enabled and crashes >= config.crashes and crashes >= config.share * calls:
            self._quarantine(f"{crashes} of its last {calls} calls within {config.window_s:g} s crashed, the last one so: {_words(error)}")

    def _quarantine(self, reason: str) -> None:
        now, config = self._clock(), self._config
        if self._until_s is None:
            self._began_s = now
            if now - self._recovered_s > config.max_backoff_s:
                self._level = 0
        longest_s = min(config.max_backoff_s, config.backoff_s * 2.0 ** min(self._level, 60))
        for_s = longest_s * (0.5 + self._chance() / 2)
        self._level += 1
        self._until_s, self._reason = now + for_s, reason
        self._due_s = float("-inf")
        self._events.emit(Quarantined(plugin=self.plugin, reason=reason, for_s=round(for_s, 3)))
        if self.refuse_waiting is not None:
            self.refuse_waiting(self._unavailable)

    def _recover(self) -> None:
        now = self._clock()
        self._until_s, self._recovered_s, self._unmade = None, now, 0
        self._slots.clear()
        self._calls = self._crashes = 0
        self._due_s = now + self._config.window_s / _SLOTS
        self._events.emit(Recovered(plugin=self.plugin, after_s=round(now - self._began_s, 3)))

    def _unavailable(self) -> PluginUnavailable:
        left_s = max(0.0, (self._until_s or 0.0) - self._clock())
        if self._is_trying or left_s == 0.0:
            return PluginUnavailable(self.plugin, f"it is in quarantine and being tried: {self._reason}")
        return PluginUnavailable(self.plugin, f"it is in quarantine for {left_s:.1f} s more: {self._reason}", retry_after_s=left_s)


def is_crash(error: BaseException) -> bool:
    """Whether a call ended by a trap, a limit or the host's own failure, or its instance could not be made."""
    return isinstance(error, PluginCrashed | LimitExceeded) or (isinstance(error, PluginFailed) and error.op in _MAKING)


def _words(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
