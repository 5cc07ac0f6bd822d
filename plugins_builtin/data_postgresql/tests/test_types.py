"""Every type comes and goes without loss: what is shown is what the server itself writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mockforge_asgi import PluginRuntime
from mockforge_asgi.errors import SourceFailed
from plugins_builtin.data_postgresql.tests.mock import mock
from tests.support.postgresql import Postgresql

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIGITS = "123456789012345678901234567890"
SAME = [
    ("text", "'x'::text", "x"),
    ("text", "''::varchar", ""),
    ("text", "null::text", None),
    ("text", "'ab'::char(4)", "ab  "),
    ("text", "'Ⓐ🎉'::text", "Ⓐ🎉"),
    ("integer", "9223372036854775807::int8", 2**63 - 1),
    ("integer", "(-9223372036854775808)::int8", -(2**63)),
    ("integer", "32767::int2", 32767),
    ("integer", "4294967295::oid", 4294967295),
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("float", "0.1::float8", 0.1),
    ("float", "1.1::float4", 1.1),
    ("float", "'NaN'::float8", "NaN"),
    ("float", "'-Infinity'::float4", "-Infinity"),
    ("float", "1e308::float8", 1e308),
    ("decimal", "1.10::numeric", "1.10"),
    ("decimal", "0.00::numeric", "0.00"),
    ("decimal", f"{DIGITS}.{DIGITS}::numeric", f"{DIGITS}.{DIGITS}"),
    ("decimal", "'NaN'::numeric", "NaN"),
    ("decimal", "'Infinity'::numeric", "Infinity"),
    ("decimal", "18446744073709551615::numeric", "18446744073709551615"),
    ("date", "'2026-01-31'::date", "2026-01-31"),
    ("date", "'infinity'::date", "infinity"),
    ("date", "'-infinity'::date", "-infinity"),
    ("date", "'4713-01-01 BC'::date", "4713-01-01 BC"),
    ("date", "'5874897-12-31'::date", "5874897-12-31"),
    ("time", "'24:00'::time", "24:00:00"),
    ("time", "'23:59:59.999999'::time", "23:59:59.999999"),
    ("time", "'12:00+05:30'::timetz", "12:00:00+05:30"),
    ("time", "'12:00-08'::timetz", "12:00:00-08:00"),
    ("datetime", "'2026-01-31 23:59:59.5'::timestamp", "2026-01-31T23:59:59.5"),
    ("datetime", "'2026-01-31 23:59:59+02'::timestamptz", "2026-01-31T21:59:59+00:00"),
    ("datetime", "'infinity'::timestamptz", "infinity"),
    ("datetime", "'0044-03-15 12:00:00 BC'::timestamp", "0044-03-15T12:00:00 BC"),
    ("datetime", "'0044-03-15 12:00:00+00 BC'::timestamptz", "0044-03-15T12:00:00+00:00 BC"),
    ("datetime", "'294276-12-31 23:59:59.999999'::timestamp", "294276-12-31T23:59:59.999999"),
    ("interval", "'1 day 2 hours'::interval", "P1DT2H"),
    ("interval", "'-1 year -2 mons +3 days -04:05:06.789'::interval", "P-1Y-2M3DT-4H-5M-6.789S"),
    ("interval", "'0'::interval", "PT0S"),
    ("binary", r"'\x00ff'::bytea", "AP8="),
    ("binary", "''::bytea", ""),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", """'{"a": [1, null, "x"]}'::json""", {"a": [1, None, "x"]}),
    ("json", f"'{DIGITS}'::jsonb", int(DIGITS)),
    ("json", "'null'::jsonb", None),
    ("text", "'10.0.0.1/8'::inet", "10.0.0.1/8"),
    ("text", "'12.34'::money", "$12.34"),
    ("text", "'(1,2)'::point", "(1,2)"),
    ("text", "'10101'::bit(5)", "10101"),
    ("text", "int4range(1,5)", "[1,5)"),
    ("text", "numrange(1.10,null)", "[1.10,)"),
    ("text", "'{[1,3),[5,7)}'::int4multirange", "{[1,3),[5,7)}"),
    ("text", "'a:1 b:2'::tsvector", "'a':1 'b':2"),
    ("text", "'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03"),
    ("text", "'x'::feeling", "x"),
    ("text", "'<a/>'::xml", "<a/>"),
    ("text", "'users'::regclass", "users"),
    ("integer[]", "array[1,null,3]", [1, None, 3]),
    ("decimal[]", "array[1.10,null]::numeric[]", ["1.10", None]),
    ("text[]", "array['a,b','\"c\"','']", ["a,b", '"c"', ""]),
    ("integer[]", "array[[1,2],[3,4]]", [[1, 2], [3, 4]]),
    ("datetime[]", "array['2026-01-31 00:00']::timestamp[]", ["2026-01-31T00:00:00"]),
    ("uuid[]", "array[]::uuid[]", []),
    ("json", """array['{"a":1}']::jsonb[]""", [{"a": 1}]),
    ("boolean[]", "array[true,false]", [True, False]),
    ("binary[]", r"array['\x00'::bytea]", ["AA=="]),
    ("float[]", "array['NaN',1.5]::float8[]", ["NaN", 1.5]),
    ("decimal", "1.10::price", "1.10"),
]
THERE_AND_BACK = [
    ("integer", "int8", 2**63 - 1),
    ("integer", "int4", "42"),
    ("decimal", "numeric", f"{DIGITS}.10"),
    ("float", "float8", 0.1),
    ("boolean", "bool", "true"),
    ("date", "date", "2026-01-31"),
    ("time", "time", "23:59:59.5"),
    ("time", "timetz", "12:00:00+05:30"),
    ("datetime", "timestamp", "2026-01-31T23:59:59.123456"),
    ("datetime", "timestamptz", "2026-01-31T23:59:59+00:00"),
    ("interval", "interval", "P1Y2M3DT4H5M6.5S"),
    ("binary", "bytea", "AP8="),
    ("uuid", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", "jsonb", {"a": [1, None]}),
    ("json", "json", "a text"),
    ("text", "feeling", "x"),
    ("text", "varchar", "Zoë '; --"),
    ("text", "inet", "10.0.0.1"),
    ("integer[]", "int4[]", [1, None]),
    ("text[]", "text[]", ["a,b", "", None]),
    ("decimal[]", "numeric[]", ["1.10"]),
    ("date[]", "date[]", []),
    ("datetime[]", "timestamptz[]", ["2026-01-31T23:59:59+00:00"]),
    ("uuid[]", "uuid[]", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("text", "text", None),
    ("integer", "int4", None),
    ("datetime", "timestamptz", None),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(server: Postgresql) -> AsyncIterator[PluginRuntime]:
    server.sql("create type feeling as enum ('x', 'y'); create domain price as numeric; create type pair as (a int, b numeric);")
    queries: dict[str, Any] = {f"same{n}": f"select {expression} as v" for n, (_, expression, _) in enumerate(SAME)}
    for n, (kind, kind_there, _) in enumerate(THERE_AND_BACK):
        queries[f"back{n}"] = {"query": f"select v from (select :v::{kind_there} as v) x", "params": {"v": kind}}
    queries["row"] = "select row(1, 1.10)::pair as v"
    queries["late"] = {"query": "select :at::timestamptz < '2026-01-31 22:00+00' as v", "params": {"at": "datetime"}}
    queries["typed"] = {"query": "select count(*) as v from users where name = :name", "params": {"name": "text"}}
    queries["of"] = {"query": "select count(*) as v from users where id = any(:ids)", "params": {"ids": "integer[]"}}
    queries["doc"] = {"query": "select '{\"k\":1}'::jsonb->>'k' as v, 'a:b'::text as w, (array[1,2,3])[1:2] as x, $$ :z $$ as y -- :nobody"}
    made = PluginRuntime(mock(server, queries, []))
    await made.start()
    yield made
    await made.stop()


async def cell(runtime: PluginRuntime, query: str, **params: Any) -> tuple[str, Any]:
    """Type and value of the one cell of a query."""
    found = await runtime.sources.query("shop", query, params)
    return found["columns"][0]["type"], found["rows"][0][0]


async def test_what_the_server_writes_is_what_is_given(runtime: PluginRuntime) -> None:
    wrong = []
    for n, (kind, expression, value) in enumerate(SAME):
        found = await cell(runtime, f"same{n}")
        if found != (kind, value) or type(found[1]) is not type(value):
            wrong.append((expression, found, (kind, value)))
    assert wrong == []


async def test_parameters_arrive_as_they_were_sent(runtime: PluginRuntime) -> None:
    wrong = []
    for n, (kind, there, value) in enumerate(THERE_AND_BACK):
        try:
            _, found = await cell(runtime, f"back{n}", v=value)
        except SourceFailed as failed:
            found = (failed.code, str(failed.__cause__))
        if found != {"42": 42, "true": True}.get(value if isinstance(value, str) else "", value):
            wrong.append((kind, there, found, value))
    assert wrong == []


async def test_a_type_that_cannot_be_read_says_what_to_do(runtime: PluginRuntime) -> None:
    with pytest.raises(SourceFailed) as caught:
        await cell(runtime, "row")
    assert caught.value.code == "bad_data" and "column::text" in str(caught.value.__cause__)


async def test_times_with_an_offset_keep_it(runtime: PluginRuntime) -> None:
    for at, is_earlier in (("2026-01-31T23:00:00+02:00", True), ("2026-01-31T23:00:00+00:00", False), ("2026-01-31T21:59:59", True)):
        assert (await cell(runtime, "late", at=at))[1] is is_earlier


@pytest.mark.parametrize("value", [0, False, {}, [], {"$gt": ""}, "' or 1=1 --"])
async def test_a_value_of_another_type_matches_nothing(runtime: PluginRuntime, value: Any) -> None:
    try:
        _, found = await cell(runtime, "typed", name=value)
    except SourceFailed as refused:
        assert refused.code == "invalid_input"
    else:
        assert found == 0


async def test_lists_and_colons(runtime: PluginRuntime) -> None:
    assert (await cell(runtime, "of", ids=[1, 2, 99999999999]))[1] == 2
    assert (await cell(runtime, "of", ids=[]))[1] == 0
    assert (await runtime.sources.query("shop", "doc", {}))["rows"] == [["1", "a:b", [1, 2], " :z "]]
