"""Routes as people write them: a status alone, numbers and templates in headers, the length in an answer to HEAD."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client


def app(method: str | None = None, **response: Any) -> MockForge:
    match = {"path": "/a/{id}"} | ({"method": method} if method else {})
    return MockForge(config={"version": 1, "dev": True, "routes": [{"match": match, "response": response}]})


@pytest.mark.parametrize(
    ("response", "status", "headers"),
    [
        ({"status": 204}, 204, {}),
        ({"status": 404}, 404, {"content-length": "0"}),
        ({"status": 302, "headers": {"location": "/b"}}, 302, {"location": "/b", "content-length": "0"}),
        ({"headers": {"x-a": "1"}}, 200, {"x-a": "1", "content-length": "0"}),
        ({"status": 503, "headers": {"retry-after": 120}}, 503, {"retry-after": "120", "content-length": "0"}),
        ({"status": 200, "headers": {"x-a": 0.5}}, 200, {"x-a": "0.5", "content-length": "0"}),
        ({"status": 304, "headers": {"etag": '"1"'}}, 304, {"etag": '"1"'}),
    ],
)
async def test_a_status_or_headers_alone_are_an_answer_without_a_body(
    response: dict[str, Any], status: int, headers: dict[str, str]
) -> None:
    answer = await Client(app(**response)).get("/a/1")
    shown = {name: value for name, value in answer.headers if not name.startswith("access-control-")}
    assert (answer.status, shown, answer.body) == (status, headers, b"")


@pytest.mark.parametrize("response", [{"status": 200}, {"text": "hi"}, {"template_text": "hi"}, {"status": 304}, {"json": {"a": 1}}])
async def test_an_answer_to_head_says_the_length_of_the_body_that_get_would_have(response: dict[str, Any]) -> None:
    answer = await Client(app("HEAD", **response, headers={"Content-Length": 1234})).request("HEAD", "/a/1")
    assert (dict(answer.headers)["content-length"], answer.body) == ("1234", b"")


@pytest.mark.parametrize(
    ("response", "header", "value"),
    [
        ({"status": 302, "headers": {"location": "/b/{{ request.path_params.id }}"}}, "location", "/b/7"),
        ({"status": 201, "json": {"a": 1}, "headers": {"location": "/b/{{ request.path_params.id }}"}}, "location", "/b/7"),
        ({"template_text": "hi", "vars": {"v": 2}, "headers": {"x-a": "{{ vars.v + 1 }}"}}, "x-a", "3"),
        ({"text": "hi", "headers": {"x-a": "{% if request.query.q %}yes{% endif %}"}}, "x-a", "yes"),
        ({"text": "hi", "headers": {"content-type": "text/{{ request.query.q }}"}}, "content-type", "text/é"),
        ({"template_text": "hi", "headers": {"content-type": "text/{{ request.query.q }}"}}, "content-type", "text/é"),
        ({"status": 302, "headers": {"location": "/b?q={{ request.query.q }}"}}, "location", "/b?q=%C3%A9"),
        ({"text": "{{ as it is }}", "headers": {"x-a": "{{ '{{' }}"}}, "x-a", "{{"),
        ({"status": 200, "headers": {"x-a": "{{ [1, 'é'] }}"}}, "x-a", '[1,"é"]'),
    ],
)
async def test_headers_of_routes_are_templates(response: dict[str, Any], header: str, value: str) -> None:
    answer = await Client(app(**response)).get("/a/7?q=é")
    assert [v for name, v in answer.headers if name == header] == [value], answer.text
    assert answer.body in (b"", b"hi", b'{"a":1}', b"{{ as it is }}") and answer.status == response.get("status", 200)


async def test_several_values_of_a_header_are_rendered_one_by_one() -> None:
    answer = await Client(app(text="hi", headers={"set-cookie": ["a=1", "b={{ request.path_params.id }}"]})).get("/a/7")
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=7"]


@pytest.mark.parametrize("query", ["%0d%0aset-cookie:%20a=1", "%00", "%E2%82%AC"])
async def test_what_a_request_brings_into_a_header_forges_no_other(query: str) -> None:
    answer = await Client(app(text="hi", headers={"x-a": "{{ request.query.q }}"})).get(f"/a/7?q={query}")
    assert answer.status == 500 and "set-cookie" not in dict(answer.headers) and "x-a" in answer.text


def test_a_header_that_is_no_template_is_told_at_load() -> None:
    with pytest.raises(Exception, match=r"routes\[0\]\.response\.headers\.x-a line 1: "):
        app(text="hi", headers={"x-a": "{{ 1 +"})


async def test_a_charset_that_is_rendered_is_obeyed_or_refused() -> None:
    headers = {"content-type": "text/plain; charset={{ request.query.c }}"}
    answer = await Client(app(template_text="é", headers=headers)).get("/a/7?c=iso-8859-1")
    assert answer.body == "é".encode("latin-1")
    answer = await Client(app(text="é", headers=headers)).get("/a/7?c=iso-8859-1")
    assert answer.status == 500 and "another charset than UTF-8" in answer.text
    assert (await Client(app(text="é", headers=headers)).get("/a/7?c=UTF-8")).body == "é".encode()
