"""asyncpg's exceptions as failures of the engine. Messages of the server that may repeat a value are not passed on."""

from __future__ import annotations

from ssl import SSLCertVerificationError
from typing import Final

import asyncpg

from mockforge_plugin.engines.sql.failures import UNKNOWN_CERTIFICATE, SqlError, busy, late, refused, unavailable

_VALUES: Final = {
    "23502": "a column that must have a value is given none", "23503": "a row that is referred to is not there, or is referred to",
    "23514": "a value breaks a check constraint",
}  # fmt: skip
_LOGINS: Final = {
    "28P01": "the password is wrong, or there is no such role; see `user` and the secret of `password`",
    "28000": "pg_hba.conf does not let this role in from here, or it may not log in; see `user`, and whether the server wants `tls`",
}
_BUSY: Final = frozenset({"40001", "40P01", "53300", "55P03"})
_OF_VALUES: Final = frozenset({"42601", "42602"})
"""Syntax and names, of what is no longer looked at as a query."""
_STALE: Final = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)


def sql_error(error: BaseException, address: str, *, has_values: bool = False) -> SqlError:
    """The failure that an exception of asyncpg, or of the network, is. `has_values`: the server may complain of a parameter's value."""
    if isinstance(error, SqlError):
        return error
    if isinstance(error, _STALE):
        return SqlError("a table that it reads has changed", is_stale=True)
    if isinstance(error, asyncpg.UnsupportedClientFeatureError):
        return SqlError("it gives a column of a type of rows or ranges of its own: write it as `column::text`")
    if isinstance(error, asyncpg.DataError | asyncpg.exceptions.DataError):
        return refused(f"a parameter's value does not fit where it stands ({getattr(error, 'sqlstate', None) or 'client'})")
    if isinstance(error, asyncpg.PostgresError):
        return _of_state(error, address, has_values)
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return refused("a parameter's value does not fit where it stands: declare its type, or cast it in the query")
    if isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError | EOFError | TimeoutError):
        return unavailable(f"PostgreSQL at {address} cannot be reached: {_reason(error)}", is_lost=True)
    return SqlError(f"asyncpg failed with {type(error).__name__}", is_lost=True)


def _of_state(error: asyncpg.PostgresError, address: str, has_values: bool) -> SqlError:
    """By SQLSTATE (PostgreSQL documentation, appendix A)."""
    state = str(getattr(error, "sqlstate", None) or "")
    where = next((f" ({name})" for key in ("constraint_name", "column_name") if (name := getattr(error, key, None))), "")
    if state in ("23505", "23P01"):
        return SqlError(f"a unique key is there already{where}", "conflict")
    if state in _VALUES:
        return refused(f"{_VALUES[state]}{where}")
    if state[:2] in ("22", "23"):
        return refused(f"the data do not accept a value: {type(error).__name__}, {state}{where}")
    if state == "57014":
        return late("PostgreSQL ended it at its statement_timeout")
    if state in _BUSY:
        return busy(f"PostgreSQL at {address}: {type(error).__name__}, {state}")
    if state[:2] == "28":
        why = _LOGINS.get(state, "see `user` and the secret of `password`")
        return unavailable(f"PostgreSQL at {address} refuses the login: {why} ({state})", is_lost=True, is_login=True)
    if state == "3D000":
        return unavailable(f"PostgreSQL at {address}: it has no database of that name; see `database` ({state})")
    if state[:2] in ("08", "53", "57", "58"):
        return unavailable(f"PostgreSQL at {address}: {type(error).__name__}, {state}", is_lost=True)
    if state == "25006":
        return refused("it writes, and may not: add `write: true` to it if it shall", "denied")
    if state == "42501":
        return refused(f"the role may not do this{'' if has_values else f': {str(error)[:200]}'}", "denied")
    if state[:2] in ("42", "3F"):
        return _of_text(error, state, has_values)
    return SqlError(f"PostgreSQL failed with {type(error).__name__}, {state}")


def _of_text(error: asyncpg.PostgresError, state: str, has_values: bool) -> SqlError:
    """What is wrong with the query; or with a value that is read as a search (`to_tsquery`), a path (`jsonpath`) or a name (`regclass`):
    such a message repeats it."""
    if not has_values:
        return SqlError(f"PostgreSQL does not understand it: {str(error)[:300]} ({state})")
    if state in _OF_VALUES:
        return refused(f"a parameter's value is not one that it can be used with ({state})")
    return SqlError(f"PostgreSQL does not understand it: {type(error).__name__} ({state})")


def _reason(error: BaseException) -> str:
    if isinstance(error, SSLCertVerificationError):
        return f"{UNKNOWN_CERTIFICATE} ({error.verify_message[:200]})"
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)[:200]
    return f"{type(error).__name__}: {error}"[:200]
