"""Why a login did not succeed. The text is for the operator; what the caller is told stands in `plugin.py`."""

from __future__ import annotations


class LoginFailed(Exception):
    """Common to all."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class Refused(LoginFailed):
    """Wrong name or password, or an account that may not log in: 401. `is_unknown`: nobody has that name."""

    def __init__(self, cause: str, *, is_unknown: bool = False, is_odd: bool = False) -> None:
        self.is_unknown, self.is_odd = is_unknown, is_odd
        super().__init__(cause)


class Unreachable(LoginFailed):
    """No server answers, or none can be trusted: 503."""


class Misconfigured(LoginFailed):
    """The directory does not do what the configuration says it does: 503."""


class BadAnswer(LoginFailed):
    """A server answers what no directory would: 502."""


class Busy(LoginFailed):
    """Too many logins at once: 503."""
