"""asyncmy's exceptions as failures of the engine. Messages of the server that may repeat a value are not passed on."""

from __future__ import annotations

import re
from typing import Any, Final

from asyncmy import errors

from mockforge_plugin.engines.sql.failures import UNKNOWN_CERTIFICATE, SqlError, busy, late, refused, unavailable

_VALUES: Final = frozenset(
    {
        1048,
        1138,
        1139,
        1216,
        1217,
        1230,
        1263,
        1264,
        1265,
        1292,
        1364,
        1365,
        1366,
        1367,
        1406,
        1411,
        1416,
        1451,
        1452,
        1525,
        1690,
        3140,
        3819,
        4025,
        4078,
    }
)
"""Data that are not accepted: too long, out of range, of another type, against a check or foreign key."""
_DUPLICATE: Final = frozenset({1022, 1062, 1169, 1586})
_LATE: Final = frozenset({1317, 1969, 3024})
_BUSY: Final = frozenset({1040, 1203, 1205, 1213, 1226})
_LOGIN: Final = frozenset({1044, 1045, 1698, 1820, 1862, 3118, 3159})
_LOGINS: Final = {
    1044: "this user may not use that database, or there is none of that name; see `user`, `database` and the user's grants",
    1045: "the password is wrong, or there is no such user for connections from here; see `user` and the secret of `password`",
}
_AWAY: Final = frozenset(
    {
        1042,
        1043,
        1047,
        1049,
        1053,
        1077,
        1078,
        1079,
        1129,
        1130,
        1152,
        1153,
        1158,
        1159,
        1160,
        1161,
        1180,
        1181,
        1184,
        1927,
        2002,
        2003,
        2006,
        2013,
        2014,
        2027,
        2055,
    }
)
_READ_ONLY: Final = frozenset({1207, 1223, 1290, 1792, 1836})
_RIGHTS: Final = frozenset({1142, 1143, 1227, 1370})
_NAMES: Final = frozenset({1051, 1052, 1054, 1060, 1066, 1109, 1146, 1305, 1318})
"""Messages that have names of tables, columns and functions alone."""
_KEY: Final = re.compile(r"for key '([A-Za-z0-9_.$]{1,200})'")


def sql_error(error: BaseException, address: str) -> SqlError:
    """The failure that an exception of asyncmy, or of the network, is."""
    if isinstance(error, SqlError):
        return error
    if isinstance(error, errors.MySQLError) and error.args and type(error.args[0]) is int and error.args[0]:
        return _of_number(error.args[0], str(error.args[1]) if len(error.args) > 1 else "", address)
    if isinstance(error, OSError | EOFError | TimeoutError | errors.MySQLError | RuntimeError):
        why = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        return unavailable(f"MySQL at {address} cannot be reached: {str(why)[:200]}", is_lost=True)
    return SqlError(f"asyncmy failed with {type(error).__name__}", is_lost=True)


def _of_number(number: int, message: str, address: str) -> SqlError:
    """By the server's error number (MariaDB: Error Code Reference)."""
    if number in _DUPLICATE:
        key = _KEY.search(message)
        return SqlError(f"a unique key is there already{f' ({key[1]})' if key else ''}", "conflict")
    if number in _VALUES:
        return refused(f"the data do not accept a value (MySQL error {number})")
    if number in _LATE:
        return late("MySQL ended it at its time limit")
    if number in _BUSY:
        return busy(f"MySQL at {address} is busy (error {number})")
    if number in _LOGIN:
        why = _LOGINS.get(number, "see `user` and the secret of `password`")
        return unavailable(f"MySQL at {address} refuses the login: {why} (error {number})", is_lost=True, is_login=True)
    if number == 1049:
        return unavailable(f"MySQL at {address}: it has no database of that name; see `database` (error {number})", is_lost=True)
    if number in _AWAY:
        why = f": {message[:300]}" if 2000 <= number < 3000 else ""  # asyncmy's own: of the network and of TLS
        why = f": {UNKNOWN_CERTIFICATE}" if "CERTIFICATE_VERIFY_FAILED" in why else why
        return unavailable(f"MySQL at {address} cannot be reached (error {number}){why}", is_lost=True)
    if number in _READ_ONLY:
        return refused("it writes, and may not: add `write: true` to it if it shall", "denied")
    if number in _RIGHTS:
        return refused(f"the user may not do this (MySQL error {number})", "denied")
    told: Any = f": {message[:300]}" if number in _NAMES else ""
    return SqlError(f"MySQL does not understand it (error {number}){told}")
