"""The configuration as clients of the driver: one that reads, and one that writes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import AsyncMongoClient

from mockforge_plugin import secret

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
CODEC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""How documents are read: dates with their zone (UTC), UUIDs as such, and dates that Python does not have as milliseconds."""
Client = AsyncMongoClient[dict[str, Any]]

ADMINISTER: Final = frozenset(
    {"root", "__system", "clusterAdmin", "clusterManager", "dbAdminAnyDatabase", "userAdminAnyDatabase", "userAdmin", "dbOwner"}
)
"""Roles that may do more than data want: whoever has one is refused."""


def host_name(host: str) -> str:
    """The name or address, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_encrypted(config: Mapping[str, Any]) -> bool:
    """Whether connections are."""
    return bool(config.get("tls", "off" if all(host_name(host) in _LOOPBACK for host in config["hosts"]) else "verify") == "verify")


def problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a schema cannot say of the configuration."""
    writes = config.get("write") or {}
    for place, about in (("password", config), ("write.password", writes)):
        if ("user" in about) != ("password" in about):
            yield place, "a user has a password, and a password its user. Write both, or neither"
    if "ca_file" in config and not is_encrypted(config):
        yield "ca_file", "it has no effect without `tls: verify`"
    if len(config["hosts"]) > 1 and not config.get("replica_set") and config["read_preference"] != "primary":
        yield "read_preference", "members are chosen in a replica set: name it under `replica_set`"


def client(config: Mapping[str, Any], *, writes: bool) -> Client:
    """A client, which connects when it is used. The secret is read now."""
    keep_values_out_of_logs()
    role = config["write"] if writes and "user" in config["write"] else config
    pool = config["write"].get("max", 2) if writes else config["pool"].get("max", 5)
    options: dict[str, Any] = {
        "connectTimeoutMS": config["connect_ms"], "serverSelectionTimeoutMS": config["connect_ms"], "maxPoolSize": pool,
        "appname": "mockforge-asgi", "serverMonitoringMode": "poll", "retryWrites": False, "retryReads": True, "tls": is_encrypted(config),
        "readPreference": "primary" if writes else config["read_preference"],
    }  # fmt: skip
    if "replica_set" in config:
        options["replicaSet"] = config["replica_set"]
    elif len(config["hosts"]) == 1:
        options["directConnection"] = True
    if "ca_file" in config:
        options["tlsCAFile"] = config["ca_file"]
    if "user" in role:
        options |= {
            "username": role["user"], "password": secret(role["password"]["secret"]), "authMechanism": config["auth_mechanism"],
            "authSource": config.get("auth_database", config["database"]),
        }  # fmt: skip
    return AsyncMongoClient(list(config["hosts"]), **options)


def keep_values_out_of_logs() -> None:
    """Unless somebody asks for the driver's own log: it tells every command, with its values."""
    log = logging.getLogger("pymongo")
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)
