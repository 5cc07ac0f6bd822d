"""Somebody else's API, on a real socket: lists in all kinds of pages, things by id, and much that an API should not do."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mockforge_asgi.testing import Server

ITEMS = [{"id": n, "name": f"item {n}", "price": f"{n}.10"} for n in range(1, 26)]


class Api:
    """The API, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.users: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Ada", "city": "Oslo"}, 2: {"id": 2, "name": "Bo", "city": None}}
        self.tokens = 0
        self.endless = 0
        routes = [
            Route("/v1/users", self.users_list, methods=["GET", "POST"]),
            Route("/v1/users/{id:int}", self.user, methods=["GET", "DELETE"]),
            Route("/v1/items", self.items),
            Route("/v1/numbers", self.numbers),
            Route("/v1/echo", self.echo, methods=["GET", "POST", "PUT"]),
            Route("/v1/echo/{rest:path}", self.echo, methods=["GET", "POST", "PUT"]),
            Route("/v1/status/{code:int}", self.status, methods=["GET", "POST"]),
            Route("/v1/to", self.redirect, methods=["GET", "POST"]),
            Route("/v1/bomb", self.bomb),
            Route("/v1/text", self.text),
            Route("/v1/endless", self.endless_pages),
            Route("/v1/private", self.private),
            Route("/token", self.token, methods=["POST"]),
            Route("/admin", self.echo),
        ]
        self.app = Starlette(routes=routes)

    async def users_list(self, request: Request) -> Response:
        """All users, or a new one."""
        if request.method == "GET":
            return JSONResponse({"data": list(self.users.values())})
        made = await request.json()
        if made["name"] in [user["name"] for user in self.users.values()]:
            return JSONResponse({"message": f"{made['name']} is taken, says the database at 10.0.0.1"}, 409)
        id = max(self.users) + 1
        self.users[id] = {"id": id, "city": None, **made}
        return JSONResponse({"data": self.users[id]}, 201)

    async def user(self, request: Request) -> Response:
        """One user."""
        user = self.users.get(request.path_params["id"])
        if user is None:
            return JSONResponse({"message": "not found"}, 404)
        if request.method == "DELETE":
            del self.users[user["id"]]
            return Response(status_code=204)
        return JSONResponse({"data": user})

    async def items(self, request: Request) -> Response:
        """25 items, in pages of all four kinds at once."""
        self._note(request)
        size, url = int(request.query_params.get("size", "10")), str(request.url.include_query_params)
        start = int(request.query_params.get("offset", "0"))
        if (page := request.query_params.get("page")) is not None:
            start = (int(page) - 1) * size
        if (cursor := request.query_params.get("after")) is not None:
            start = int(cursor.removeprefix("c/"))
        rows, end = ITEMS[start : start + size], start + size
        is_more = end < len(ITEMS)
        url = str(request.url.include_query_params(offset=end))
        body = {"items": rows, "after": f"c/{end}" if is_more else None, "links": {"next": url if is_more else None}, "total": len(ITEMS)}
        headers = {"x-total-count": str(len(ITEMS))}
        if is_more:
            headers["link"] = f'<{url}>; title="a, b; c"; rel="next", <{request.url}>; rel="self"'
        return JSONResponse(body, headers=headers)

    async def numbers(self, request: Request) -> Response:
        """JSON whose numbers want care."""
        rows = '{"id":9007199254740993,"price":1.10,"n":{"x":0.12345678901234567890,"y":2.50},"m":1,"s":"1.10","b":true}'
        more = '{"id":2,"price":12345678901234567890.10,"n":null,"m":"x","b":null,"e":1e3}'
        return Response(f"[{rows},{more}]", media_type="application/json")

    async def echo(self, request: Request) -> Response:
        """What was asked."""
        self._note(request)
        seen = {**self.asked[-1], "body": (await request.body()).decode(), "type": request.headers.get("content-type")}
        return JSONResponse(seen)

    async def status(self, request: Request) -> Response:
        """An answer with that status."""
        headers = {"retry-after": "7"} if request.path_params["code"] in (429, 503) else {}
        return JSONResponse({"error": "the password of the database is hush"}, request.path_params["code"], headers)

    async def redirect(self, request: Request) -> Response:
        """To wherever it is told."""
        self._note(request)
        return RedirectResponse(request.query_params["url"], int(request.query_params.get("code", "302")))

    async def bomb(self, request: Request) -> Response:
        """More than the door lets in, in a thousandth of that."""
        return Response(gzip.compress(b" " * (5 << 20), 1), headers={"content-encoding": "gzip"})

    async def text(self, request: Request) -> Response:
        """No JSON, or none that is sound."""
        texts = {"plain": "hello", "deep": "[" * 100_000, "nan": "[NaN]", "digits": f"[{'9' * 5000}]", "half": '[{"a": 1', "bytes": "é"}
        text = texts[request.query_params["of"]]
        return PlainTextResponse(text.encode("latin-1"), media_type="application/json")

    async def endless_pages(self, request: Request) -> Response:
        """Pages without end: empty ones, full ones, or always the same."""
        self.endless += 1
        kind = request.query_params["of"]
        following = "again" if kind == "circle" else str(self.endless)
        return JSONResponse({"items": [] if kind == "empty" else [{"n": self.endless}], "after": following})

    async def token(self, request: Request) -> Response:
        """A token for a client's own secret."""
        form = (await request.body()).decode()
        if request.headers["authorization"] != "Basic c2hvcDpodXNoJTJGaHVzaA==" or "grant_type=client_credentials" not in form:
            return JSONResponse({"error": "invalid_client"}, 401)
        self.tokens += 1
        return JSONResponse({"access_token": f"t{self.tokens}", "expires_in": 3600})

    async def private(self, request: Request) -> Response:
        """For the newest token, the right key, or the right password."""
        good = {f"Bearer t{self.tokens}", "Bearer hush/hush", "Basic YWRhOmh1c2gvaHVzaA=="}
        if request.headers.get("authorization") in good or "hush/hush" in (
            request.headers.get("x-key"),
            request.query_params.get("key"),
        ):
            return JSONResponse([{"ok": True}])
        return JSONResponse({"message": "who are you"}, 401)

    def _note(self, request: Request) -> None:
        raw = request.scope["raw_path"].decode()
        self.asked.append({"method": request.method, "path": raw, "query": request.scope["query_string"].decode()})


@contextmanager
def api_served() -> Iterator[tuple[Api, Server]]:
    """The API on a port of the loopback."""
    api = Api()
    server = Server(api.app).start()
    try:
        yield api, server
    finally:
        server.stop()
