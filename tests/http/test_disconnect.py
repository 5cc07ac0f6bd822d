"""DisconnectWatcher: a client that leaves ends the wait, and nothing else does."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_asgi.errors import ClientDisconnected
from mockforge_asgi.http.body import RequestBody
from mockforge_asgi.http.disconnect import DisconnectWatcher
from mockforge_asgi.testing import Conversation

SCOPE = {"type": "http", "headers": [], "http_version": "1.1"}


async def test_a_client_that_leaves_ends_the_wait() -> None:
    talk = Conversation()
    talk.leave()
    with pytest.raises(ClientDisconnected):
        with DisconnectWatcher(RequestBody(SCOPE, talk.receive)):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


async def test_a_short_call_never_touches_the_connection() -> None:
    talk = Conversation([{"type": "http.request", "body": b""}])
    request_body = RequestBody(SCOPE, receive := talk.receive)
    with DisconnectWatcher(request_body):
        await asyncio.sleep(0)
    assert talk.received == 0 and request_body.replay() is receive


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def work() -> None:
        with DisconnectWatcher(RequestBody(SCOPE, Conversation().receive)):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_are_a_cancellation() -> None:
    request_body = RequestBody(SCOPE, Conversation().receive)

    async def both() -> None:
        watch = DisconnectWatcher(request_body)
        with watch:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            watch._leave()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(both())


async def test_an_error_of_the_call_passes_through() -> None:
    with pytest.raises(ValueError, match="own"):
        with DisconnectWatcher(RequestBody(SCOPE, Conversation().receive)):
            raise ValueError("own")
