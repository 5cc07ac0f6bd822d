"""A real PostgreSQL on the loopback, thrown away after use.

    with postgresql(folder) as server:
        server.port, server.sql("create table …")
        server.stop(); server.start()                    # the same port and data

Wants its programs (Debian and Ubuntu: apt-get install postgresql), runs as an unprivileged user even where the tests run as root, and is
ready in about a second and a half.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.certificates import Authority
from tests.support.openldap import until_it_accepts
from tests.support.server_processes import free_port
from tests.support.unprivileged_user import lowered, owned

INSTALL: Final = "apt-get install postgresql"
READER, WRITER, PASSWORD, ADMIN_PASSWORD = "reader", "writer", "reader-secret-5b1c", "admin-secret-77fa"
"""Roles of the database `shop`; both have the first password."""
_OPTIONS: Final = (
    "fsync=off",
    "full_page_writes=off",
    "max_connections=60",
    "shared_buffers=16MB",
    "autovacuum=off",
    "log_min_messages=fatal",
)
_ROLES: Final = f"""
create role {READER} login password '{PASSWORD}';
create role {WRITER} login password '{PASSWORD}';
grant pg_read_all_data to {READER};
grant pg_read_all_data, pg_write_all_data to {WRITER};
grant all on schema public to {WRITER};
"""


def _tool(name: str) -> str:
    places = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = shutil.which(name, path=os.pathsep.join(reversed(places)))
    if found is None:
        raise RuntimeError(f"{name} is missing: {INSTALL}")
    return found


def is_installed() -> bool:
    """Whether its programs are there."""
    try:
        return bool(_tool("initdb") and _tool("postgres") and _tool("psql"))
    except RuntimeError:
        return False


@dataclass
class Postgresql:
    """A server that is running, or can be started again."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    options: Sequence[str] = ()
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        self.output = self.folder / "postgres.log"

    @property
    def ca_file(self) -> str:
        """The authority of its certificate, which is for `localhost`."""
        return str(self.folder / "ca.pem")

    def start(self) -> None:
        """Start it, on the port that it had. Raises RuntimeError."""
        self.port = self.port or free_port()
        settings = [part for option in (*_OPTIONS, *self.options) for part in ("-c", option)]
        command = [_tool("postgres"), "-D", str(self.folder / "data"), "-k", "", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                lowered([*command, *settings], self.folder), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            until_it_accepts(self.port, self.process)
            self._until_ready()
        except RuntimeError:
            self.stop()
            raise RuntimeError(f"PostgreSQL did not start:\n{self.output.read_text()[-2000:]}") from None

    def _until_ready(self) -> None:
        for left in range(200, -1, -1):
            if self._psql("select 1", "postgres").returncode == 0:
                return
            if not left:
                raise RuntimeError

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it; its data stays. SIGINT ends connections (fast shutdown), SIGQUIT without ado."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Stop and start: connections break, port and data stay."""
        self.stop()
        self.start()

    def freeze(self, is_frozen: bool) -> None:
        """Stop all its processes, or let them go on: it neither answers nor closes."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP if is_frozen else signal.SIGCONT)
        for child in self._children():
            os.kill(child, signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def _children(self) -> list[int]:
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return list(map(int, listed.split()))

    def sql(self, text: str, database: str = "shop") -> list[list[str]]:
        """Run statements as a superuser; the rows that they print. Raises RuntimeError."""
        done = self._psql(text, database)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def _psql(self, text: str, database: str) -> subprocess.CompletedProcess[str]:
        command = [_tool("psql"), "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)]
        environment = {**os.environ, "PGPASSWORD": ADMIN_PASSWORD}
        return subprocess.run(
            [*command, "-U", "admin", "-d", database], input=text, env=environment, capture_output=True, text=True, check=False
        )


@contextmanager
def postgresql(folder: Path | None = None, *, options: Sequence[str] = ()) -> Iterator[Postgresql]:
    """A server with an empty database `shop`, stopped at the end. Raises RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="mockforge-postgresql-", ignore_cleanup_errors=True) as made:
        place = folder or Path(made)
        place.mkdir(parents=True, exist_ok=True)
        owned(place)
        password = place / "password"
        password.write_text(ADMIN_PASSWORD)
        owned(password)
        command = [_tool("initdb"), "-N", "-D", str(place / "data"), "-U", "admin", "--pwfile", str(password), "-E", "UTF8", "--locale=C"]
        done = subprocess.run(lowered([*command, "--auth=scram-sha-256"], place), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stderr}")
        authority = Authority()
        (place / "ca.pem").write_bytes(authority.pem)
        (place / "server.pem").touch(mode=0o600)
        (place / "server.pem").write_bytes(authority.certificate("localhost"))
        owned(place / "server.pem")
        tls = ("ssl=on", f"ssl_cert_file={place / 'server.pem'}", f"ssl_key_file={place / 'server.pem'}")
        server = Postgresql(place, options=(*options, *tls))
        server.start()
        try:
            server.sql("create database shop", "postgres")
            server.sql(_ROLES)
            yield server
        finally:
            server.stop(signal.SIGQUIT)
