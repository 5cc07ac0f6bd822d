"""TLS: the server's certificate is checked, and nothing is sent to one that is not the right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi import PluginRuntime
from mockforge_asgi.errors import ConfigError
from plugins_builtin.data_postgresql.tests.mock import mock
from tests.support.certificates import Authority
from tests.support.data_sources import failure, rows, running
from tests.support.postgresql import Postgresql

QUERIES = {"tls": "select ssl from pg_stat_ssl where pid = pg_backend_pid()", "big": "select repeat('x', 3000000)"}


async def test_a_connection_is_encrypted_where_it_shall_be(server: Postgresql) -> None:
    async with running(mock(server, QUERIES, [], host="localhost", tls="verify", ca_file=server.ca_file, limits={"max_mb": 1})) as runtime:
        assert await rows(runtime, "tls") == [[True]]
        assert (await failure(runtime, "big"))[0] == "limit"
        assert await rows(runtime, "tls") == [[True]]
    async with running(mock(server, QUERIES, [])) as runtime:
        assert await rows(runtime, "tls") == [[False]]


@pytest.mark.parametrize("what", ["another authority", "another name", "no authority"])
async def test_a_server_that_cannot_prove_itself_is_not_used(server: Postgresql, what: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Authority().pem)
    ca_file = str(tmp_path / "ca.pem") if what == "another authority" else server.ca_file
    config = mock(server, QUERIES, [], host="127.0.0.1" if what == "another name" else "localhost", tls="verify", ca_file=ca_file)
    if what == "no authority":
        del config["sources"]["shop"]["config"]["ca_file"]
    async with running(config) as runtime:
        code, why = await failure(runtime, "tls")
        assert code == "unavailable" and "its certificate is of no authority" in why and "`ca_file`" in why


async def test_an_authority_that_cannot_be_read_is_told_at_the_start(server: Postgresql, tmp_path: Path) -> None:
    runtime = PluginRuntime(mock(server, QUERIES, [], tls="verify", ca_file=str(tmp_path / "none.pem")))
    with pytest.raises(ConfigError, match=r"none\.pem' cannot be read"):
        await runtime.start()
    await runtime.stop()
