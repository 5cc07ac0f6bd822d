"""A collection of MongoDB as a resource: documents whose fields nobody declared."""

from __future__ import annotations

import json
from typing import Any

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.testing.client import Response
from tests.support.mongodb import MongoServer


async def test_a_collection_is_a_resource(server: MongoServer, database: Any) -> None:
    where = {"_id": {"type": "objectid", "optional": True}, "city": {"type": "text", "optional": True}}
    queries: dict[str, dict[str, Any]] = {
        "users": {"from": "users", "key": "_id", "version": "v", "write": True, "order": "_id", "where": where}
    }
    queries["names"] = {**queries["users"], "columns": ["_id", "name"]}
    del queries["names"]["version"]
    settings = {"hosts": [server.host], "database": "shop", "write": {}, "connect_ms": 20_000}
    source = {"use": "mongodb", "config": settings, "queries": queries, "limits": {"timeout_ms": 20_000}}
    config = {
        "version": 1,
        "sources": {"shop": source},
        "routes": [{"match": {"path": f"/{name}"}, "response": {"resource": f"shop.{name}"}} for name in queries],
    }
    async with Client(MockForge(config=config)) as client:

        async def send(method: str, url: str, value: Any = None, **headers: str) -> Response:
            named = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
            return await client.request(method, url, headers=named, body=b"" if value is None else json.dumps(value).encode())

        assert (await client.get("/users")).json() == []
        made = await send("POST", "/users", {"name": "Ada", "city": "Oslo", "tags": [1, {"a": None}], "by": {"y": 1}})
        path = made.header("location") or ""
        assert made.status == 201 and path == f"/users/{made.json()['_id']}", made.text
        assert (await send("POST", "/users", {"name": {"$gt": ""}})).status == 422, "no operator takes the place of a value"
        patched = await send("PATCH", path, {"by": {"x": 1}, "tags": None}, if_match=made.header("etag") or "")
        assert patched.status == 200 and patched.json()["by"] == {"y": 1, "x": 1}, patched.text
        assert (await send("PATCH", path, {"by": 1}, if_match=made.header("etag") or "")).status == 412
        for wrong in ({"by.x": 2}, {"$set": {"a": 1}}, {"_id": "0" * 24}, {"x" * 200: 1}):
            assert (await send("PATCH", path, wrong)).status == 422, wrong
        assert (await client.get("/names")).json() == [{"_id": made.json()["_id"], "name": "Ada"}]
        assert (await send("PATCH", path.replace("users", "names"), {"admin": True})).status == 422, "what is not named cannot be set"
        assert (await send("PATCH", path.replace("users", "names"), {"name": "Bo"})).json()["name"] == "Bo"
        assert [row["name"] for row in (await client.get("/users?city=Oslo")).json()] == ["Bo"]
        assert (await client.get("/users/not-an-id")).status == 404
        assert [(await send("DELETE", path)).status for _ in range(2)] == [204, 404]
