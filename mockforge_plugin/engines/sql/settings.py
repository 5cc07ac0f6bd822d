"""The configuration of an SQL source as frozen values."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin.engines.sql.pool import PoolLimits

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Role:
    """Who logs in: `secret` names the password; None logs in without."""

    user: str
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the server is, who logs in, how many connections there may be."""

    host: str
    port: int
    database: str
    reader: Role
    writer: Role | None
    tls: ssl.SSLContext | None
    """How connections are protected; None: not at all."""
    pool: PoolLimits
    write_pool: PoolLimits
    connect_s: float
    time_zone: str
    pooler: bool = False

    @property
    def address(self) -> str:
        """Server and database, as messages name them."""
        return f"{self.host}:{self.port}/{self.database}"


def read_settings(config: Mapping[str, Any], *, port: int) -> Settings:
    """The settings of a configuration that has no problems; what it leaves out has its default, the port that is given.

    Raises OSError for a `ca_file` that is gone.
    """
    pool, write = config.get("pool") or {}, config.get("write")
    limits = PoolLimits(pool.get("max", 5), pool.get("wait_ms", 500) / 1000, pool.get("recycle_s", 1800), pool.get("queue", 1000))
    writes = PoolLimits((write or {}).get("max", 2), limits.wait_s, limits.recycle_s, limits.queue)
    tls = config.get("tls") or ("off" if config["host"] in LOOPBACK else "verify")
    return Settings(
        host=config["host"],
        port=config.get("port", port),
        database=config["database"],
        reader=_role(config),
        writer=_role(write) if write else None,
        tls=ssl.create_default_context(cafile=config.get("ca_file")) if tls == "verify" else None,
        pool=limits,
        write_pool=writes,
        connect_s=config.get("connect_ms", 2000) / 1000,
        time_zone=config.get("time_zone", "UTC"),
        pooler=bool(config.get("pooler")),
    )


def _role(config: Mapping[str, Any]) -> Role:
    password = config.get("password")
    return Role(config["user"], password["secret"] if password else None)


def problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong that a JSON Schema cannot say."""
    if config.get("ca_file"):
        try:
            ssl.create_default_context(cafile=config["ca_file"])
        except (OSError, ssl.SSLError) as error:
            yield "ca_file", f"'{config['ca_file']}' cannot be read as certificates: {error.strerror or type(error).__name__}"
        if config.get("tls") == "off":
            yield "ca_file", "it belongs to `tls: verify`"
    write = config.get("write")
    if write and write["user"] == config["user"]:
        yield "write.user", "it is the role that reads: a role of its own is what keeps queries that read from writing"
