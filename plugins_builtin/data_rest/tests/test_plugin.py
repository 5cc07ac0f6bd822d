"""What an API may do to us: refuse, be slow, redirect, and say too much."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from mockforge_asgi.errors import MockForgeError, SourceFailed
from mockforge_asgi.testing import Server
from plugins_builtin.data_rest.tests.api import Api
from plugins_builtin.data_rest.tests.conftest import Opening
from tests.support.querying import asking

STATUS = {"q": {"query": {"get": "/status/:code"}, "params": {"code": "integer"}}}
TO = {
    "q": {"query": {"get": "/to", "query": {"url": ":url", "code": ":code"}},
          "params": {"url": "text", "code": {"type": "integer", "default": 302}}},
    "w": {"query": {"post": "/to", "query": {"url": ":url", "code": ":code"}}, "params": {"url": "text", "code": "integer"}, "write": True},
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_input"), (409, "conflict"), (401, "unavailable"), (403, "unavailable"), (408, "timeout"), (418, "bad_data"),
     (429, "unavailable"), (500, "bad_data"), (502, "unavailable"), (503, "unavailable")],
)  # fmt: skip
async def test_a_status_means_what_it_means_and_its_words_go_no_further(shop: Opening, status: int, code: str) -> None:
    async with shop(STATUS) as asking:
        refused = await asking.refused("q", {"code": status})
    assert refused.code == code and str(status) in refused.why and "hush" not in refused.told + refused.why
    assert isinstance(refused.error, SourceFailed)
    assert refused.error.retry_after_s == (7 if status in (429, 503) else 1)


async def test_29_an_api_that_is_busy_is_not_taken_for_one_that_is_down(api: Api, shop: Opening) -> None:
    async with shop({**STATUS, "all": {"query": {"get": "/users"}}}) as asking:
        for _ in range(4):
            assert (await asking.refused("q", {"code": 429})).code == "unavailable"
        assert await asking.rows("all")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/v1/echo", "http://169.254.169.254/latest", "//example.com/v1/echo", "https://127.0.0.1/v1/echo", "/admin",
     "/v1/../admin", "/v1/%2e%2e/admin", "http://user@127.0.0.1/v1/echo", "file:///etc/passwd", "http://[::1", "/v1evil"],
)  # fmt: skip
async def test_29_no_redirect_leads_elsewhere(api: Api, shop: Opening, url: str) -> None:
    async with shop(TO) as asking:
        refused = await asking.refused("q", {"url": url})
    assert refused.code == "bad_data" and len(api.asked) == 1


async def test_redirects_below_the_address_are_followed_by_reads_and_not_for_ever(api: Api, shop: Opening) -> None:
    async with shop(TO) as asking:
        for code in (301, 302, 303, 307, 308):
            assert (await asking.rows("q", {"url": "/v1/echo", "code": code}))[0]["path"] == "/v1/echo"
        assert (await asking.rows("w", {"url": "echo", "code": 303}))[0]["method"] == "GET"
        assert (await asking.refused("w", {"url": "echo", "code": 307})).code == "bad_data"
        api.asked.clear()
        assert (await asking.refused("q", {"url": "?url=to", "code": 302})).code == "bad_data" and len(api.asked) <= 6


async def test_29_a_bomb_is_ended_by_the_door(shop: Opening) -> None:
    async with shop({"q": {"query": {"get": "/bomb"}}}, {"max_mb": 64, "timeout_ms": 60_000}) as asking:
        assert (await asking.refused("q")).code == "limit"


async def test_a_query_cannot_show_something_else_than_the_configuration(shop: Opening) -> None:
    query = {"get": "/private", "headers": {"Authorization": ":who", "accept": "text/x"}}
    async with shop({"q": {"query": query, "params": {"who": "text"}}}, auth={"bearer": {"secret": "key"}}) as asking:
        assert await asking.rows("q", {"who": "Bearer other"}) == [{"ok": True}]


@pytest.mark.parametrize(
    "auth",
    [
        {"bearer": {"secret": "key"}}, {"basic": {"user": "ada", "password": {"secret": "key"}}},
        {"query": {"name": "key", "secret": "key"}},
        {"header": {"name": "X-Key", "secret": "key"}}, {"header": {"name": "authorization", "prefix": "Bearer ", "secret": "key"}},
    ],
)  # fmt: skip
async def test_the_api_is_shown_the_secret(shop: Opening, auth: dict[str, Any]) -> None:
    async with shop({"q": {"query": {"get": "/private"}}}, auth=auth) as asking:
        assert await asking.rows("q") == [{"ok": True}]


async def test_credentials_that_are_refused_are_told_nowhere(shop: Opening, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with shop({"q": {"query": {"get": "/private"}}}, auth={"header": {"name": "x-other", "secret": "key"}}) as asking:
        refused = await asking.refused("q")
    assert refused.code == "unavailable" and "401" in refused.why and "hush" not in caplog.text + refused.why


async def test_29_a_token_is_fetched_once_and_again_when_it_is_refused(served: tuple[Api, Server], api: Api, shop: Opening) -> None:
    oauth2 = {"token_url": f"{served[1].url}/token", "client_id": "shop", "client_secret": {"secret": "key"}}
    async with shop({"q": {"query": {"get": "/private"}}}, auth={"oauth2": oauth2}) as asking:
        api.tokens = 0
        assert [await asking.rows("q") for _ in range(3)] and api.tokens == 1
        api.tokens = 5  # the one we have is over
        assert await asyncio.gather(*(asking.rows("q") for _ in range(4))) == [[{"ok": True}]] * 4 and api.tokens == 6
    async with shop({"q": {"query": {"get": "/private"}}}, auth={"oauth2": {**oauth2, "client_id": "other"}}) as asking:
        refused = await asking.refused("q")
    assert refused.code == "unavailable" and "answered 401 without one" in refused.why


async def test_14_an_api_that_is_down_is_unavailable() -> None:
    async with asking({"use": "rest", "config": {"url": "http://127.0.0.1:9/v1"}, "queries": {"q": {"query": {"get": "/x"}}}}) as source:
        assert (await source.refused("q")).code == "unavailable"


async def test_a_text_of_a_plugin_is_the_path_of_a_read(api: Api, shop: Opening) -> None:
    async with shop({}, rows="$.data") as asking:
        assert len(await asking.rows("/users", raw=True)) == 2
        for text in ("/../admin", "http://127.0.0.1/", "/users?x=1", "/users/:id"):
            assert (await asking.refused(text, raw=True)).code == "bad_data"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"url": "http://api.example/v1"}, "over plain http"), ({"url": "https://x#a"}, "an address"),
        ({"url": "https://x/?a=b"}, "without a query"),
        ({"url": "https://x", "auth": {"bearer": {"secret": "key"}, "query": {"name": "a", "secret": "key"}}}, "bearer and query"),
        ({"url": "https://x", "paging": {"by": "cursor"}}, "needs `at`"), ({"url": "https://x", "rows": "items"}, "JSONPath"),
        ({"url": "https://x", "tables": {"t": {"get": "t"}}}, "begins with a slash"),
    ],
)  # fmt: skip
async def test_what_is_wrong_in_the_configuration_is_told_at_the_start(config: dict[str, Any], words: str) -> None:
    with pytest.raises(MockForgeError) as caught:
        async with asking({"use": "rest", "config": config}, secrets={"key": {"value": "hush/hush"}}):
            pass
    assert words in str(caught.value)


async def test_a_portable_change_is_refused_before_anything_is_sent(api: Api, shop: Opening) -> None:
    async with shop({"q": {"from": "users", "delete": True, "where": {"id": "integer"}}}) as asking:
        refused = await asking.refused("q", {"id": 1})
    assert refused.code == "bad_data" and "write the request" in refused.why and len(api.users) >= 2
