"""A shop whose products, customers and orders are in a database. `uvicorn examples.shop.app:app` serves it.

With `DATABASE_URL` (`postgresql://user:password@host/database`) that is PostgreSQL, with the tables of `shop.sql`; without, a SQLite file
that is made beside this one. Queries that write log in as another role: `DATABASE_WRITER` is its `user:password`.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from mockforge_asgi import MockForge

HERE = Path(__file__).resolve().parent


def database(url: str | None, writer: str | None, file: Path) -> dict[str, Any]:
    """What a source says of its database, and the secrets that it needs. Raises ValueError."""
    if url is None:
        if not file.exists():
            with sqlite3.connect(file) as made:
                made.executescript((HERE / "shop.sql").read_text())
        return {"sources": {"shop": {"use": "sqlite", "config": {"file": str(file), "write": True}}}}
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not (parts.hostname and parts.username):
        raise ValueError("DATABASE_URL is no address of PostgreSQL: write postgresql://user:password@host/database")
    place = {"host": parts.hostname, "port": parts.port or 5432, "database": parts.path.strip("/")}
    user, _, password = (writer or "").partition(":")
    reads = {"user": unquote(parts.username), "password": {"secret": "shop"}}
    writes = {"write": {"user": user, "password": {"secret": "shop_writer"}}} if writer else {}
    return {
        "sources": {"shop": {"use": "postgresql", "config": {**place, **reads, **writes}}},
        "secrets": {"shop": {"value": unquote(parts.password or "")}} | ({"shop_writer": {"value": password}} if writer else {}),
    }


def shop(url: str | None = None, writer: str | None = None, file: Path = HERE / "shop.db") -> MockForge:
    """The API over that database."""
    config = yaml.safe_load((HERE / "mockforge.yaml").read_text())
    found = database(url, writer, file)
    config["sources"]["shop"] |= found.pop("sources")["shop"]
    return MockForge(config={**config, **found, "templates": {"dir": str(HERE / "templates")}})


app = shop(os.environ.get("DATABASE_URL"), os.environ.get("DATABASE_WRITER"))
