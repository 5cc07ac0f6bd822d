"""Somebody else's GraphQL API: Strawberry on a real socket, and beside it a server whose answers are those of the test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Optional

import strawberry
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from strawberry.asgi import GraphQL

from mockforge_asgi.testing import Server


@strawberry.type
class Address:
    """Something nested."""

    city: str


@strawberry.type
class User:
    """Somebody."""

    id: int
    name: str
    credit: Decimal
    score: float
    tags: list[str]
    address: Optional[Address] = None  # noqa: UP045  # Strawberry reads it when it runs


USERS = [
    User(id=n, name=f"user {n}", credit=Decimal(f"{n}.10"), score=n / 2, tags=["a"], address=Address(city="Oslo")) for n in range(1, 26)
]


@strawberry.type
class PageInfo:
    """Of Relay's connections."""

    has_next_page: bool
    end_cursor: str


@strawberry.type
class UserEdge:
    """Of Relay's connections."""

    node: User


@strawberry.type
class UserConnection:
    """A connection, with `nodes` as many have them."""

    edges: list[UserEdge]
    nodes: list[User]
    page_info: PageInfo
    total_count: int


@strawberry.type
class Query:
    """What is read."""

    @strawberry.field
    def user(self, id: int) -> Optional[User]:  # noqa: UP045
        """One user."""
        return next((user for user in USERS if user.id == id), None)

    @strawberry.field
    def users(self, name: Optional[str] = None) -> list[User]:  # noqa: UP045
        """All of them, or those of a name."""
        return [user for user in USERS if name is None or user.name == name]

    @strawberry.field
    def people(self, first: int = 10, after: str = "0") -> UserConnection:
        """In pages."""
        start = int(after)
        found = USERS[start : start + first]
        info = PageInfo(has_next_page=start + first < len(USERS), end_cursor=str(start + len(found)))
        return UserConnection(edges=[UserEdge(node=user) for user in found], nodes=found, page_info=info, total_count=len(USERS))

    @strawberry.field
    def echo(self, text: str, number: float = 1.5, ids: list[int] = []) -> str:  # noqa: B006  # a GraphQL default
        """What was given."""
        return json.dumps([text, number, ids])

    @strawberry.field
    def fails(self, code: str = "") -> Optional[str]:  # noqa: UP045
        """An error, with that code."""
        raise GraphQLError("the password of the database at 10.0.0.1 is hush", extensions={"code": code} if code else {})


@strawberry.type
class Mutation:
    """What is changed."""

    @strawberry.mutation
    def add_user(self, name: str) -> User:
        """A new one."""
        if any(user.name == name for user in USERS):
            raise GraphQLError(f"{name} is taken", extensions={"code": "CONFLICT"})
        USERS.append(User(id=len(USERS) + 1, name=name, credit=Decimal("0"), score=0.0, tags=[]))
        return USERS[-1]


class Api:
    """Strawberry at `/graphql`, the test's own answer at `/scripted`."""

    def __init__(self) -> None:
        self.answer: tuple[int, Any, dict[str, str]] = (200, {}, {})
        self.asked: list[dict[str, Any]] = []
        graphql: Any = GraphQL(strawberry.Schema(Query, Mutation))
        self.app = Starlette(routes=[Mount("/graphql", graphql), Route("/scripted", self._scripted, methods=["POST"])])

    async def _scripted(self, request: Request) -> Response:
        self.asked.append(await request.json())
        status, body, headers = self.answer
        text = body if isinstance(body, str) else json.dumps(body)
        return Response(text, status, {"content-type": "application/json", **headers})


@contextmanager
def api_served() -> Iterator[tuple[Api, Server]]:
    """The API on a port of the loopback."""
    api = Api()
    server = Server(api.app).start()
    try:
        yield api, server
    finally:
        server.stop()
