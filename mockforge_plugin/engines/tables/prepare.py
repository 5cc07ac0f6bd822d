"""From a file to its SQLite file: found in the cache, or built. Runs in a thread, or in a process that can be ended (`Processes`)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import IO, Any, Final

from mockforge_plugin.engines.tables.build import LAYOUT, TableOptions, build
from mockforge_plugin.engines.tables.cache import Stamp, TableCache
from mockforge_plugin.engines.tables.sheets import BadFile, Reader
from mockforge_plugin.values import Json

ABOUT_PLACES: Final = frozenset({"file", "cache_dir", "threads", "max_mb"})
"""Options that do not change what is built."""


def known(version: str, file: str, config: Mapping[str, Any], folder: str) -> dict[str, Json] | None:
    """The same as `prepare` for a file that has been built before, and need not even be read; else None."""
    path = Path(file)
    try:
        cache, stamp = TableCache(Path(folder)), Stamp.of(path)
        digest = cache.known_digest(path, stamp)
        database = None if digest is None else cache.database(digest, _key(version, path, config))
    except OSError:
        return None
    return {"database": str(database), "stamp": list(astuple(stamp))} if database is not None and _is_there(database) else None


def prepare(reader: Reader, version: str, file: str, config: Mapping[str, Any], folder: str) -> dict[str, Json]:
    """`{"database": path, "stamp": [...]}`, or `{"error": what is wrong, "stamp": [...] or null}`; with `again`, it is worth trying anew.

    `version` is that of the reader, `folder` the cache's.
    """
    path, stamp = Path(file), None
    try:
        cache = TableCache(Path(folder))
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:  # a pipe is not waited for
            stamp = Stamp.of(opened)
            if stamp.size > config["max_mb"] * (1 << 20):
                raise BadFile(f"it has {stamp.size >> 20} MiB; the most is max_mb: {config['max_mb']}")
            database, is_new = _database(cache, reader, version, path, opened, stamp, config)
            is_same = Stamp.of(path) == stamp == Stamp.of(opened)
            if is_new and not is_same:
                database.unlink(missing_ok=True)  # nobody will ask for it
    except BadFile as error:
        return {"error": str(error), "stamp": None if stamp is None else list(astuple(stamp)), "again": not _is_unchanged(path, stamp)}
    except OSError as error:
        return {"error": error.strerror or str(error), "stamp": None if stamp is None else list(astuple(stamp)), "again": False}
    if not is_same:
        return {"error": "it was changed while it was read", "stamp": None, "again": True}
    return {"database": str(database), "stamp": list(astuple(stamp))}


def _is_unchanged(path: Path, stamp: Stamp | None) -> bool:
    try:
        return stamp is None or Stamp.of(path) == stamp
    except OSError:
        return False


def _database(
    cache: TableCache,
    reader: Reader,
    version: str,
    path: Path,
    opened: IO[bytes],
    stamp: Stamp,
    config: Mapping[str, Any],
) -> tuple[Path, bool]:
    """(the SQLite file, which is there; whether it was built)."""
    database = cache.database(cache.digest(opened, path, stamp), _key(version, path, config))
    if _is_there(database):
        return database, False
    with cache.alone(database):
        if _is_there(database):
            return database, False
        with cache.whole(database) as made:
            build(reader(path, config), TableOptions.of(config), made)
            if Stamp.of(path) != stamp:
                raise BadFile("it was changed while it was read")
        cache.tidy()
    return database, True


def _key(version: str, path: Path, config: Mapping[str, Any]) -> bytes:
    """What a database depends on beside the content of its file."""
    said = {key: value for key, value in config.items() if key not in ABOUT_PLACES}
    return json.dumps([LAYOUT, version, path.stem, path.suffix, said], sort_keys=True).encode()


def _is_there(database: Path) -> bool:
    """Whether it is built; that it is used keeps it from being removed."""
    try:
        os.utime(database)
    except OSError:
        return False
    return True
