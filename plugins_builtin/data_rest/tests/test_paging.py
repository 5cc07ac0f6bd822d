"""Lists go on in the API's own way, within bounds."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any

import pytest

from plugins_builtin.data_rest.tests.api import Api
from plugins_builtin.data_rest.tests.conftest import Opening

WAYS = {
    "link": {"by": "link"},
    "url": {"by": "url", "at": "$.links.next"},
    "cursor": {"by": "cursor", "at": "$.after", "parameter": "after"},
    "page": {"by": "page", "parameter": "page", "size": 10},
    "offset": {"by": "offset", "parameter": "offset"},
}
LIST = {"query": {"get": "/items", "rows": "$.items"}}


@pytest.mark.parametrize("way", WAYS)
async def test_all_rows_come_in_each_way_of_paging(api: Api, shop: Opening, way: str) -> None:
    async with shop({"q": LIST}, paging=WAYS[way], total={"at": "$.total"}) as asking:
        result = await asking.result("q", count=True)
    assert [row[0] for row in result["rows"]] == list(range(1, 26))
    assert (result["truncated"], result.get("next"), result["total"], len(api.asked)) == (False, None, 25, 4 if way == "offset" else 3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", [7, 10])
async def test_18_pages_of_ours_neither_skip_nor_repeat(api: Api, shop: Opening, way: str, limit: int) -> None:
    found: list[int] = []
    cursor: str | None = None
    async with shop({"q": LIST}, paging=WAYS[way]) as asking:
        for _ in range(5):
            result = await asking.result("q", limit=limit, cursor=cursor)
            assert len(result["rows"]) <= limit
            found += [row[0] for row in result["rows"]]
            if (cursor := result.get("next")) is None:
                break
            assert result["truncated"]
    assert found == list(range(1, 26)) and cursor is None


@pytest.mark.parametrize("way", ["link", "url"])
async def test_a_key_in_the_address_is_in_no_cursor(api: Api, shop: Opening, way: str) -> None:
    auth = {"query": {"name": "ke y", "secret": "key"}}
    async with shop({"q": LIST}, paging=WAYS[way], auth=auth) as asking:
        first = await asking.result("q", limit=10)
        assert b"hush" not in urlsafe_b64decode(first["next"] + "==")
        assert len((await asking.result("q", limit=10, cursor=first["next"]))["rows"]) == 10
    assert [asked["query"].count("hush%2Fhush") for asked in api.asked] == [1, 1]


async def test_a_list_without_paging_goes_on_within_its_answer(shop: Opening) -> None:
    async with shop({"q": LIST}) as asking:
        first = await asking.result("q", limit=6)
        second = await asking.result("q", limit=6, cursor=first["next"])
    assert [row[0] for row in first["rows"] + second["rows"]] == list(range(1, 11)) and "next" not in second


async def test_a_page_has_the_size_that_is_asked_for_and_a_total_in_a_header_is_read(api: Api, shop: Opening) -> None:
    paging = {"by": "page", "parameter": "page", "size": 13, "size_parameter": "size"}
    async with shop({"q": LIST}, paging=paging, total={"header": "X-Total-Count"}) as asking:
        result = await asking.result("q", count=True)
    assert [asked["query"] for asked in api.asked] == ["size=13&page=1", "size=13&page=2"]
    assert (len(result["rows"]), result["total"]) == (25, 25)


async def test_29_pages_without_end_end(api: Api, shop: Opening) -> None:
    paging = {"by": "cursor", "at": "$.after", "parameter": "after"}

    def endless(of: str) -> dict[str, Any]:
        return {"query": {"get": "/endless", "query": {"of": of}, "rows": "$.items"}}

    async with shop({of: endless(of) for of in ("empty", "full", "circle")}, paging=paging, max_pages=5) as asking:
        for of, rows in (("empty", 0), ("full", 5)):
            api.endless = 0
            result = await asking.result(of)
            assert (len(result["rows"]), result["truncated"], "next" in result, api.endless) == (rows, True, True, 5)
        refused = await asking.refused("circle")
    assert (refused.code, refused.why) == ("bad_data", "its pages lead in a circle")


async def test_more_bytes_than_the_limit_end_a_list_early(api: Api, shop: Opening) -> None:
    async with shop({"q": LIST}, {"max_mb": 0.0008}, paging=WAYS["page"]) as asking:
        result = await asking.result("q")
        assert (len(result["rows"]), result["truncated"]) == (10, True)
        assert [row[0] for row in (await asking.result("q", cursor=result["next"]))["rows"]] == list(range(11, 26))


async def test_what_cannot_be_sorted_whole_is_refused(shop: Opening) -> None:
    async with shop({"q": {**LIST, "order": ["-id"]}}, paging=WAYS["page"], max_pages=2) as asking:
        refused = await asking.refused("q")
    assert refused.code == "limit" and "raise max_pages" in refused.why
