"""Routes and templates that answer out of a data source: a table of SQLite behind a plugin."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_plugin import Column, DataResult, DataSourcePlugin, Json, PluginError


class Shop(DataSourcePlugin):
    """Articles, in memory."""

    def init(self) -> None:
        """Make the table."""
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.execute("create table articles (id integer primary key, name text unique, price text, city text)")
        rows = [(1, "tea", "1.10", "Oslo"), (2, "milk", "0.00", None), (3, "salt", "12345678901234567890.5", "Oslo"), (4, "", "7", "Rome")]
        self.db.executemany("insert into articles values (?, ?, ?, ?)", rows)

    async def query(
        self,
        query: Json,
        params: Mapping[str, Json],
        *,
        limit: int = 1000,
        cursor: str | None = None,
        order: Sequence[str] = (),
        count: bool = False,
        write: bool = False,
    ) -> DataResult:
        """Run it."""
        if query == "down":
            raise PluginError("the password hush-hush is wrong", code="unavailable", details={"busy": True, "retry_after_s": 7})
        if isinstance(query, dict):
            conditions = " and ".join(f"{name} is :{name}" for name in query["where"] if name in params) or "1"
            query = f"select {', '.join(query.get('columns', '*'))} from {query['from']} where {conditions}"
        if order:
            query += " order by " + ", ".join(f"{name.removeprefix('-')} {'desc' if name.startswith('-') else 'asc'}" for name in order)
        total = self.db.execute(f"select count(*) from ({query})", params).fetchone()[0] if count else None
        try:
            found = self.db.execute(query, params)
            start = int(cursor or 0)
            rows = found.fetchall()[start : start + limit + 1]
        except sqlite3.IntegrityError as error:
            raise PluginError("a unique key", code="conflict") from error
        kinds = {"id": "integer", "price": "decimal"}
        columns = tuple(Column(name, kinds.get(name, "text")) for name, *_ in found.description or ())
        is_more = len(rows) > limit
        following, affected = str(start + limit) if is_more else None, found.rowcount if write else None
        return DataResult(columns, tuple(rows[:limit]), is_more, following, total, affected)


QUERIES = {
    "by_id": {"query": "select * from articles where id = :id", "params": {"id": "integer"}},
    "of_city": {"query": "select * from articles where city = :city", "params": {"city": "text"}},
    "all": {
        "from": "articles", "columns": ["id", "price"], "where": {"city": {"type": "text", "optional": True}},
        "order": ["id"], "sort": ["name", "price"],
    },
    "add": {"query": "insert into articles (name, price) values (:name, :price) returning id",
            "params": {"name": "text", "price": "decimal"},
            "write": True},
    "remove": {"query": "delete from articles where id = :id", "params": {"id": "integer"}, "write": True},
    "down": "down",
}  # fmt: skip


def route(method: str, path: str, **response: Any) -> dict[str, Any]:
    return {"match": {"method": method, "path": path}, "response": response}


def config(*more: dict[str, Any]) -> dict[str, Any]:
    one = {"params": {"id": "{{ request.path_params.id }}"}, "one": True}
    added = {"name": "{{ request.json.name }}", "price": "{{ request.json.price }}"}
    text = '{"price": {{ data.shop.by_id(id=1).one.price }}, "twice": {{ data.shop.by_id(id=1).one.price * 2 }}, '
    text += '"none": {{ data.shop.by_id(id=9).one | json }}, "rows": {{ data.shop.of_city(city="Oslo").rows | json }}}'
    return {
        "version": 1,
        "sources": {"shop": {"plugin": "shop", "queries": QUERIES}},
        "routes": [
            route("GET", "/articles/{id}", data="shop.by_id", **one),
            route("GET", "/articles", data="shop.all", total=True, headers={"x-from": "shop"}),
            route("GET", "/in/{city}", data="shop.of_city", params={"city": "{{ request.path_params.city }}"}, one=True),
            route("GET", "/joined", data="shop.of_city", params={"city": 'O{{ "sl" }}o'}),
            route("POST", "/articles", data="shop.add", params=added, one=True, status=201),
            route("DELETE", "/articles/{id}", data="shop.remove", status=204, **one),
            route("GET", "/down", data="shop.down"),
            route("GET", "/template", template_text=text),
            *more,
        ],
    }


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client(MockForge(config=config(), plugins=[Shop()])) as made:
        yield made


async def test_one_row_is_an_object_and_its_decimals_are_numbers_with_their_digits(client: Client) -> None:
    answer = await client.get("/articles/1")
    assert (answer.status, answer.text) == (200, '{"id":1,"name":"tea","price":1.10,"city":"Oslo"}')
    assert (await client.get("/articles/3")).text.endswith('"price":12345678901234567890.5,"city":"Oslo"}')


async def test_null_and_empty_text_stay_apart(client: Client) -> None:
    assert (await client.get("/articles/2")).json()["city"] is None
    assert (await client.get("/articles/4")).json()["name"] == ""


async def test_23_no_row_is_a_404_and_several_are_a_fault_of_the_mock(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert (await client.get("/articles/9")).status == 404
    assert (await client.get("/in/Oslo")).status == 500
    assert "query 'of_city' of data source 'shop' gave several rows" in caplog.text


@pytest.mark.parametrize("id", ["x", "1.0", "1e0", "1%20or%201=1", "99999999999999999999", "true"])
async def test_a_value_of_another_type_is_a_422_and_says_nothing_of_the_query(client: Client, id: str) -> None:
    answer = await client.get(f"/articles/{id}")
    assert (answer.status, answer.json()["message"]) == (422, "a value of the request is not what the data accept")


async def test_a_list_has_pages_a_total_an_order_and_filters(client: Client) -> None:
    answer = await client.get("/articles?limit=2")
    assert answer.text == '[{"id":1,"price":1.10},{"id":2,"price":0.00}]'
    assert (answer.header("x-total-count"), answer.header("x-from")) == ("4", "shop")
    link = answer.header("link") or ""
    assert link.startswith("<?limit=2&cursor=") and link.endswith('>; rel="next"')
    answer = await client.get(f"/articles{link.partition('>')[0].removeprefix('<')}")
    assert ([row["id"] for row in answer.json()], answer.header("link")) == ([3, 4], None)
    assert [row["id"] for row in (await client.get("/articles?sort=-name")).json()] == [1, 3, 2, 4]
    assert [row["id"] for row in (await client.get("/articles?city=Oslo&unknown=1")).json()] == [1, 3]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "cursor=2", "cursor=", "sort=id", "sort=city", "sort=name,name"])
async def test_18_a_forged_cursor_a_bad_limit_and_an_order_that_is_not_allowed_are_400(client: Client, query: str) -> None:
    assert (await client.get(f"/articles?{query}")).status == 400


async def test_writes_answer_with_what_they_made_and_23_a_unique_key_that_is_there_is_a_409(client: Client) -> None:
    answer = await client.post("/articles", json={"name": "rice", "price": 2.5})
    assert (answer.status, answer.json()) == (201, {"id": 5})
    assert (await client.post("/articles", json={"name": "rice", "price": 2.5})).status == 409
    assert (await client.post("/articles", json={"name": None, "price": "3.10"})).status == 201
    assert (await client.post("/articles", json={"price": 1})).status == 422
    values: list[Any] = [True, {"$gt": ""}, [], "1e5"]
    for value in values:
        assert (await client.post("/articles", json={"name": "x", "price": value})).status == 422
    assert [(await client.request("DELETE", "/articles/5")).status for _ in range(2)] == [204, 404]


async def test_an_outage_is_a_503_without_the_sources_words(client: Client) -> None:
    answer = await client.get("/down")
    assert (answer.status, answer.header("retry-after")) == (503, "7")
    assert "hush" not in answer.text


async def test_templates_have_rows_as_objects_and_decimals_that_count_and_keep_their_digits(client: Client) -> None:
    answer = await client.get("/template")
    assert '"price": 1.10,' in answer.text and '"price":12345678901234567890.5' in answer.text
    found = json.loads(answer.text)
    assert (found["twice"], found["none"], len(found["rows"])) == (2.2, None, 2)
    assert [row["id"] for row in (await client.get("/joined")).json()] == [1, 3]


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({"data": "shap.by_id"}, "there is no source 'shap'"),
        ({"data": "shop.by_di", "one": True}, "the source 'shop' has no query 'by_di'"),
        ({"data": "shop.by_id", "params": {"di": 1}}, "the query 'by_id' has no parameter 'di'"),
        ({"data": "shop.by_id"}, "the query 'by_id' needs the parameter 'id'"),
        ({"data": "shop"}, "is not a query of a source"),
        ({"json": 1, "one": True}, "`one` has no effect without `data`"),
        ({"data": "shop.down", "json": 1}, "gives data and json at once"),
    ],
)
def test_what_is_wrong_is_told_before_any_request(response: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MockForge(config=config(route("GET", "/wrong", **response)), plugins=[Shop()])
    assert words in str(caught.value)
