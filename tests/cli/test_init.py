"""A configuration to begin with: whole, valid, and never in place of what is there."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.cli.init import init
from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import RouteResponse
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.testing import Client
from tests.cli.test_commands import run


def test_it_has_a_route_of_each_kind(tmp_path: Path) -> None:
    init(tmp_path)
    kinds = get_args(get_type_hints(RouteResponse)["kind"])
    assert {route.response.kind for route in load_config(tmp_path / "mockforge.yaml").routes} == set(kinds)


def test_it_is_valid_and_says_how_to_go_on(tmp_path: Path) -> None:
    done = run("init", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mockforge.yaml" in done.stdout and "mockforge serve --reload" in done.stdout
    done = run("check", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith("mockforge.yaml is fine. Routes: 12.")


def test_a_folder_may_be_named_and_need_not_be_there(tmp_path: Path) -> None:
    done = run("init", "api/mocks", cwd=tmp_path)
    assert done.returncode == 0 and "mockforge serve --reload api/mocks" in done.stdout
    assert (tmp_path / "api/mocks/plugins/greeter/plugin.py").is_file()


async def test_every_route_answers(tmp_path: Path) -> None:
    init(tmp_path)
    async with Client(MockForge(config=tmp_path / "mockforge.yaml")) as client:
        assert (await client.get("/status")).json() == {"status": "ok"}
        assert (await client.get("/status?format=text")).text == "ok"
        assert (await client.get("/")).header("content-type") == "text/html; charset=utf-8"
        assert (await client.get("/report")).text.startswith("day,orders")
        assert (await client.get("/pixel")).body.startswith(b"GIF89a")
        assert (await client.get("/users/7")).json() == {"id": 7, "name": "User 7"}
        assert (await client.post("/users", json={"name": "Ada"})).json() == {"id": 1, "name": "Ada"}
        assert (await client.request("DELETE", "/users/7")).status == 204
        tea = '{"sku":"00017","name":"Tea","price":3.50,"in_stock":true}'
        assert (await client.get("/products")).text.startswith(f"[{tea},")
        assert (await client.get("/products/00017")).text == tea
        assert (await client.get("/products/17")).status == 404
        assert (await client.get("/catalogue/00017")).text == tea
        assert (await client.post("/catalogue", json={"sku": "1"})).status == 405
        assert (await client.get("/greet/Ada")).json() == {"message": "Hello, Ada!"}


@pytest.mark.parametrize("there", ["mockforge.yaml", "plugins/greeter/plugin.py"])
def test_nothing_is_overwritten_and_then_nothing_written(there: str, tmp_path: Path) -> None:
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("mine")
    with pytest.raises(ConfigError, match=f"nothing was written: .*{there} would be overwritten"):
        init(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mockforge.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="would be overwritten"):
        init(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written: "):
        init(tmp_path / "file")
