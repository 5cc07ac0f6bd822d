"""What routes answer, made once at load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.config.objects import RouteResponse
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.mocks.plans import PluginPlan
from mockforge_asgi.mocks.static import ResponseError, plan_of


@pytest.mark.parametrize(
    ("response", "content_type", "body"),
    [
        (RouteResponse("json", {"status": "ok", "n": [1, None]}), b"application/json", b'{"status":"ok","n":[1,null]}'),
        (RouteResponse("json", None), b"application/json", b"null"),
        (RouteResponse("text", "häh {{ x }}"), b"text/plain; charset=utf-8", "häh {{ x }}".encode()),
        (RouteResponse("html", "<p>"), b"text/html; charset=utf-8", b"<p>"),
        (RouteResponse("base64", "AAH/"), b"application/octet-stream", b"\0\1\xff"),
    ],
)
def test_an_answer_is_bytes_with_a_content_type(response: RouteResponse, content_type: bytes, body: bytes) -> None:
    assert plan_of(response) == MockResponse(200, ((b"content-type", content_type),), body)


def test_a_content_type_of_the_route_is_kept() -> None:
    made = plan_of(RouteResponse("json", {}, 201, (("Content-Type", "application/hal+json"), ("X-A", "1"))))
    assert made == MockResponse(201, ((b"content-type", b"application/hal+json"), (b"x-a", b"1")), b"{}")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.json", b"application/json"),
        ("a.html", b"text/html; charset=utf-8"),
        ("a.gz", b"application/octet-stream"),
        ("a", b"application/octet-stream"),
    ],
)
def test_a_file_is_read_and_typed_by_its_name(tmp_path: Path, name: str, content_type: bytes) -> None:
    (tmp_path / name).write_bytes(b"data")
    assert plan_of(RouteResponse("file", tmp_path / name)) == MockResponse(200, ((b"content-type", content_type),), b"data")


def test_templates_and_plugins_are_asked_later() -> None:
    asked = RouteResponse("template", "a.json", 201, (("x-a", "1"),), {"who": "Ada"})
    assert plan_of(asked) == TemplateResponse(201, ((b"x-a", b"1"),), "a.json", {"who": "Ada"})
    assert plan_of(RouteResponse("template_text", "{{ x }}"), inline_name="routes[0].txt") == TemplateResponse(template="routes[0].txt")
    assert plan_of(RouteResponse("plugin", "greet")) == PluginPlan("greet")


@pytest.mark.parametrize(
    "response",
    [
        RouteResponse("base64", "not base64!"),
        RouteResponse("json", {"x": object()}),
        RouteResponse("text", "x", 99),
        RouteResponse("text", "x", 200, (("bad name", "x"),)),
        RouteResponse("text", "x", 200, (("x", "a\r\nset-cookie: b"),)),
        RouteResponse("file", "/nonexistent/file"),
    ],
)
def test_a_faulty_answer_is_refused_at_load(response: RouteResponse) -> None:
    with pytest.raises(ResponseError):
        plan_of(response)


def test_a_file_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(
        ResponseError, match=r"the file '/nonexistent/file' cannot be read: No such file or directory; its path is meant from"
    ):
        plan_of(RouteResponse("file", "/nonexistent/file"))


@pytest.mark.parametrize(
    ("kind", "value", "content_type", "body"),
    [
        ("text", "é", "text/plain; charset=iso-8859-1", b"\xe9"),
        ("html", "é€", "text/html;charset=Windows-1252", b"\xe9\x80"),
        ("text", "日本", "text/plain; charset=Shift_JIS", "日本".encode("shift_jis")),
        ("json", {"a": "é"}, "application/json; charset=utf-16le", '{"a":"é"}'.encode("utf-16-le")),
        ("text", "é", "text/plain; charset=utf-8", "é".encode()),
        ("text", "é", "text/plain", "é".encode()),
        ("base64", "6Q==", "text/plain; charset=utf-8", b"\xe9"),
    ],
)
def test_a_declared_charset_is_obeyed(kind: Any, value: object, content_type: str, body: bytes) -> None:
    answer = plan_of(RouteResponse(kind, value, headers=(("content-type", content_type),)))
    assert isinstance(answer, MockResponse) and (answer.body, answer.headers) == (body, ((b"content-type", content_type.encode()),))


@pytest.mark.parametrize("kind", ["text", "json", "html", "template_text", "template"])
@pytest.mark.parametrize(
    ("charset", "why"), [("iso-8859-99", "not known"), ("rot13", "not known"), ("punycode", "not known"), ("base64", "not known")]
)
def test_a_charset_that_nobody_knows_is_refused_at_load(kind: Any, charset: str, why: str) -> None:
    with pytest.raises(ResponseError, match=why):
        plan_of(RouteResponse(kind, "a", headers=(("content-type", f"text/plain; charset={charset}"),)), inline_name="a.txt")


@pytest.mark.parametrize(("charset", "text"), [("iso-8859-1", "€"), ("us-ascii", "é"), ("windows-1252", "日")])
def test_a_character_that_the_charset_lacks_is_refused_at_load(charset: str, text: str) -> None:
    with pytest.raises(ResponseError, match=f"charset {charset}, which lacks '{text}'"):
        plan_of(RouteResponse("text", text, headers=(("content-type", f"text/plain; charset={charset}"),)))


@pytest.mark.parametrize(("data", "content_type"), [("é".encode(), b"text/plain; charset=utf-8"), (b"\xe9", b"text/plain")])
def test_a_file_is_said_to_be_utf_8_only_where_it_is(data: bytes, content_type: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    answer = plan_of(RouteResponse("file", str(file)))
    assert isinstance(answer, MockResponse) and (answer.body, answer.headers) == (data, ((b"content-type", content_type),))
