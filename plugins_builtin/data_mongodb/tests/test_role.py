"""Servers that are down, frozen, killed and full; logins that are refused; clients that leave."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.runtime import PluginRuntime
from plugins_builtin.data_mongodb.tests.conftest import Database, Opening
from tests.support.certificates import Authority
from tests.support.mongodb import MongoServer, mongodb
from tests.support.querying import Asking, asking
from tests.support.server_processes import free_port

FIND = {"q": {"query": {"find": "people", "filter": {"_id": ":id"}}, "params": {"id": "integer"}}}
ADD = {"add": {"query": {"insert": "people", "documents": {"_id": ":id"}}, "params": {"id": "integer"}, "write": True}}


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The driver does not close a socket whose connecting it gives up; the collector does, and tells."""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """So that it is told here, and not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def locked(server: MongoServer) -> MongoServer:
    """The server with users: `reader` with a role to read, `writer` with one to write, `admin` with one to do anything."""
    with server.client() as client:
        for user, role in (("reader", "read"), ("writer", "readWrite"), ("admin", "root")):
            roles = [{"role": role, "db": "admin" if role == "root" else "shop"}]
            client.shop.command("createUser", user, pwd="hush-hush", roles=roles)
    return server


@asynccontextmanager
async def logged_in(server: MongoServer, user: str, password: str = "hush-hush", **config: Any) -> AsyncIterator[Asking]:
    """The source, as that user."""
    settings = {"hosts": [server.host], "database": "shop", "user": user, "password": {"secret": "key"}, "connect_ms": 20_000, **config}
    source: Mapping[str, Any] = {"use": "mongodb", "config": settings, "queries": {**FIND, **ADD}, "limits": {"timeout_ms": 20_000}}
    async with asking(source, secrets={"key": {"value": password}}) as made:
        yield made


async def test_users_read_and_write_each_with_their_own_login(locked: MongoServer, database: Database) -> None:
    database.people.insert_one({"_id": 1})
    async with logged_in(locked, "reader", write={"user": "writer", "password": {"secret": "key"}}) as made:
        assert await made.rows("q", {"id": 1}) == [{"_id": 1}]
        assert (await made.result("add", {"id": 2}))["affected"] == 1


async def test_10_a_user_that_administers_is_refused_by_name(locked: MongoServer) -> None:
    async with logged_in(locked, "admin") as made:
        refused = await made.refused("q", {"id": 1})
    assert refused.code == "unavailable" and "role root" in refused.why and "createUser" in refused.why


async def test_16_a_wrong_password_shows_nowhere(locked: MongoServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with logged_in(locked, "reader", "wrong-and-secret") as made:
        refused = await made.refused("q", {"id": 1})
    assert refused.code == "unavailable" and "refuses the login" in refused.why
    assert "wrong-and-secret" not in caplog.text + refused.told + refused.why


async def test_values_of_parameters_are_in_no_log(database: Database, shop: Opening, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with shop({"q": {"query": {"find": "people", "filter": {"name": ":name"}}, "params": {"name": "text"}}}) as made:
        await made.rows("q", {"name": "hush-hush"})
    assert "hush-hush" not in caplog.text


async def test_12_a_server_that_is_frozen_ends_queries_in_time_and_is_used_again(tmp_path: Path) -> None:
    with mongodb(tmp_path) as server:
        settings = {"hosts": [server.host], "database": "shop", "pool": {"max": 2, "wait_ms": 100}}
        source = {"use": "mongodb", "config": settings, "queries": FIND, "limits": {"timeout_ms": 600}}
        async with asking(source) as made:
            await answered(made)
            server.freeze()
            since = time.monotonic()
            found = await asyncio.gather(*(made.refused("q", {"id": 1}) for _ in range(4)))
            assert sorted(refused.code for refused in found) == ["timeout", "timeout", "unavailable", "unavailable"]
            assert time.monotonic() - since < 20, "the driver alone waits for ever"
            server.thaw()
            await answered(made)
            await killed_and_back(server, made)


async def killed_and_back(server: MongoServer, made: Asking) -> None:
    """13: its connections are lost, and the next query after its start has new ones."""
    server.kill()
    assert (await made.refused("q", {"id": 1})).code in ("unavailable", "timeout")
    server.start()
    await answered(made)


async def answered(made: Asking) -> None:
    """Returns once a query is answered again: an outage is left alone for up to a second."""
    for _ in range(300):
        try:
            assert await made.rows("q", {"id": 1}) == []
        except Exception as error:
            assert getattr(error, "code", "") in ("unavailable", "timeout")
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("it does not recover")


async def test_14_a_server_that_is_down_hinders_no_start() -> None:
    settings = {"hosts": [f"127.0.0.1:{free_port()}"], "database": "shop", "connect_ms": 200}
    async with asking({"use": "mongodb", "config": settings, "queries": FIND}) as made:
        refused = await made.refused("q", {"id": 1})
        assert refused.code == "unavailable" and refused.why == "no server could be reached"
        health = await made.runtime.plugin("s").health()
    assert health["status"] == "down"


async def test_11_whoever_leaves_leaves_no_connection_and_no_other_rows_behind(database: Database, shop: Opening) -> None:
    database.people.insert_many([{"_id": n, "text": "x" * 1000} for n in range(50)])
    async with shop({**FIND, "all": {"query": {"find": "people"}}}, pool={"max": 2, "wait_ms": 60_000}) as made:
        for turn in range(60):
            leaving = [asyncio.create_task(made.rows("all")) for _ in range(3)]
            await asyncio.sleep(0.0005 * (turn % 7))
            for task in leaving:
                task.cancel()
            found = await asyncio.gather(*leaving, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) or len(one) == 50 for one in found)  # type: ignore[arg-type]
            assert [row["_id"] for row in await made.rows("q", {"id": turn % 50})] == [turn % 50]


async def test_15_who_waits_for_a_connection_too_long_is_told_so(database: Database, shop: Opening, server: MongoServer) -> None:
    with server.client() as client:
        block = {"failCommands": ["find"], "blockConnection": True, "blockTimeMS": 400}
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": block})
        async with shop(FIND, pool={"max": 1, "wait_ms": 50}) as made:
            found = await asyncio.gather(*(_code(made) for _ in range(3)))
            assert sorted(found) == ["ok", "unavailable", "unavailable"]
            assert await _code(made) == "ok", "being busy is no outage"


async def _code(made: Asking) -> str:
    try:
        await made.rows("q", {"id": 1})
    except Exception as error:
        return str(getattr(error, "code", error))
    return "ok"


@pytest.mark.parametrize(("number", "code"), [(50, "timeout"), (13, "bad_data"), (8000, "bad_data")])
async def test_what_the_server_answers_is_told_in_the_contracts_codes(
    database: Database, shop: Opening, server: MongoServer, number: int, code: str
) -> None:
    async with shop(FIND) as made:
        await made.rows("q", {"id": 1})
        with server.client() as client:
            data = {"failCommands": ["find"], "errorCode": number}
            client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 2}, "data": data})
            try:
                refused = await made.refused("q", {"id": 1})
            finally:
                client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    assert refused.code == code


async def test_a_server_is_believed_who_it_is_by_its_authority_alone(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "server.pem").write_bytes(authority.certificate("localhost", "127.0.0.1"))
    certificate = str(tmp_path / "server.pem")
    trusted = {"tls": True, "tlsCAFile": str(tmp_path / "ca.pem")}
    with mongodb(tmp_path, "--tls-cert-file", certificate, "--tls-key-file", certificate, **trusted) as server:
        settings = {"hosts": [server.host], "database": "shop", "tls": "verify"}
        trusting: dict[str, Any] = {"ca_file": str(tmp_path / "ca.pem"), "connect_ms": 20_000}
        for more, codes in ((trusting, {"ok"}), ({"connect_ms": 500}, {"unavailable", "timeout"})):
            source = {"use": "mongodb", "config": {**settings, **more}, "queries": FIND, "limits": {"timeout_ms": 20_000}}
            async with asking(source) as made:
                assert await _code(made) in codes


async def test_a_configuration_that_is_refused_leaves_nothing_open() -> None:
    config = {"version": 1, "sources": {"s": {"use": "mongodb", "config": {"hosts": ["a"], "database": "b", "user": "c"}}}}
    runtime = PluginRuntime(load_config(config))
    with pytest.raises(Exception, match="a password"):
        await runtime.start()
