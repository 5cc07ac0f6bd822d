"""The mounting example: mocks in front of a FastAPI application."""

from __future__ import annotations

from mockforge_asgi.testing import Client


async def test_what_no_mock_claims_is_the_applications_own() -> None:
    from examples.mounting import app

    async with Client(app) as client:
        assert (await client.get("/orders")).json() == ["one", "two"]
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/hello/Ada")).status == 401
        assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}
