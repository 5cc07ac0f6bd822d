"""A table of PostgreSQL as a resource: its types come and go, and what it refuses is the client's fault."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.testing.client import Response
from plugins_builtin.data_postgresql.tests.mock import mock
from tests.support.postgresql import Postgresql

TABLE = """
create type mood as enum ('calm', 'angry');
create table members (id uuid primary key default gen_random_uuid(),
  name varchar(20) not null unique, credit numeric(8,2) check (credit >= 0),
  joined timestamptz default '2026-01-02T03:04:05Z', mood mood default 'calm', tags text[], more jsonb, version integer not null);
grant select, insert, update, delete on members to writer;
grant select on members to reader;
"""


async def test_a_table_is_a_resource(server: Postgresql) -> None:
    server.sql(TABLE)
    where = {"credit": {"type": "decimal", "optional": True}, "mood": {"type": "text", "optional": True}}
    query = {"from": "members", "key": "id", "version": "version", "write": True, "order": ["name"], "where": where}
    route = {"match": {"path": "/members"}, "response": {"resource": {"data": "shop.members", "total": True}}}
    async with Client(MockForge(config=mock(server, {"members": query}, [route]))) as client:

        async def send(method: str, url: str, value: Any = None, **headers: str) -> Response:
            named = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
            return await client.request(method, url, headers=named, body=b"" if value is None else json.dumps(value).encode())

        made = await send("POST", "/members", {"name": "Ada", "credit": "1.10", "tags": ["a", None], "more": {"x": {"y": 1, "z": 2}}})
        assert made.status == 201 and '"credit":1.10' in made.text, made.text
        row, path = made.json(), made.header("location") or ""
        assert path == f"/members/{row['id']}" and row["joined"].startswith("2026-01-02T") and row["mood"] == "calm"
        patched = await send("PATCH", path, {"more": {"x": {"y": None}}, "mood": "angry", "tags": None}, if_match=made.header("etag") or "")
        changed = {"more": {"x": {"z": 2}}, "mood": "angry", "tags": None, "version": 2}
        assert patched.json() == {**row, **changed}, patched.text
        for wrong, status in (
            ({"credit": "-1"}, 422), ({"name": None}, 422), ({"name": "x" * 21}, 422), ({"mood": "gone"}, 422), ({"nobody": 1}, 422),
        ):  # fmt: skip
            assert (await send("PATCH", path, wrong)).status == status, wrong
        assert (await send("POST", "/members", {"name": "Ada"})).status == 409
        assert [row["name"] for row in (await client.get("/members?mood=angry&credit=1.1")).json()] == ["Ada"]
        assert (await client.get("/members/not-a-uuid")).status == 404
        tag = (await client.get(path)).header("etag") or ""
        raced = await asyncio.gather(*(send("PATCH", path, {"name": f"n{n}"}, if_match=tag) for n in range(6)))
        assert sorted(answer.status for answer in raced) == [200] + [412] * 5
        assert [(await send("DELETE", path)).status for _ in range(2)] == [204, 404]
        assert (await client.get("/members")).header("x-total-count") == "0"
