"""A database of one's own: portable queries, texts, pages, writes; and what somebody else writes meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mockforge_plugin import PluginError
from mockforge_plugin.engines.tables.database import Access, Database
from mockforge_plugin.engines.tables.statements import Asked
from mockforge_plugin.operations.rows import data_document
from tests.support.portable_contract import hold_portable_contract
from tests.support.querying import asking
from tests.support.table_source import ARTICLES
from tests.support.tables import asked

SCHEMA = """
create table users (id integer primary key, name varchar(40) not null unique, balance decimal(10,2), active boolean, born date,
    seen datetime, tags json, photo blob, score real);
create table orders (id integer primary key, user_id integer not null references users(id), total int check (total >= 0));
create view rich as select name, balance from users where balance > 10;
insert into users values (1, 'ada', 12.5, 1, '1815-12-10', '2026-01-01 10:00:00', '["a", 1]', x'00ff', 1.5);
insert into users values (2, 'bob', 3, 0, null, null, null, null, null);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA)
    return path


@pytest.fixture
async def database(file: Path) -> Any:
    opened = Database(file, Access(writes=True, threads=2))
    yield opened
    opened.close()


def outside(file: Path, text: str) -> None:
    """Somebody else writes."""
    with closing(sqlite3.connect(file)) as database:
        database.executescript(text)


async def test_it_holds_the_portable_contract(tmp_path: Path) -> None:
    path = tmp_path / "articles.db"
    outside(path, ARTICLES)
    opened = Database(path, Access(writes=True))

    async def ask(query: Any) -> Any:
        options = {key: value for key in ("limit", "cursor") if (value := getattr(query, key)) is not None}
        wanted = Asked(
            query.query, query.params, query.types, "q", order=query.order, write=query.write, count=query.count, **options
        )  # fmt: skip
        return data_document(await opened.query(wanted))

    try:
        await hold_portable_contract(ask)
    finally:
        opened.close()


@pytest.mark.parametrize(
    "text",
    ["select * from users", "select * from users;\n", "select u.* from users u -- all", "with u as (select * from users) select * from u"],
)
async def test_columns_have_the_types_that_the_table_declares(text: str, database: Database) -> None:
    found = await database.query(asked(text))
    assert {column.name: column.type for column in found.columns} == {
        "id": "integer", "name": "text", "balance": "decimal", "active": "boolean", "born": "date", "seen": "datetime", "tags": "json",
        "photo": "binary", "score": "float",
    }  # fmt: skip
    assert data_document(found)["rows"] == [
        [1, "ada", "12.5", True, "1815-12-10", "2026-01-01 10:00:00", ["a", 1], "AP8=", 1.5],
        [2, "bob", "3", False, None, None, None, None, None],
    ]


async def test_columns_that_are_computed_have_the_types_of_their_values(database: Database) -> None:
    found = await database.query(
        asked("select count(*) as n, max(name) as m, avg(score) as s, null as none, name || '!' as loud from users")
    )
    assert [(column.name, column.type) for column in found.columns] == [
        ("n", "integer"), ("m", "text"), ("s", "float"), ("none", "text"), ("loud", "text"),
    ]  # fmt: skip
    assert (await database.query(asked({"from": "rich"}))).rows == (("ada", 12.5),)


@pytest.mark.parametrize(
    ("text", "value", "type", "names"),
    [
        ("id in (select value from json_each(:x))", [1, 2], "integer[]", ["ada", "bob"]),
        ("balance in (select value from json_each(:x))", ["12.50"], "decimal[]", ["ada"]),
        ("balance < :x", "12.4", "decimal", ["bob"]),
        ("balance * 2 = :x", "25.0", "decimal", ["ada"]),
        ("active = :x", True, "boolean", ["ada"]),
        ("active = :x", False, "boolean", ["bob"]),
        ("photo = :x", "AP8=", "binary", ["ada"]),
        ("born = :x", "1815-12-10", "date", ["ada"]),
        ("json_extract(tags, '$[0]') = json_extract(:x, '$.a')", {"a": "a"}, "json", ["ada"]),
        ("born is :x", None, "date", ["bob"]),
        ("score = :x", "1.5", "float", ["ada"]),
        ("name = :x", "ada' or 1=1 --", "text", []),
        ("id = :x", 2**63, "integer", []),
    ],
)
async def test_parameters_are_bound_by_their_types(text: str, value: Any, type: str, names: list[str], database: Database) -> None:
    found = await database.query(asked(f"select name from users where {text} order by id", {"x": value}, types={"x": type}))
    assert [row[0] for row in found.rows if isinstance(row, tuple)] == names


@pytest.mark.parametrize("order", [("name",), ("-score", "id"), ("active", "-name"), ()])
@pytest.mark.parametrize("query", [{"from": "many"}, "select * from many"])
async def test_pages_neither_skip_nor_repeat(order: tuple[str, ...], query: Any, file: Path) -> None:
    outside(file, "create table many (id integer primary key, name text, score real, active boolean);")
    with closing(sqlite3.connect(file)) as writer:
        writer.executemany(
            "insert into many values (?, ?, ?, ?)",
            [(n, f"n{n % 7}" if order != ("name",) or n else None, n % 3 or None, n % 2) for n in range(40)],
        )
        writer.commit()
    if isinstance(query, str) and order and order[-1] not in ("id",):
        order = (*order, "id")  # without row ids, an order is to be one of all rows
    database = Database(file, Access())
    try:
        whole = (await database.query(asked(query, order=order))).rows
        seen: list[Any] = []
        cursor, pages = None, 0
        while True:
            found = await database.query(asked(query, order=order, limit=7, cursor=cursor))
            seen += found.rows
            pages += 1
            if (cursor := found.next) is None:
                break
        assert (tuple(seen), pages, len(seen)) == (whole, 6, 40)
    finally:
        database.close()


async def test_keyset_pages_go_on_where_they_were_under_inserts(file: Path, database: Database) -> None:
    first = await database.query(asked({"from": "users", "columns": ["name"]}, order=("name",), limit=1))
    outside(file, "insert into users (name) values ('aaa'), ('abe')")
    second = await database.query(asked({"from": "users", "columns": ["name"]}, order=("name",), limit=1, cursor=first.next))
    assert (first.rows, second.rows) == ((("ada",),), (("bob",),))


@pytest.mark.parametrize("cursor", ["", "x", "[]", "[1,2,3]", "-1", "5", '{"a":1}', "[" * 5000])
async def test_a_cursor_of_something_else_is_refused(cursor: str, database: Database) -> None:
    with pytest.raises(PluginError) as caught:
        await database.query(asked({"from": "users"}, order=("name",), cursor=cursor))
    assert caught.value.code == "invalid_input"


@pytest.mark.parametrize(
    ("query", "params", "code", "words"),
    [
        ({"from": "userz"}, {}, "bad_data", "there is no table 'userz'; there are: orders, rich, users"),
        ({"from": "users", "columns": ["nome"]}, {}, "bad_data", "has no column 'nome'; it has id, name"),
        ("select nome from users", {}, "bad_data", "no such column: nome"),
        ("select * from users where id = :id", {}, "bad_data", "did not supply a value for binding"),
        ("select 1; select 2", {}, "bad_data", "one statement at a time"),
        ("", {}, "bad_data", "no columns"),
        (7, {}, "bad_data", "a query is a text in SQL"),
        ("insert into users (name) values ('eve')", {}, "bad_data", "`write: true`"),
    ],
)
async def test_queries_that_do_not_fit_are_told(query: Any, params: dict[str, Any], code: str, words: str, database: Database) -> None:
    with pytest.raises(PluginError) as caught:
        await database.query(asked(query, params))
    assert caught.value.code == code and words in caught.value.message


@pytest.mark.parametrize(
    ("query", "params", "code"),
    [
        ("insert into users (name) values ('ada')", {}, "conflict"),
        ("insert into users (id, name) values (1, 'eve')", {}, "conflict"),
        ("insert into users (name) values (null)", {}, "invalid_input"),
        ("insert into orders (user_id) values (99)", {}, "invalid_input"),
        ("insert into orders (user_id, total) values (1, -5)", {}, "invalid_input"),
        (["insert into users (name) values ('eve')", "insert into users (name) values ('ada')"], {}, "conflict"),
    ],
)
async def test_a_write_that_fails_leaves_nothing(query: Any, params: dict[str, Any], code: str, database: Database) -> None:
    with pytest.raises(PluginError) as caught:
        await database.query(asked(query, params, write=True))
    assert caught.value.code == code
    assert (await database.query(asked("select count(*) from users"))).rows == ((2,),)


async def test_a_transaction_gives_the_rows_of_its_last_statement(database: Database) -> None:
    texts = ["update users set active = 1", "insert into users (name, balance) values (:name, :balance) returning id, balance"]
    found = await database.query(asked(texts, {"name": "eve", "balance": "2.50"}, types={"balance": "decimal"}, write=True))
    assert (found.rows, found.affected) == (((3, 2.5),), 3)


async def test_a_source_that_only_reads_does_not_write(file: Path) -> None:
    queries = {"add": {"query": "insert into users (name) values (:n)", "params": {"n": "text"}, "write": True}}
    async with asking({"use": "sqlite", "config": {"file": str(file)}, "queries": queries}) as source:
        assert "only reads" in (await source.refused("add", {"n": "eve"})).why


async def test_what_others_write_is_seen_and_caches_are_emptied(file: Path) -> None:
    queries = {"n": {"query": "select count(*) as n from users", "cache_s": 600}}
    async with asking({"use": "sqlite", "config": {"file": str(file)}, "queries": queries}) as source:
        assert await source.rows("n") == [{"n": 2}]
        outside(file, "insert into users (name) values ('eve')")
        assert await source.rows("n") == [{"n": 2}]
        async with asyncio.timeout(60):
            while await source.rows("n") == [{"n": 2}]:
                await asyncio.sleep(0.02)
        assert await source.rows("n") == [{"n": 3}]


async def test_a_file_that_takes_its_place_is_opened_and_one_that_is_not_there_is_waited_for(file: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.db"
    async with asking({"use": "sqlite", "config": {"file": str(late)}, "queries": {"n": "select count(*) as n from users"}}) as source:
        refused = await source.refused("n")
        assert (refused.code, "No such file" in refused.why) == ("unavailable", True)
        file.rename(late)
        assert await source.rows("n") == [{"n": 2}]
        outside(tmp_path / "new.db", SCHEMA + "delete from users;")
        (tmp_path / "new.db").rename(late)
        assert await source.rows("n") == [{"n": 0}]


async def test_a_locked_database_is_waited_for_in_a_thread_and_then_given_up(file: Path, database: Database) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        tried = [database.query(asked("select count(*) from users")), database.query(asked("delete from orders", write=True))]
        for error in await asyncio.gather(*tried, return_exceptions=True):
            assert isinstance(error, PluginError) and (error.code, error.details) == ("unavailable", {"busy": True})
        other.execute("rollback")
    assert (await database.query(asked("select count(*) from users"))).rows == ((2,),)


async def test_a_database_that_others_write_to_by_a_write_ahead_log_is_read(file: Path) -> None:
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("pragma journal_mode = wal")
        database = Database(file, Access())
        try:
            writer.execute("insert into users (name) values ('eve')")
            assert (await database.query(asked("select count(*) from users"))).rows == ((2,),), "not before it is committed"
            writer.commit()
            assert (await database.query(asked("select count(*) from users"))).rows == ((3,),)
        finally:
            database.close()


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "broken.db"
    path.write_bytes(b"no database at all" * 100)
    yield path


async def test_a_file_that_is_no_database_is_told(broken: Path) -> None:
    async with asking({"use": "sqlite", "config": {"file": str(broken)}, "queries": {"q": "select 1"}}) as source:
        assert "file is not a database" in (await source.refused("q")).why


async def test_full_text_search_is_asked(file: Path) -> None:
    outside(file, "create virtual table notes using fts5(body); insert into notes values ('tea and milk'), ('coffee');")
    database = Database(file, Access())
    try:
        found = await database.query(asked("select body from notes where notes match :words", {"words": "milk"}))
        assert ([column.type for column in found.columns], found.rows) == (["text"], (("tea and milk",),))
    finally:
        database.close()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("select body from notes where notes match :q", "AND hush-hush"), ("select body from notes where notes match :q", "hush:tea"),
        ("select body from notes where notes match :q", "*hush"), ("select json_extract('{}', :q)", "hush"),
        ("select body from notes where body like :q", "hush" * 300),
    ],
)  # fmt: skip
async def test_a_value_that_a_query_cannot_use_is_the_clients_fault_and_told_nowhere(file: Path, text: str, value: str) -> None:
    outside(file, "create virtual table notes using fts5(body); insert into notes values ('tea and milk');")
    database = Database(file, Access())
    try:
        with pytest.raises(PluginError) as caught:
            await database.query(asked(text, {"q": value}))
        assert caught.value.code == "invalid_input" and "hush" not in caught.value.message
        with pytest.raises(PluginError, match="no such column: hush") as caught:
            await database.query(asked("select hush from notes where body = :q", {"q": "hush"}))
        assert caught.value.code == "bad_data", "the operator's own words are told"
    finally:
        database.close()


async def test_a_long_pattern_never_keeps_the_event_loop(file: Path) -> None:
    database = Database(file, Access())
    try:
        text = f"select '{'a' * 100}' like :q as is_like"
        assert [(await database.query(asked(text, {"q": q}))).rows for q in ("%" + "a" * 63, "%" + "a" * 64)] == [((1,),)] * 2
        assert len(database._slow) == 1, "it went to a thread"
    finally:
        database.close()
