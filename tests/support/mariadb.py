"""A real MariaDB on the loopback, thrown away after use.

    with mariadb(folder) as server:
        server.port, server.sql("create table …")
        server.stop(); server.start()                    # the same port and data

Wants its programs (Debian and Ubuntu: apt-get install mariadb-server), runs as an unprivileged user even where the tests run as root, and
is ready in about a second.
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

INSTALL: Final = "apt-get install mariadb-server"
READER, WRITER, PASSWORD = "reader", "writer", "reader-secret-5b1c"
"""Users of the database `shop`; both have the password. `admin` may do anything, and has it too."""
_OPTIONS: Final = (
    "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-use-native-aio=0",
    "--skip-log-bin", "--max-connections=60", "--character-set-server=utf8mb4", "--performance-schema=0", "--default-time-zone=+03:00",
    "--secure-file-priv=",
)  # fmt: skip
_PATH: Final = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
_USERS: Final = f"""
create database shop;
create user {READER}@'127.0.0.1' identified by '{PASSWORD}';
create user {WRITER}@'127.0.0.1' identified by '{PASSWORD}';
create user admin@'127.0.0.1' identified by '{PASSWORD}';
grant select, execute on shop.* to {READER}@'127.0.0.1';
grant select, insert, update, delete, execute on shop.* to {WRITER}@'127.0.0.1';
grant all on *.* to admin@'127.0.0.1';
"""


def _tool(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise RuntimeError(f"{name} is missing: {INSTALL}")
    return found


def is_installed() -> bool:
    """Whether its programs are there."""
    return all(shutil.which(name, path=_PATH) for name in ("mariadbd", "mariadb-install-db", "mariadb"))


@dataclass
class Mariadb:
    """A server that is running, or can be started again."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    options: Sequence[str] = ()
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        self.output = self.folder / "mariadb.log"

    @property
    def socket(self) -> str:
        """Where it listens for root."""
        return str(self.folder / "s")

    @property
    def ca_file(self) -> str:
        """The authority of its certificate, which is for `localhost`."""
        return str(self.folder / "ca.pem")

    def start(self) -> None:
        """Start it, on the port that it had. Raises RuntimeError."""
        self.port = self.port or free_port()
        command = [
            _tool("mariadbd"), "--no-defaults", f"--datadir={self.folder / 'data'}", f"--socket={self.socket}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--tmpdir={self.folder}", *_OPTIONS, *self.options,
        ]  # fmt: skip
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(lowered(command, self.folder), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            until_it_accepts(self.port, self.process)
        except RuntimeError:
            self.stop()
            raise RuntimeError(f"MariaDB did not start:\n{self.output.read_text()[-2000:]}") from None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; its data stays."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def freeze(self, is_frozen: bool) -> None:
        """Stop it, or let it go on: it neither answers nor closes."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def sql(self, text: str, database: str = "shop") -> list[list[str]]:
        """Run statements as root; the rows that they print. Raises RuntimeError."""
        command = [_tool("mariadb"), "--no-defaults", "-u", "root", f"--socket={self.socket}", "-N", "-B"]
        done = subprocess.run(
            [*command, "--default-character-set=utf8mb4", database], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]


@contextmanager
def mariadb(*, options: Sequence[str] = ()) -> Iterator[Mariadb]:
    """A server with an empty database `shop`, stopped at the end. Raises RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="mockforge-mariadb-", ignore_cleanup_errors=True) as made:
        place = Path(made)
        owned(place)
        command = [
            _tool("mariadb-install-db"), "--no-defaults", f"--datadir={place / 'data'}", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--skip-name-resolve",
        ]  # fmt: skip
        done = subprocess.run(lowered(command, place), capture_output=True, text=True, check=False, cwd=place)
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")
        authority = Authority()
        (place / "ca.pem").write_bytes(authority.pem)
        (place / "server.pem").write_bytes(authority.certificate("localhost"))
        tls = (f"--ssl-cert={place / 'server.pem'}", f"--ssl-key={place / 'server.pem'}")
        server = Mariadb(place, options=(*options, *tls))
        server.start()
        try:
            server.sql(_USERS, "mysql")
            yield server
        finally:
            server.stop(signal.SIGKILL)
