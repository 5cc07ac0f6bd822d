"""A real PgBouncer in transaction mode before a test's PostgreSQL, thrown away after use. Wants apt-get install pgbouncer."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.openldap import until_it_accepts
from tests.support.postgresql import PASSWORD, READER, WRITER, Postgresql
from tests.support.server_processes import free_port
from tests.support.unprivileged_user import lowered, owned

INSTALL: Final = "apt-get install pgbouncer"
_PATH: Final = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
_SETTINGS: Final = """
[databases]
shop = host=127.0.0.1 port={there} dbname=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 3
logfile = {folder}/log
"""


def is_installed() -> bool:
    """Whether it is there."""
    return shutil.which("pgbouncer", path=_PATH) is not None


@contextmanager
def pgbouncer(server: Postgresql) -> Iterator[int]:
    """The port of a pooler with three connections to the server. Raises RuntimeError."""
    program = shutil.which("pgbouncer", path=_PATH)
    assert program is not None, "asked before"
    with tempfile.TemporaryDirectory(prefix="mockforge-pgbouncer-", ignore_cleanup_errors=True) as made:
        folder, port = Path(made), free_port()
        (folder / "users").write_text("".join(f'"{name}" "{PASSWORD}"\n' for name in (READER, WRITER)))
        (folder / "ini").write_text(_SETTINGS.format(there=server.port, port=port, folder=folder))
        for path in (folder, folder / "users", folder / "ini"):
            owned(path)
        process = subprocess.Popen(lowered([program, "-q", str(folder / "ini")], folder), stdin=subprocess.DEVNULL)
        try:
            until_it_accepts(port, process)
            yield port
        finally:
            process.kill()
            process.wait()
