"""What a query that reads may not do: write, whatever it says; and who may not log in."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mockforge_asgi import PluginRuntime
from mockforge_asgi.errors import SourceFailed
from plugins_builtin.data_postgresql.tests.mock import mock
from tests.support.data_sources import failure, rows, running
from tests.support.postgresql import ADMIN_PASSWORD, PASSWORD, Postgresql

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITING = {
    "insert": "insert into kept values (2)",
    "cte": "with x as (insert into kept values (2) returning 1) select * from x",
    "function": "select add_one()",
    "into": "select * into copied from kept",
    "create": "create table other (id int)",
    "nextval": "select nextval('numbers')",
    "do": "do $$ begin insert into kept values (2); end $$",
    "copy": "copy kept from program 'echo 2'",
    "set": "set default_transaction_read_only = off",
    "begin": "begin read write",
    "explain": "explain analyze insert into kept values (2)",
    "stacked": "select 1; insert into kept values (2)",
    "stacked_in_comment": "select 1 /* ; */; /* x */ insert into kept values (2)",
    "lock": "lock table kept",
    "truncate": "truncate kept",
    "notify": "select pg_notify('x', 'y'), add_one()",
}
QUERIES = {
    **WRITING,
    "undo": "select set_config('default_transaction_read_only', 'off', false)",
    "undo_local": "select set_config('transaction_read_only', 'off', true), add_one()",
    "kept": "select * from kept",
    "odd": {"query": "select 1 as a where :a = 'x' and ':b' is not null", "params": {"a": "text"}},
    "missing": "select :nobody",
    "lock_kept": "select pg_try_advisory_lock(4)",
    "set_zone": "select set_config('timezone', 'Asia/Tokyo', false)",
    "setting": "select current_setting('timezone')",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(server: Postgresql) -> AsyncIterator[PluginRuntime]:
    server.sql("""
create table kept (id int); insert into kept values (1); create sequence numbers;
create function add_one() returns int language sql security definer as 'insert into kept values (2) returning 1';
grant all on kept, numbers to reader;
""")
    async with running(mock(server, QUERIES, [], pool={"max": 1})) as made:
        yield made


@pytest.mark.parametrize("query", WRITING)
async def test_a_query_that_reads_changes_nothing(runtime: PluginRuntime, query: str) -> None:
    code, why = await failure(runtime, query)
    assert code == "bad_data" and why
    assert await rows(runtime, "kept") == [[1]]


@pytest.mark.parametrize("text", [*WRITING.values(), "rollback", "commit; insert into kept values (2)"])
async def test_the_text_of_a_plugin_changes_nothing(runtime: PluginRuntime, text: str) -> None:
    assert (await failure(runtime, text, raw=True))[0] == "bad_data"
    assert await rows(runtime, "kept") == [[1]]


async def test_a_session_that_was_made_one_that_writes_is_not_used_again(runtime: PluginRuntime) -> None:
    await rows(runtime, "undo")
    assert (await failure(runtime, "function"))[0] == "bad_data"
    assert (await failure(runtime, "undo_local"))[0] == "bad_data"
    await rows(runtime, "select set_config('default_transaction_read_only', 'off', false)", raw=True)
    assert (await failure(runtime, "function"))[0] == "bad_data"
    assert await rows(runtime, "kept") == [[1]]


async def test_what_is_written_names_its_reason(runtime: PluginRuntime) -> None:
    assert "add `write: true`" in (await failure(runtime, "insert"))[1]
    assert "add `write: true`" in (await failure(runtime, "cte"))[1]
    assert "several statements" in (await failure(runtime, "stacked"))[1]
    assert ":nobody" in (await failure(runtime, "missing"))[1]


@pytest.mark.parametrize(
    "value", ["' or 1=1 --", "x'; drop table kept; --", "\\' or 1=1 --", "$$; select 1; $$", ":b", "\\", "'", "x\n--", "%s"]
)
async def test_a_value_is_never_sql(runtime: PluginRuntime, value: str) -> None:
    assert await rows(runtime, "odd", {"a": value}) == []
    assert await rows(runtime, "odd", {"a": "x"}) == [[1]]


async def test_superusers_and_their_like_are_refused_with_what_to_do(server: Postgresql) -> None:
    server.sql(f"create role filer login password '{PASSWORD}'; grant pg_read_server_files to filer;")
    server.sql(f"create role heir noinherit login password '{PASSWORD}'; grant admin to heir;")
    mighty = (("admin", ADMIN_PASSWORD, "is a superuser"), ("filer", PASSWORD, "pg_read_server_files"), ("heir", PASSWORD, "of admin"))
    for user, password, reason in mighty:
        config = mock(server, QUERIES, [], user=user)
        config["secrets"]["shop_db"] = {"value": password}
        async with running(config) as made:
            _, why = await failure(made, "kept")
            assert f"'{user}' " in why and reason in why and "create role mock_reader login" in why and password not in why


LEFT = "select (select count(*) from pg_largeobject_metadata) + (select count(*) from pg_locks where locktype = 'advisory')"


async def nothing_is_left(server: Postgresql) -> None:
    """Wait until the sessions that were thrown away have ended."""
    deadline = time.monotonic() + 5
    while server.sql(LEFT) != [["0"]]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_what_a_query_leaves_in_its_session_no_other_query_meets(runtime: PluginRuntime, server: Postgresql) -> None:
    assert await rows(runtime, "lock_kept") == [[True]]
    assert await rows(runtime, "setting") == [["UTC"]]
    await rows(runtime, "set_zone")
    assert await rows(runtime, "setting") == [["UTC"]]
    await nothing_is_left(server)


@pytest.mark.parametrize(
    "text",
    [
        "select set_config('role', 'writer', false)", "select pg_read_file('/etc/passwd')", "select lo_import('/etc/passwd')",
        "select lo_export(1, '/tmp/mockforge-kept')", "select pg_ls_dir('.')", "select pg_reload_conf()", "select pg_switch_wal()",
        "select query_to_xml('insert into kept values (2)', true, true, '')",
        "select set_config('session_replication_role', 'replica', false)",
        "listen x", "prepare x as select 1", "declare c cursor for select 1",
    ],
)  # fmt: skip
async def test_the_text_of_a_plugin_gets_no_further_than_its_role(runtime: PluginRuntime, text: str) -> None:
    assert (await failure(runtime, text, raw=True))[0] == "bad_data"


async def test_what_the_text_of_a_plugin_makes_is_undone(runtime: PluginRuntime, server: Postgresql) -> None:
    """Large objects, which a transaction that only reads may make before PostgreSQL 16; locks; settings."""
    for text in ("select lo_create(4711)", "select pg_advisory_lock(5)", "select set_config('timezone', 'Asia/Tokyo', false)"):
        with contextlib.suppress(SourceFailed):
            await rows(runtime, text, raw=True)
    assert await rows(runtime, "setting") == [["UTC"]]
    await nothing_is_left(server)
