"""Every type comes and goes without loss: what is shown is what the server itself writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mockforge_asgi import PluginRuntime
from mockforge_asgi.errors import SourceFailed
from plugins_builtin.data_mysql.tests.mock import mock
from tests.support.data_sources import running
from tests.support.mariadb import Mariadb

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAME = [
    ("integer", "bigint unsigned", "18446744073709551615", "18446744073709551615"),
    ("integer", "bigint", "-9223372036854775808", -(2**63)),
    ("integer", "tinyint", "-128", -128),
    ("boolean", "boolean", "true", True),
    ("integer", "boolean", "2", 2),
    ("integer", "year", "2026", 2026),
    ("integer", "bit(8)", "b'101'", 5),
    ("boolean", "bit(1)", "b'0'", False),
    ("decimal", "decimal(65,30)", "'12345678901234567890123456789012345.10'", "12345678901234567890123456789012345." + "10".ljust(30, "0")),
    ("decimal", "decimal(4,2)", "0", "0.00"),
    ("float", "float", "1.1", 1.1),
    ("float", "double", "0.1", 0.1),
    ("date", "date", "'2026-01-31'", "2026-01-31"),
    ("date", "date", "'0000-00-00'", "0000-00-00"),
    ("time", "time(6)", "'-838:59:59.000000'", "-838:59:59.000000"),
    ("time", "time", "'23:59:59'", "23:59:59"),
    ("datetime", "datetime(6)", "'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
    ("datetime", "timestamp", "'2026-01-31 12:00:00'", "2026-01-31T12:00:00+00:00"),
    ("text", "json", """'{"a": 1.10}'""", '{"a": 1.10}'),
    ("text", "varchar(9)", "'Ⓐ🎉'", "Ⓐ🎉"),
    ("text", "char(4)", "''", ""),
    ("text", "mediumtext", "'x'", "x"),
    ("text", "enum('a','b')", "'b'", "b"),
    ("text", "set('a','b')", "'a,b'", "a,b"),
    ("text", "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("text", "inet6", "'::1'", "::1"),
    ("text", "varchar(9) character set latin1", "'é'", "é"),
    ("binary", "varbinary(9)", "X'00ff'", "AP8="),
    ("binary", "blob", "''", ""),
    ("text", "text", "null", None),
    ("integer", "int", "null", None),
]
THERE_AND_BACK = [
    ("integer", "bigint", -(2**63)),
    ("decimal", "decimal(30,2)", "-1234567890123456789012345678.10"),
    ("float", "double", -0.1),
    ("date", "date", "2026-01-31"),
    ("time", "time(1)", "23:59:59.5"),
    ("datetime", "datetime(6)", "2026-01-31T23:59:59.123456"),
    ("datetime", "timestamp", "2026-01-31T23:59:59+00:00"),
    ("binary", "varbinary(9)", "AP8nXCI="),
    ("binary", "varbinary(9)", ""),
    ("uuid", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("text", "varchar(50)", "Zoë ' \\ \" ; -- # /* %s :v"),
    ("text", "varchar(50)", ""),
    ("text", "varchar(50)", None),
    ("boolean", "boolean", True),
    ("objectid", "char(24)", "0123456789abcdef01234567"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(server: Mariadb) -> AsyncIterator[PluginRuntime]:
    same = ", ".join(f"c{n} {kind}" for n, (_, kind, _, _) in enumerate(SAME))
    back = ", ".join(f"c{n} {kind}" for n, (_, kind, _) in enumerate(THERE_AND_BACK))
    server.sql(f"""
set sql_mode = '', time_zone = '+00:00'; create table same ({same}); create table back (id int, {back}); insert into back (id) values (1);
insert into same values ({", ".join(text for _, _, text, _ in SAME)});
""")
    queries: dict[str, Any] = {f"same{n}": f"select c{n} from same" for n in range(len(SAME))}
    for n, (kind, _, _) in enumerate(THERE_AND_BACK):
        queries[f"put{n}"] = {"query": f"update back set c{n} = :v", "params": {"v": kind}, "write": True}
        queries[f"back{n}"] = {"query": f"select c{n} from back where id = 1 and (c{n} = :v or :v is null)", "params": {"v": kind}}
    queries["typed"] = {"query": "select count(*) as v from users where name = :name", "params": {"name": "text"}}
    queries["in"] = {"query": "select count(*) as v from users where id in (:ids)", "params": {"ids": "integer[]"}}
    queries["not_in"] = {"query": "select count(*) as v from users where id not in (:ids)", "params": {"ids": "integer[]"}}
    queries["minus"] = {"query": "select 5-:n as v", "params": {"n": "integer"}}
    queries["interval"] = {"query": "select :n as v", "params": {"n": "interval"}}
    queries["time"] = {"query": "select :n as v", "params": {"n": "time"}}
    queries["doc"] = "select c18 as doc, ':x' as a, json_value('{\"k:\": 1}', '$.\"k:\"') as b from same -- :nobody"
    async with running(mock(server, queries, [], documents=["doc"])) as made:
        yield made


async def cell(runtime: PluginRuntime, query: str, **params: Any) -> tuple[str, Any]:
    """Type and value of the one cell of a query."""
    found = await runtime.sources.query("shop", query, params)
    return found["columns"][0]["type"], found["rows"][0][0]


async def test_what_the_server_writes_is_what_is_given(runtime: PluginRuntime) -> None:
    found = [(kind, *await cell(runtime, f"same{n}")) for n, (_, kind, _, _) in enumerate(SAME)]
    assert found == [(there, kind, value) for kind, there, _, value in SAME]
    assert [type(value) for _, _, value in found] == [type(value) for _, _, _, value in SAME]


async def test_parameters_arrive_as_they_were_sent_and_are_found_again(runtime: PluginRuntime) -> None:
    found = []
    for n, (kind, there, value) in enumerate(THERE_AND_BACK):
        await runtime.sources.query("shop", f"put{n}", {"v": value})
        found.append((kind, there, (await cell(runtime, f"back{n}", v=value))[1]))
    assert found == THERE_AND_BACK


async def test_documents_are_json_where_they_are_said_to_be(runtime: PluginRuntime) -> None:
    found = await runtime.sources.query("shop", "doc", {})
    assert (found["columns"][0]["type"], found["rows"]) == ("json", [[{"a": 1.1}, ":x", "1"]])


@pytest.mark.parametrize("value", [0, False, {}, [], {"$gt": ""}, "' or 1=1 --", "\\' or 1=1 -- ", "\\"])
async def test_a_value_of_another_type_matches_nothing(runtime: PluginRuntime, value: Any) -> None:
    try:
        _, found = await cell(runtime, "typed", name=value)
    except SourceFailed as refused:
        assert refused.code == "invalid_input"
    else:
        assert found == 0


async def test_lists(runtime: PluginRuntime) -> None:
    assert (await cell(runtime, "in", ids=[1, 2, 99999999999]))[1] == 2
    assert (await cell(runtime, "in", ids=[]))[1] == 0
    assert (await cell(runtime, "not_in", ids=[]))[1] == 50
    assert (await cell(runtime, "minus", n=-5))[1] == 10


@pytest.mark.parametrize(("query", "value", "why"), [("interval", "P1D", "no type for intervals"), ("time", "12:00:00+02:00", "no offset")])
async def test_what_mysql_has_no_type_for_is_refused(runtime: PluginRuntime, query: str, value: str, why: str) -> None:
    with pytest.raises(SourceFailed) as caught:
        await cell(runtime, query, n=value)
    assert caught.value.code == "invalid_input" and why in str(caught.value.__cause__)


@pytest.mark.parametrize(("zone", "shown"), [("+02:00", "2026-03-29T03:30:00+02:00"), ("UTC", "2026-03-29T01:30:00+00:00")])
async def test_instants_are_those_of_the_server_in_every_zone(server: Mariadb, zone: str, shown: str) -> None:
    server.sql("create or replace table moments (at timestamp, local datetime)")
    queries = {
        "put": {"query": "insert into moments values (:at, :at)", "params": {"at": "datetime"}, "write": True},
        "get": {"query": "select at, local from moments where at = :at", "params": {"at": "datetime"}},
    }
    async with running(mock(server, queries, [], time_zone=zone)) as runtime:
        await runtime.sources.query("shop", "put", {"at": "2026-03-28T20:30:00-05:00"})
        found = (await runtime.sources.query("shop", "get", {"at": "2026-03-29T01:30:00+00:00"}))["rows"]
    assert found == [[shown, shown[:19]]]
    assert server.sql("set time_zone = '+00:00'; select at from moments") == [["2026-03-29 01:30:00"]]
