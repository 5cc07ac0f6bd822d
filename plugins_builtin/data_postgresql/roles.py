"""Which roles are refused: those that no transaction holds, however read-only it is."""

from __future__ import annotations

from typing import Any, Final

from mockforge_plugin.engines.sql.failures import refused

_RIGHTS: Final = """
select r.rolsuper, (select string_agg(m.rolname, ', ' order by m.rolname) from pg_catalog.pg_roles m
  where (m.rolsuper or m.rolname in ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
  and pg_catalog.pg_has_role(r.oid, m.oid, 'member')) as mighty
from pg_catalog.pg_roles r where r.rolname = current_user
"""
"""Also of roles that it is a member of, however little it inherits: `select set_config('role', …)` makes it one of them."""


async def refuse_mighty(connection: Any, user: str, database: str, *, writes: bool) -> None:
    """Raises SqlError for a role that is, or can become, a superuser or one that reads the server's files or runs its programs."""
    found = await connection.fetchrow(_RIGHTS)
    if found is None or not (found["rolsuper"] or found["mighty"]):
        return
    why = "is a superuser" if found["rolsuper"] else f"is a member of {found['mighty']}"
    raise refused(f"role '{user}' {why}, whom no transaction keeps from files and programs. Give the source a role of its own:\n"
                  f"{create_role(database, writes=writes)}", "invalid_config")  # fmt: skip


def create_role(database: str, *, writes: bool) -> str:
    """The statements that make a role that is good enough."""
    name = "mock_writer" if writes else "mock_reader"
    rights = "select, insert, update, delete" if writes else "select"
    lines = [
        f"create role {name} login password '…';",
        f'grant connect on database "{database}" to {name};',
        f"grant usage on schema public to {name};",
        f"grant {rights} on all tables in schema public to {name};",
    ]
    if writes:
        lines.append(f"grant usage on all sequences in schema public to {name};")
    return "\n".join(lines)
