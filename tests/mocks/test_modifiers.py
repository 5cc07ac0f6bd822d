"""Modifiers: which answers they are asked about, in which order, and what happens when one fails."""

from __future__ import annotations

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import ResponseFilter
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.mocks.modifiers import Modifiers
from mockforge_asgi.plugins.plugin import Plugin
from tests.support.plain_host import plain_plugin
from tests.support.template_rendering import exchange

ANSWER = MockResponse(200, ((b"Content-Type", b"application/json; charset=utf-8"),), b"a")


def appending(name: str, **facts: Json) -> Plugin:
    """A modifier that adds its name to the body."""

    async def modify(document: Json, request: Json) -> Json:
        body = await request.read_body("response")
        return {"status": document["response"]["status"], "headers": [], "body": {"text": body.decode() + name}}

    return plain_plugin(name, "modifier", {"response.modify": modify}, **facts)


@pytest.mark.parametrize(
    ("wanted", "is_asked"),
    [
        (ResponseFilter(), True),
        (ResponseFilter(paths=("/hello/*",)), True),
        (ResponseFilter(paths=("/other/**", "/hello/**")), True),
        (ResponseFilter(paths=("/other/**",)), False),
        (ResponseFilter(methods=frozenset(["GET"])), True),
        (ResponseFilter(methods=frozenset(["POST"])), False),
        (ResponseFilter(status=frozenset([200, 201])), True),
        (ResponseFilter(status=frozenset([404])), False),
        (ResponseFilter(content_types=frozenset(["application/json"])), True),
        (ResponseFilter(content_types=frozenset(["application/*"])), True),
        (ResponseFilter(content_types=frozenset(["text/*", "application/xml"])), False),
        (ResponseFilter(paths=("/hello/**",), status=frozenset([404])), False),
    ],
)
async def test_a_modifier_is_asked_about_the_answers_that_fit(wanted: ResponseFilter, is_asked: bool) -> None:
    changed = await Modifiers([appending("m", modifies=wanted)]).change(exchange("/hello/Ada"), ANSWER)
    assert changed.body == (b"am" if is_asked else b"a")


@pytest.mark.parametrize(("sent", "is_asked"), [("/p/a%2Fb/x", True), ("/p/a/x", True), ("/p/a/b/x", False), ("/p/a%2Fx", False)])
async def test_an_encoded_slash_is_data_of_its_segment_to_globs(sent: str, is_asked: bool) -> None:
    changed = await Modifiers([appending("m", modifies=ResponseFilter(paths=("/p/*/x",)))]).change(exchange(sent), ANSWER)
    assert changed.body == (b"am" if is_asked else b"a")


@pytest.mark.parametrize(
    ("content_type", "wanted", "is_asked"),
    [
        ("application/problem+json; charset=utf-8", "application/json", True),
        ("Application/HAL+JSON", "application/*", True),
        ("application/problem+json", "application/problem+json", True),
        ("application/problem+json", "application/hal+json", False),
        ("application/json", "application/problem+json", False),
        ("application/problem+json", "application/xml", False),
        ("application/atom+xml", "application/xml", True),
        ("image/svg+xml", "text/xml", True),
        ("application/json+zip", "application/json", False),
    ],
)
async def test_a_filter_takes_structured_types_for_their_syntax(content_type: str, wanted: str, is_asked: bool) -> None:
    answer = MockResponse.of(200, {"content-type": content_type}, b"a")
    filter = ResponseFilter(content_types=frozenset([wanted]))
    assert (await Modifiers([appending("m", modifies=filter)]).change(exchange(), answer)).body == (b"am" if is_asked else b"a")


async def test_each_modifier_sees_what_those_before_it_made() -> None:
    changed = await Modifiers([appending("1"), appending("2"), appending("3")]).change(exchange(), ANSWER)
    assert changed.body == b"a123"


async def test_a_failing_modifier_is_the_answer_unless_it_is_to_be_skipped() -> None:
    def fail(document: Json) -> Json:
        raise PluginFailed("m", "response.modify", "inside")

    with pytest.raises(PluginFailed):
        await Modifiers([plain_plugin("m", "modifier", {"response.modify": fail})]).change(exchange(), ANSWER)
    skipped = plain_plugin("m", "modifier", {"response.modify": fail}, on_failure="skip")
    asked = exchange()
    asked.trace = []
    assert (await Modifiers([skipped, appending("2")]).change(asked, ANSWER)).body == b"a2"
    assert [(step.asked, step.outcome) for step in asked.trace] == [("plugin m", "failed")]


def test_the_filter_is_configured_under_the_plugin() -> None:
    modifies = {"paths": "/a/**", "status": [200], "content_types": ["Text/*"], "app": True}
    config = load_config({"version": 1, "plugins": {"m": {"use": "./m", "modifies": modifies}}})
    assert config.plugins["m"].modifies == ResponseFilter(("/a/**",), frozenset(), frozenset([200]), frozenset(["text/*"]), True)


async def test_what_is_wanted_of_get_is_wanted_of_head() -> None:
    for methods, is_asked in ((["GET"], True), (["POST"], False)):
        wanted = ResponseFilter(methods=frozenset(methods))
        changed = await Modifiers([appending("m", modifies=wanted)]).change(exchange(method="HEAD"), ANSWER)
        assert changed.body == (b"am" if is_asked else b"a")
