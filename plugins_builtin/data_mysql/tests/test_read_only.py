"""What a query that reads may not do: write, whatever it says; what a value may not be: SQL; and who may not log in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from mockforge_asgi import PluginRuntime
from plugins_builtin.data_mysql.tests.mock import mock
from tests.support.data_sources import failure, rows, running
from tests.support.mariadb import PASSWORD, Mariadb

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITING = {
    "insert": "insert into kept values (2)",
    "function": "select add_one()",
    "into_file": "select * from kept into outfile '/tmp/mockforge-kept'",
    "into_variable": "select id into @a from kept",
    "create": "create table other (id int)",
    "call": "call add_some()",
    "set": "set session transaction read write",
    "begin": "start transaction read write",
    "analyze": "analyze insert into kept values (2)",
    "stacked": "select 1; insert into kept values (2)",
    "run_comment": "select 1 /*! ; insert into kept values (2) */",
    "mariadb_comment": "select 1 /*M!100100 into outfile '/tmp/mockforge-kept' */",
    "lock": "lock tables kept write",
    "truncate": "truncate kept",
    "do": "do add_one()",
    "handler": "handler kept open",
    "load": "load data infile '/etc/passwd' into table kept",
    "prepare": "prepare s from 'insert into kept values (2)'",
}
QUERIES = {
    **WRITING,
    "kept": "select * from kept",
    "assign": {"query": "select @u := :a", "params": {"a": "text"}},
    "assigned": "select @u",
    "lock_kept": "select get_lock('k', 0)",
    "is_free": "select is_free_lock('k')",
    "odd": {"query": "select 1 as a from kept where :a = 'x' and ':b' <> \"\"", "params": {"a": "text"}},
    "odd_binary": {"query": "select 1 as a from kept where :a = X'78'", "params": {"a": "binary"}},
    "odd_json": {"query": "select 1 as a from kept where json_value(:a, '$.x') = 'x'", "params": {"a": "json"}},
    "odd_list": {"query": "select 1 as a from kept where 'x' in (:a)", "params": {"a": "text[]"}},
}
VALUES = [
    "' or 1=1 -- ",
    "\\' or 1=1 -- ",
    "\\",
    "'",
    '"',
    '" or 1=1 -- ',
    '\\" or 1=1 #',
    "x'; drop table kept; -- ",
    "/*! or 1=1 */",
    "¿' or 1=1 -- ",
    "\x1a' or 1=1",
    "%s",
    "%(a)s",
    ":b",
    "x\n-- ",
    "') or ('1'='1",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(server: Mariadb) -> AsyncIterator[PluginRuntime]:
    server.sql("""
create table kept (id int); insert into kept values (1);
delimiter //
create function add_one() returns int deterministic begin insert into kept values (2); return 1; end //
create procedure add_some() begin insert into kept values (2); end //
""")
    async with running(mock(server, QUERIES, [], pool={"max": 1})) as made:
        yield made


@pytest.mark.parametrize("query", WRITING)
async def test_a_query_that_reads_changes_nothing(runtime: PluginRuntime, query: str) -> None:
    for name, is_raw in ((query, False), (WRITING[query], True)):
        code, why = await failure(runtime, name, raw=is_raw)
        assert code == "bad_data" and why
    assert await rows(runtime, "kept") == [[1]]
    assert not Path("/tmp/mockforge-kept").exists()


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ORACLE"])
async def test_a_value_is_never_sql_in_any_mode(server: Mariadb, mode: str) -> None:
    before = server.sql("select @@global.sql_mode")[0][0]
    server.sql(f"set global sql_mode = '{mode}'")
    try:
        async with running(mock(server, QUERIES, [])) as runtime:
            for value in VALUES:
                for query, given in (("odd", value), ("odd_json", {"x": value}), ("odd_list", [value, value])):
                    assert await rows(runtime, query, {"a": given}) == [], (query, value)
            assert await rows(runtime, "odd_binary", {"a": "XCcgb3IgMT0xIC0tIA=="}) == []
            assert await rows(runtime, "odd", {"a": "x"}) == await rows(runtime, "odd_list", {"a": ["y", "x"]}) == [[1]]
            assert await rows(runtime, "odd_json", {"a": {"x": "x"}}) == [[1]]
    finally:
        server.sql(f"set global sql_mode = '{before}'")


async def test_users_with_rights_over_the_server_are_refused_with_what_to_do(server: Mariadb) -> None:
    server.sql(
        f"create user filer@'127.0.0.1' identified by '{PASSWORD}'; grant file on *.* to filer@'127.0.0.1'; "
        "grant select on shop.* to filer@'127.0.0.1'"
    )
    for user, reason in (("admin", "ALL PRIVILEGES"), ("filer", "FILE")):
        async with running(mock(server, QUERIES, [], user=user)) as made:
            _, why = await failure(made, "kept")
            assert f"'{user}' " in why and reason in why and "create user mock_reader" in why and PASSWORD not in why


async def test_what_a_query_leaves_in_its_session_no_other_query_meets(runtime: PluginRuntime) -> None:
    assert await rows(runtime, "assign", {"a": "ada"}) == [["ada"]]
    assert await rows(runtime, "assigned") == [[None]]
    assert await rows(runtime, "lock_kept") == [[1]]
    assert await rows(runtime, "is_free") == [[1]]


@pytest.mark.parametrize(
    "text",
    [
        "set @u = 1",
        "load data local infile '/etc/passwd' into table kept", "select * from mysql.user", "handler kept open", "do sleep(1)",
        "select 1 into @u", "call add_some()", "analyze select 1",
    ],
)  # fmt: skip
async def test_the_text_of_a_plugin_gets_no_further_than_its_user(runtime: PluginRuntime, text: str) -> None:
    assert (await failure(runtime, text, raw=True))[0] == "bad_data"


async def test_no_file_of_the_server_is_read(runtime: PluginRuntime) -> None:
    assert await rows(runtime, "select load_file('/etc/passwd')", raw=True) == [[None]]
