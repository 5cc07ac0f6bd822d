"""The app that follows its configuration: swaps when the new one has started, keeps the last good one otherwise."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mockforge_asgi.config import Config, load_config
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.reload.app import ReloadingApp
from mockforge_asgi.reload.watcher import Watcher
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


class World:
    """Apps that answer the name of their configuration's first route, and a record of what happened."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "mockforge.yaml"
        self.happened: list[str] = []
        self.reported: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.start_gate = asyncio.Event()
        self.start_gate.set()
        self.edits = 0

    def write(self, path: str, extra: str = "") -> None:
        """Write a configuration, with a time of its own however coarse the clock is."""
        self.file.write_text(f"version: 1\nroutes: [{{match: {{path: {path}}}, response: {{text: x}}}}]\n{extra}")
        self.edits += 1
        os.utime(self.file, ns=(self.edits * 10**9, self.edits * 10**9))

    def app(self) -> ReloadingApp:
        return ReloadingApp(
            self.load(), self.load, self.build, watcher=Watcher(), report=lambda level, text: self.reported.append(f"{level}: {text}")
        )

    def load(self) -> Config:
        return load_config(self.file, dev=True)

    def build(self, config: Config) -> ASGIApp:
        name = config.routes[0].match.path

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await receive()
                if name == "/bad" or any(not use.path.exists() for use in config.plugins.values()):
                    await send({"type": "lifespan.startup.failed", "message": f"{name} would not start"})
                    return
                self.happened.append(f"{name} starting")
                await self.start_gate.wait()
                self.happened[-1] = f"{name} started"
                await send({"type": "lifespan.startup.complete"})
                await receive()
                self.happened.append(f"{name} stopped")
                await send({"type": "lifespan.shutdown.complete"})
                return
            self.happened.append(f"{name} asked")
            await self.gate.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": name.encode()})

        return app


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("/one")
    return made


async def test_an_edit_holds_from_the_next_request_on(world: World) -> None:
    async with Client(world.app()) as client:
        assert (await client.get("/")).text == "/one"
        world.write("/two")
        assert (await client.get("/")).text == "/two"
    assert world.happened[:3] == ["/one started", "/one asked", "/two started"] and world.happened[-1] == "/two stopped"
    assert sorted(world.happened[3:-1]) == ["/one stopped", "/two asked"]


@pytest.mark.parametrize("broken", ["version: 2\n", "a: [\n"])
async def test_a_broken_edit_is_reported_and_the_last_good_configuration_goes_on(world: World, broken: str) -> None:
    async with Client(world.app()) as client:
        world.write("/two")
        world.file.write_text(broken)
        assert (await client.get("/")).text == "/one"
        assert (await client.get("/")).text == "/one"
        assert len(world.reported) == 1
        assert str(world.file) in world.reported[0] and "The last good configuration stays in use." in world.reported[0]
        world.write("/three")
        assert (await client.get("/")).text == "/three"


async def test_an_app_that_does_not_start_does_not_take_over(world: World) -> None:
    async with Client(world.app()) as client:
        world.write("/bad")
        assert (await client.get("/")).text == "/one"
    assert world.reported == ["error: /bad would not start\nThe last good configuration stays in use."]


async def test_a_configuration_that_waits_for_a_plugin_takes_over_when_that_is_mended(world: World) -> None:
    async with Client(world.app()) as client:
        world.write("/two", "plugins: {p: {use: ./p}}\n")
        assert (await client.get("/")).text == "/one"
        (world.file.parent / "p").mkdir()
        (world.file.parent / "p" / "plugin.yaml").write_text("id: p\n")
        assert (await client.get("/")).text == "/two"


async def test_what_an_edit_of_the_servers_settings_does_is_told(world: World) -> None:
    async with Client(world.app()) as client:
        for extra in ("", "server: {port: 9000}\n", "server: {port: 9000}\n"):
            world.write("/two", extra)
            assert (await client.get("/")).text == "/two"
    assert [line for line in world.reported if line.startswith("warning")] == [
        "warning: what changed under `server:` applies from the next start of `mockforge serve`."
    ]


async def test_an_edit_of_a_file_that_a_route_answers_with_holds_too(tmp_path: Path) -> None:
    file, body = tmp_path / "mockforge.yaml", tmp_path / "body.txt"
    file.write_text("version: 1\nroutes: [{match: {path: /}, response: {file: body.txt}}]\n")
    body.write_text("one")
    reported: list[str] = []
    app = ReloadingApp(
        load_config(file, dev=True), lambda: load_config(file, dev=True), lambda config: MockForge(config=config),
        watcher=Watcher(), report=lambda level, text: reported.append(level),
    )  # fmt: skip
    async with Client(app) as client:
        assert (await client.get("/")).text == "one"
        body.write_text("another")
        assert (await client.get("/")).text == "another"
        body.unlink()
        assert (await client.get("/")).text == "another"
        assert (await client.get("/")).text == "another"
        assert reported == ["info", "error"]
        body.write_text("back")
        assert (await client.get("/")).text == "back"


async def test_a_file_that_is_gone_for_a_moment_changes_nothing(world: World) -> None:
    async with Client(world.app()) as client:
        world.file.unlink()
        assert (await client.get("/")).text == "/one"
        assert not world.reported


async def test_running_requests_end_in_the_generation_they_began_in(world: World) -> None:
    async with Client(world.app()) as client:
        world.gate.clear()
        slow = asyncio.create_task(client.get("/"))
        while "/one asked" not in world.happened:
            await asyncio.sleep(0)
        world.write("/two")
        later = asyncio.create_task(client.get("/"))
        while "/two asked" not in world.happened:
            await asyncio.sleep(0)
        assert "/one stopped" not in world.happened
        world.gate.set()
        assert ((await slow).text, (await later).text) == ("/one", "/two")
    assert "/one stopped" in world.happened


async def test_without_lifespan_the_first_request_starts_it(world: World) -> None:
    client = Client(world.app())
    assert (await client.get("/")).text == "/one"
    assert world.happened == ["/one started", "/one asked"]


async def test_a_first_configuration_that_does_not_start_fails_the_start_up(world: World) -> None:
    world.write("/bad")
    sent: list[str] = []

    async def receive() -> dict[str, object]:
        return {"type": "lifespan.startup"}

    async def send(message: object) -> None:
        sent.append(str(message))

    await world.app()({"type": "lifespan"}, receive, send)
    assert len(sent) == 1 and "/bad would not start" in sent[0]


async def test_a_first_configuration_must_be_good(world: World) -> None:
    world.file.write_text("version: 2\n")
    with pytest.raises(ConfigError):
        world.app()


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_request_that_is_cancelled_takes_no_start_with_it(world: World, is_first: bool) -> None:
    client = Client(world.app())
    if not is_first:
        await client.get("/")
        world.write("/two")
    name = "/one" if is_first else "/two"
    world.start_gate.clear()
    cancelled = asyncio.create_task(client.get("/"))
    while f"{name} starting" not in world.happened:
        await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    world.start_gate.set()
    while f"{name} started" not in world.happened:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await client.get("/")).text == name
    for _ in range(10):
        await asyncio.sleep(0)
    assert [step for step in world.happened if step.startswith(name)] == [f"{name} started", f"{name} asked"]
