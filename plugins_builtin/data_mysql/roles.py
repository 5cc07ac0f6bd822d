"""Which users are refused: those whom no transaction keeps from files and from other users' data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mockforge_plugin.engines.sql.failures import refused

_GLOBAL: Final = re.compile(r"GRANT (.*?) ON \*\.\* TO ", re.DOTALL)
_MIGHTY: Final = frozenset({"ALL PRIVILEGES", "SUPER", "FILE", "CREATE USER", "SHUTDOWN"})


def refuse_mighty(grants: Iterable[str], user: str, database: str, *, writes: bool) -> None:
    """`grants` are the lines of SHOW GRANTS. Raises SqlError for a user with rights over the server."""
    for line in grants:
        found = _GLOBAL.match(line)
        mighty = sorted(_MIGHTY & {right.strip().upper() for right in found[1].split(",")}) if found else []
        if mighty:
            why = f"user '{user}' has {', '.join(mighty)} on *.*, whom no transaction keeps from files and from other data"
            raise refused(f"{why}. Give the source a user of its own:\n{create_user(database, writes=writes)}", "invalid_config")


def create_user(database: str, *, writes: bool) -> str:
    """The statements that make a user who is good enough."""
    name = "mock_writer" if writes else "mock_reader"
    rights = "select, insert, update, delete" if writes else "select"
    return f"create user {name}@'%' identified by '…';\ngrant {rights} on `{database}`.* to {name}@'%';"
