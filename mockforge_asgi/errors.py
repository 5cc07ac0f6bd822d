"""Every error of the product, grouped by who is at fault.

    MockForgeError
    ├── ConfigError                the operator: mockforge.yaml, grants, options   (carries every Problem at once)
    ├── UnsupportedPlatform        the operator: interpreter, wheel, missing extra
    │   └── UnsupportedEventLoop   ... or an event loop that plugins do not run on
    ├── PluginRejected             the author: manifest, code, contract version   (carries every Problem at once)
    ├── PluginFailed               the guest: its code raised, trapped or answered nonsense
    │   ├── PluginCrashed          ... and its instance or process is gone
    │   └── LimitExceeded          ... or used up cpu_ms, timeout_ms, memory_mb, output_kb, ...
    ├── PluginUnavailable          nobody's now: pool full, quarantined, stopping  (503 with Retry-After)
    ├── TemplateFailed             the operator: a template cannot be rendered; its name and line
    ├── HostCallError              the guest asked the host for something it may not have, or the host call failed
    │   └── SourceFailed           ... or a data source could not answer its query
    ├── StateError                 the state store cannot do it
    ├── RequestRejected            the client: malformed path, body too large, too slow
    └── ClientDisconnected         the client went away; nobody is left to answer

A message says what happened to which thing, why, and what to do. A client never sees a plugin's inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "ClientDisconnected",
    "ConfigError",
    "HostCallError",
    "LimitExceeded",
    "MockForgeError",
    "PluginCrashed",
    "PluginFailed",
    "PluginRejected",
    "PluginUnavailable",
    "Problem",
    "RequestRejected",
    "SourceFailed",
    "StateError",
    "TemplateFailed",
    "UnsupportedEventLoop",
    "UnsupportedPlatform",
]


class MockForgeError(Exception):
    """The root of all errors raised on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a document: where, what, and what to do."""

    place: str
    """File and path within it, such as `mockforge.yaml:12 routes[0].match.path`."""
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f" {self.remedy}" if self.remedy else "")


class _Problems(MockForgeError):
    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([message, *(f"  - {p}" for p in self.problems)]))


class ConfigError(_Problems):
    """The operator's configuration cannot be used; `problems` lists every fault found.

    `rest` is the configuration without its faulty routes and plugins, where it can be made: what is left may have other faults.
    """

    def __init__(self, message: str, problems: Iterable[Problem] = (), rest: Any = None) -> None:
        super().__init__(message, problems)
        self.rest = rest


class UnsupportedPlatform(MockForgeError):
    """This interpreter, wheel, event loop or installation lacks something that is needed."""


class UnsupportedEventLoop(UnsupportedPlatform):
    """Plugins do not run on this event loop, or on no more of them at once; what needs none is served all the same."""


class PluginRejected(_Problems):
    """A plugin cannot be loaded as it is; `problems` lists every fault found."""

    def __init__(self, plugin: str, message: str, problems: Iterable[Problem] = ()) -> None:
        self.plugin = plugin
        super().__init__(f"plugin '{plugin}' not loaded: {message}", problems)


class PluginFailed(MockForgeError):
    """A plugin's code failed in a call. `message` is the bare reason, `author_traceback` names the author's own file and line."""

    def __init__(
        self,
        plugin: str,
        op: str,
        message: str,
        *,
        code: str = "internal",
        retryable: bool = False,
        details: Mapping[str, object] | None = None,
        author_traceback: str = "",
    ) -> None:
        self.plugin, self.op, self.message, self.code, self.retryable = plugin, op, message, code, retryable
        self.details, self.author_traceback = dict(details or {}), author_traceback
        text = f"plugin '{plugin}' failed in {op}: {message}"
        # A traceback of one line shows no frame, and says what the message says; a configuration that does not fit is no fault of the code.
        shows_frames = "\n" in author_traceback and code != "invalid_config"
        super().__init__(f"{text}\n{author_traceback}" if shows_frames else text)


class PluginCrashed(PluginFailed):
    """A call ended its instance: its code trapped, its process ended, or the host could not go on."""


class LimitExceeded(PluginFailed):
    """A call used up one of its budgets; `limit` is the manifest's name for it (`cpu_ms`, `memory_mb`, ...)."""

    def __init__(self, plugin: str, op: str, limit: str, budget: float, message: str = "", author_traceback: str = "") -> None:
        self.limit, self.budget = limit, budget
        super().__init__(
            plugin,
            op,
            message or f"over its limit of {limit}={budget:g}. Raise limits.{limit} or make the call cheaper.",
            code="limit",
            details={"limit": limit, "budget": budget},
            author_traceback=author_traceback,
        )


class PluginUnavailable(MockForgeError):
    """A plugin cannot take a call now; `retry_after_s` says when to ask again.

    `is_replaced`: the call has not begun, and this generation of the plugin takes no more.
    """

    def __init__(self, plugin: str, message: str, *, retry_after_s: float = 1.0, is_replaced: bool = False) -> None:
        self.plugin, self.message, self.retry_after_s, self.is_replaced = plugin, message, retry_after_s, is_replaced
        super().__init__(f"plugin '{plugin}' is unavailable: {message}")


class TemplateFailed(MockForgeError):
    """A template of the operator's cannot be rendered. `line` is 0 where none is to blame; `place` is where it is written, if known."""

    def __init__(self, template: str, line: int, message: str, place: str = "") -> None:
        self.template, self.line, self.message, self.place = template, line, message, place
        super().__init__(f"template '{template}'{f' ({place})' if place else ''}{f' line {line}' if line else ''}: {message}")


class HostCallError(MockForgeError):
    """A host call was refused or failed; becomes the error envelope that the guest sees."""

    def __init__(self, code: str, message: str, *, retryable: bool = False, details: Mapping[str, object] | None = None) -> None:
        self.code, self.message, self.retryable, self.details = code, message, retryable, dict(details or {})
        super().__init__(message)


class SourceFailed(HostCallError):
    """A data source could not answer a query. `status` is what a client is answered where its request needed the answer."""

    STATUSES: ClassVar[Mapping[str, int]] = {
        "unavailable": 503, "timeout": 504, "bad_data": 502, "limit": 502, "conflict": 409, "invalid_input": 422,
    }  # fmt: skip

    def __init__(
        self,
        code: str,
        message: str,
        source: str,
        query: str = "",
        *,
        retryable: bool = False,
        retry_after_s: float = 1.0,
        status: int | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code, message, retryable=retryable, details=details)
        self.source, self.query, self.retry_after_s = source, query, retry_after_s
        self.status = status or self.STATUSES.get(code, 500)


class StateError(MockForgeError):
    """The state store cannot do what was asked; `code` is one of the error envelope's (`limit`, `invalid_input`, `unavailable`)."""

    def __init__(self, message: str, *, code: str = "unavailable") -> None:
        self.code = code
        super().__init__(message)


class RequestRejected(MockForgeError):
    """The client's request is refused: `status` and a `reason` that may be shown to it."""

    def __init__(self, status: int, reason: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.status, self.reason, self.headers = status, reason, tuple(headers)
        super().__init__(f"{status} {reason}")


class ClientDisconnected(MockForgeError):
    """The client went away while its request was read or worked on; there is nobody left to answer."""
