"""Failures of queries, in the codes of `docs/reference/data.md`. No message has a parameter's value."""

from __future__ import annotations

from typing import Any, Final

from mockforge_plugin.failure import PluginError

UNKNOWN_CERTIFICATE: Final = (
    "its certificate is of no authority that is known here, or for another name: `ca_file` names the authority's file, "
    "`tls: off` sends everything unencrypted"
)
"""Of servers whose TLS certificate does not pass."""


class SqlError(PluginError):
    """A query that failed. `is_lost`: its connection is gone; `is_stale`: the statement was made for a table that has changed since;
    `is_login`: the server does not know the user or password."""

    def __init__(
        self, message: str, code: str = "bad_data", *, is_lost: bool = False, is_stale: bool = False, is_login: bool = False, **details: Any
    ) -> None:
        super().__init__(message, code=code, retryable=code == "unavailable", details=details)
        self.is_lost, self.is_stale, self.is_login = is_lost, is_stale, is_login


def unavailable(what: str, **about: Any) -> SqlError:
    """The server cannot be reached, or takes nobody."""
    return SqlError(what, "unavailable", **about)


def busy(what: str, **about: Any) -> SqlError:
    """There is a server, but no connection left, or a lock in the way: others may well be served."""
    return SqlError(what, "unavailable", busy=True, retry_after_s=1, **about)


def late(what: str) -> SqlError:
    """It took too long."""
    return SqlError(what, "timeout")


def refused(what: str, code: str = "invalid_input") -> SqlError:
    """A query or a value that is not passed on."""
    return SqlError(what, code)


def too_large() -> SqlError:
    """The connection was cut, since more came than was allowed."""
    return SqlError("it gives more than limits.max_mb: ask for fewer rows or columns, or raise it", "limit", is_lost=True)
