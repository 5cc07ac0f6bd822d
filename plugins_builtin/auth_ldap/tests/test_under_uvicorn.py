"""The whole of it: a server process, a directory, clients, and nothing in between that is not real."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plugins_builtin.auth_ldap.tests.mock import GROUPS, WAYS, basic, mock, reached, searching
from tests.support.openldap import BASE, PASSWORD, SERVICE_PASSWORD, OpenLdap
from tests.support.server_processes import serving_file


@pytest.mark.parametrize("way", WAYS)
def test_logins_under_uvicorn(own_directory: OpenLdap, tmp_path: Path, way: str) -> None:
    config = searching(reached(own_directory, way), groups=GROUPS, roles={f"cn=admins,ou=groups,{BASE}": "admin"})
    file = tmp_path / "mockforge.yaml"
    file.write_text(json.dumps({**mock(config), "backoff": False}))  # which is YAML, too; every second login is to be refused
    with serving_file(file) as server:
        found = server.get("/me", **basic("alice"))
        assert (found.status, json.loads(found.body)["roles"]) == (200, ["admin"])
        refused = server.get("/me", **basic("alice", "guess-4711"))
        assert (refused.status, refused.header("www-authenticate")) == (401, 'Basic realm="mockforge", charset="UTF-8"')
        assert server.get("/me").status == 401
        with ThreadPoolExecutor(16) as clients:
            statuses = clients.map(lambda n: server.get("/me", **basic("alice", None if n % 2 else "wrong")).status, range(60))
            assert list(statuses) == [401, 200] * 30
        own_directory.restart()
        assert server.get("/me", **basic("alice")).status == 200
        own_directory.stop()
        assert server.get("/me", **basic("alice")).status == 503
        assert server.get("/open").body == b"open"
    assert not any(text in server.output for text in ("guess-4711", PASSWORD, SERVICE_PASSWORD, basic("alice")["authorization"]))
    assert own_directory.plain.partition("//")[2].partition(":")[0] in server.output
