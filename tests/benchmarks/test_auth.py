"""What the auth plugins cost: the requests are let in, others are not, and ratios are to the open route."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.auth import figures, introspection
from benchmarks.auth_cases import NAMES, guarded, logins, signatures, write_open
from benchmarks.cases import Case
from benchmarks.load import Load
from benchmarks.servers import Server
from benchmarks.service import Measured
from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from tests.support.openldap import openldap


@pytest.mark.parametrize("name", [*NAMES, "logins"])
async def test_the_requests_that_are_measured_are_let_in_and_no_others(name: str, tmp_path: Path) -> None:
    with openldap(tmp_path / "directory") as directory:
        async with introspection() as provider:
            guard = logins(directory.plain) if name == "logins" else guarded(name, provider, directory.plain)
            headers = dict(guard.headers)
            if name == "signed":
                headers["signature-input"], headers["signature"] = signatures("testserver", 1)[0]
            async with Client(MockForge(config=guard.write(tmp_path / "mockforge.json"))) as client:
                assert [(await client.get("/health", headers=sent)).status for sent in (headers, {})] == [200, 401]
                assert (await client.get("/open")).json() == {"status": "ok"}


async def test_the_open_route_is_the_same(tmp_path: Path) -> None:
    async with Client(MockForge(config=write_open(tmp_path / "mockforge.json"))) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}


def test_every_plugin_is_held_against_the_open_route() -> None:
    seen = []
    for name, us in (("open", 30.0), ("api_key", 42.0)):
        each = Measured(name, Case("configured", "/health"), Server("http://127.0.0.1:1", 1))
        for factor in (1.0, 5.0, 1.0):
            each.keep(Load(30_000 / us, us / 10, us, 0, 1000), us * factor)
        seen.append(each)
    made = figures(seen, {"tool": "wrk"})
    assert [f.case for f in made] == [f"{what}/{name}" for what in ("wrk", "latency", "cpu") for name in ("open", "api_key")]
    assert [(f.value, f.ratio, f.against) for f in made if f.case.startswith("cpu")] == [(30.0, None, None), (42.0, 1.4, "cpu/open")]
