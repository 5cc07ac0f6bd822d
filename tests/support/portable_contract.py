"""What every source of tables answers to portable queries (docs/reference/data.md): to be run against each engine.

The engine is given an empty table `articles`: `id` an integer that it makes itself, `name` a text that is there and unique, `price` a
decimal, `city` a text whose default is Oslo.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import pytest

from mockforge_asgi.contract.source_query import SourceQuery

TYPES: Final = {"id": "integer", "name": "text", "price": "decimal", "city": "text", "new_name": "text"}
Ask = Callable[[SourceQuery], Awaitable[Mapping[str, Any]]]


class Coded(Protocol):
    """An error with a code of the contract."""

    code: str


def portable(query: Mapping[str, Any], params: Mapping[str, Any] = {}, **options: Any) -> SourceQuery:
    """A portable query of that table."""
    types = {name: TYPES[name] for name in params}
    is_write = any(form in query for form in ("insert", "update", "delete"))
    return SourceQuery({"from": "articles", **query}, params, types, write=is_write, **options)


async def hold_portable_contract(ask: Ask) -> None:
    """Raises AssertionError where the engine departs from the contract."""
    await _inserts(ask)
    await _reads(ask)
    await _updates_and_deletes(ask)


async def _refusal(ask: Ask, query: SourceQuery) -> str:
    with pytest.raises(Exception) as caught:  # PluginError in the plugin, HostCallError behind the host
        await ask(query)
    return str(getattr(caught.value, "code", repr(caught.value)))


async def _rows(ask: Ask, query: Mapping[str, Any], params: Mapping[str, Any] = {}, **options: Any) -> list[list[Any]]:
    return [list(row) for row in (await ask(portable(query, params, **options)))["rows"]]


async def _inserts(ask: Ask) -> None:
    every = {"insert": {"name": "name", "price": "price", "city": "city"}}
    made = await ask(portable(every, {"name": "tea", "price": "1.10", "city": None}))
    names = [column["name"] for column in made["columns"]]
    row = dict(zip(names, made["rows"][0], strict=True))
    assert row == {"id": row["id"], "name": "tea", "price": "1.10", "city": None} and isinstance(row["id"], int)
    assert made["affected"] == 1 and len(made["rows"]) == 1
    made = await ask(portable({**every, "columns": ["city", "id"]}, {"name": "milk"}))
    assert [column["name"] for column in made["columns"]] == ["city", "id"], "columns in the order that is asked for"
    assert made["rows"][0][0] == "Oslo", "what is not given has the default"
    await ask(portable({"insert": {"name": "new_name"}}, {"new_name": "salt'; drop table articles; --"}))
    assert await _refusal(ask, portable(every, {"name": "tea"})) == "conflict"
    assert await _refusal(ask, portable(every, {"name": None})) == "invalid_input"
    assert await _refusal(ask, portable({"insert": {"nome": "name"}}, {"name": "x"})) == "bad_data"


async def _reads(ask: Ask) -> None:
    by_name = {"columns": ["name"], "where": ["name", "city"]}
    assert await _rows(ask, by_name, order=("name",)) == [["milk"], ["salt'; drop table articles; --"], ["tea"]]
    assert await _rows(ask, by_name, {"city": "Oslo"}, order=("-name",)) == [["salt'; drop table articles; --"], ["milk"]]
    assert await _rows(ask, by_name, {"city": None}) == [["tea"]], "null is asked for with is null"
    assert await _rows(ask, by_name, {"city": "Rome"}) == []
    page = await ask(portable({"columns": ["name"], "where": []}, order=("name",), limit=2, count=True))
    assert ([list(row) for row in page["rows"]], page["total"]) == ([["milk"], ["salt'; drop table articles; --"]], 3)
    rest = await ask(portable({"columns": ["name"], "where": []}, order=("name",), limit=2, cursor=page["next"]))
    assert [list(row) for row in rest["rows"]] == [["tea"]] and rest.get("next") is None
    none = await ask(portable({"where": ["name"]}, {"name": "nothing"}))
    found = {column["name"]: column.get("type", "text") for column in none["columns"]}
    assert found == {name: TYPES[name] for name in ("id", "name", "price", "city")}, "columns are told without rows, too"


async def _updates_and_deletes(ask: Ask) -> None:
    (one,) = await _rows(ask, {"columns": ["id"], "where": ["name"]}, {"name": "milk"})
    renamed = {"update": {"name": "new_name", "price": "price"}, "where": ["id", "name"]}
    given = {"id": one[0], "name": "milk", "new_name": "oat milk"}
    assert (await ask(portable(renamed, given)))["affected"] == 1
    assert (await ask(portable(renamed, given)))["affected"] == 0, "its conditions no longer hold"
    same = {"id": one[0], "name": "oat milk", "new_name": "oat milk"}
    assert (await ask(portable(renamed, same)))["affected"] == 1, "rows count that are as they were"
    assert await _rows(ask, {"columns": ["name", "price", "city"], "where": ["id"]}, {"id": one[0]}) == [["oat milk", None, "Oslo"]]
    assert await _refusal(ask, portable(renamed, {**same, "new_name": "tea"})) == "conflict"
    assert await _refusal(ask, portable(renamed, {"id": one[0], "new_name": "x"})) == "invalid_input", "no condition falls away"
    for form in ({"delete": True, "where": []}, {"delete": True}, {"update": {"name": "new_name"}, "where": []}):
        assert await _refusal(ask, portable(form, {"new_name": "x"})) == "invalid_input", "never all rows"
    gone = {"delete": True, "where": ["id"]}
    assert [(await ask(portable(gone, {"id": one[0]})))["affected"] for _ in range(2)] == [1, 0]
    assert (await ask(portable({"delete": True, "where": ["city"]}, {"city": None})))["affected"] == 1
    assert await _rows(ask, {"columns": ["name"], "where": []}) == [["salt'; drop table articles; --"]]
