"""What events tell of a request: who let it pass, who answered, and, to those who want it, everybody who was asked."""

from __future__ import annotations

from typing import Any

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.events import Event, RequestAnswered, RequestTraced
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from tests.support.plain_host import PlainRuntime, plain_plugin


def allow(name: str) -> Any:
    return lambda document: {"allow": {"principal": {"id": name}}} if dict(document["headers"]).get("x-key") else None


def fail(document: Json) -> Json:
    raise PluginFailed("shaky", "response.generate", "no luck")


def forge(mode: str = "first") -> MockForge:
    plugins = [
        plain_plugin("one", "auth", {"auth.authenticate": lambda document: None}),
        plain_plugin("two", "auth", {"auth.authenticate": allow("two")}),
        plain_plugin("three", "auth", {"auth.authenticate": allow("three")}),
        plain_plugin("shaky", "response", {"response.generate": fail}, on_failure="skip"),
        plain_plugin("page", "response", {"response.generate": lambda document: {"status": 200, "headers": [], "body": {"text": "page"}}}),
    ]
    guards = ["one", "two", "three"] if mode == "first" else ["two", "three"]
    config = {
        "version": 1,
        "protect": [{"path": "/page", "auth": guards, "mode": mode}],
        "routes": [
            {"match": {"path": "/page"}, "response": {"plugin": "page"}},
            {"match": {"path": "/other"}, "response": {"text": "other"}},
        ],
    }
    return MockForge(runtime=PlainRuntime(config, *plugins))


async def answered(made: MockForge, headers: dict[str, str]) -> RequestAnswered:
    heard: list[RequestAnswered] = []
    made.runtime.events.subscribe(heard.append, RequestAnswered)  # type: ignore[arg-type]
    await Client(made).get("/page", headers=headers)
    await made.runtime.stop()
    return heard[0]


async def test_who_let_a_request_pass_is_told() -> None:
    assert (await answered(forge(), {"x-key": "k"})).allowed_by == "two"
    assert (await answered(forge("all"), {"x-key": "k"})).allowed_by == "two, three"
    refused = await answered(forge(), {})
    assert (refused.allowed_by, refused.status) == ("", 401)


async def test_whoever_wants_it_is_told_of_everybody_who_was_asked() -> None:
    made, heard = forge(), list[Event]()
    forget = made.runtime.events.subscribe(heard.append, RequestTraced)
    client = Client(made)
    await client.get("/page", headers={"x-key": "k"})
    await client.get("/page")
    await client.get("/other")
    told = [event for event in heard if isinstance(event, RequestTraced)]
    assert [[(step.asked, step.outcome) for step in event.steps] for event in told] == [
        [("plugin one", "nothing"), ("plugin two", "allow"), ("plugin shaky", "failed"), ("plugin page", "response")],
        [("plugin one", "nothing"), ("plugin two", "nothing"), ("plugin three", "nothing")],
        [("plugin shaky", "failed")],
    ]
    assert [event.answered_by for event in told] == ["plugin page", "one, two, three", "route /other"]
    assert "no luck" in told[0].steps[2].why and all(step.wall_s > 0 for step in told[0].steps)
    forget()
    await client.get("/other")
    assert len(heard) == 3 and not made.runtime.events.is_tracing
    await made.runtime.stop()


async def test_nothing_is_noted_where_nobody_wants_it(monkeypatch: Any) -> None:
    made = forge()
    made.runtime.events.subscribe(lambda event: None)
    monkeypatch.setattr("mockforge_asgi.mocks.plans.Step", None)
    monkeypatch.setattr("mockforge_asgi.auth.composition.Step", None)
    assert (await Client(made).get("/page", headers={"x-key": "k"})).text == "page"
    await made.runtime.stop()


async def test_nobody_let_a_request_pass_that_was_refused_after_all() -> None:
    def refuse(document: Json) -> Json:
        raise PluginFailed("three", "auth.authenticate", "no luck")

    reply = {"reply": {"status": 302, "headers": [["location", "/login"]]}}
    for says, status in ((refuse, 503), (lambda document: reply, 302), (lambda document: None, 401)):
        two, three = (
            plain_plugin("two", "auth", {"auth.authenticate": allow("two")}),
            plain_plugin("three", "auth", {"auth.authenticate": says}),
        )
        config = {"version": 1, "protect": [{"path": "/page", "auth": ["two", "three"], "mode": "all"}]}
        told = await answered(MockForge(runtime=PlainRuntime(config, two, three)), {"x-key": "k"})
        assert (told.status, told.allowed_by) == (status, "")
