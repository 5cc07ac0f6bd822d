"""The text of a body: marks, declared charsets, UTF-16, and refusals; the host reads by the same rules."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.http.json_body import JsonBody
from mockforge_plugin import Request
from mockforge_plugin.charset import decoded, decoded_json
from mockforge_plugin.host import HttpAnswer
from mockforge_plugin.pairs import Headers
from tests.support.template_rendering import exchange, render

TEXT = '{"a":"é€ü"}'
LATIN = '{"a":"éü"}'
READ = [
    (TEXT.encode(), "", TEXT),
    (TEXT.encode(), "application/json; charset=UTF-8", TEXT),
    (b"\xef\xbb\xbf" + TEXT.encode(), "application/json", TEXT),
    (b"\xef\xbb\xbf" + TEXT.encode(), "application/json; charset=iso-8859-1", TEXT),
    (LATIN.encode("latin-1"), "application/json; charset=iso-8859-1", LATIN),
    (LATIN.encode("latin-1"), 'text/plain; x=y; Charset="ISO-8859-1"', LATIN),
    (TEXT.encode("utf-16"), "", TEXT),
    (TEXT.encode("utf-16"), "application/json; charset=utf-16", TEXT),
    (TEXT.encode("utf-16-be"), "application/json; charset=utf-16", TEXT),
    (TEXT.encode("utf-16-le"), "application/json; charset=utf-16le", TEXT),
    (b"\xfe\xff" + TEXT.encode("utf-16-be"), "application/json; charset=utf-8", TEXT),
]
REFUSED = [
    (TEXT.encode("shift_jis", "replace") + b"\x82", "application/json; charset=shift_jis"),
    (LATIN.encode("latin-1"), "application/json; charset=us-ascii"),
    (LATIN.encode("latin-1"), "application/json"),
    (TEXT.encode(), "application/json; charset=punycode"),
    (TEXT.encode(), "application/json; charset=" + "x" * 9000),
    (b"\xff\xfe\x00", ""),
    (b"\xef\xbb\xbf\xff", ""),
]


def request(body: bytes, content_type: str) -> Request:
    return Request("POST", "/", body=body, headers={"content-type": content_type} if content_type else {})


@pytest.mark.parametrize(("data", "content_type", "text"), READ)
async def test_conditions_templates_and_plugins_read_the_same(data: bytes, content_type: str, text: str) -> None:
    value = json.loads(text)
    assert decoded(data, content_type) == decoded_json(data, content_type) == text
    assert request(data, content_type).json().result() == JsonBody(data, content_type).value() == value
    on = exchange(method="POST", headers={"content-type": content_type} if content_type else {}, body=data)
    assert await render("{{ request.json.a }} {{ request.text }}", on=on) == f"{value['a']} {text}"
    assert request(data, content_type).text().result() == text


@pytest.mark.parametrize(("data", "content_type"), REFUSED)
async def test_what_cannot_be_read_is_refused_by_all(data: bytes, content_type: str) -> None:
    with pytest.raises(ValueError, match="charset|codec"):
        decoded(data, content_type)
    for read in (request(data, content_type).json, request(data, content_type).text):
        with pytest.raises(ValueError, match="charset|codec"):
            read().result()
    body = JsonBody(data, content_type)
    assert body.value() is None and ("charset" in body.fault or "codec" in body.fault) and len(body.fault) < 300
    on = exchange(method="POST", headers={"content-type": content_type} if content_type else {}, body=data)
    assert await render("{{ request.json.a | default('none') }}", on=on) == "none"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("content_type", ["", "application/json", "application/json; charset=utf-8", "application/json; charset=utf-16"])
def test_json_in_utf_16_needs_neither_mark_nor_charset(codec: str, content_type: str) -> None:
    data = TEXT.encode(codec)
    assert request(data, content_type).json().result() == JsonBody(data, content_type).value() == json.loads(TEXT)


@pytest.mark.parametrize("number", ["12345678901234567890123", "18446744073709551616", "-9223372036854775809", "1.0", "1e5"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_numbers_are_read_the_same(number: str, codec: str) -> None:
    data = f'{{"n":{number}}}'.encode(codec)
    assert request(data, "").json().result() == JsonBody(data).value() == json.loads(f'{{"n":{number}}}')


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}'])
def test_what_is_not_json_is_not_read_by_the_kit_either(text: str) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        request(text.encode(), "").json().result()


@pytest.mark.parametrize(("data", "content_type", "text"), READ)
def test_answers_of_other_servers_are_read_the_same(data: bytes, content_type: str, text: str) -> None:
    answer = HttpAnswer(200, Headers([("content-type", content_type)]), data)
    assert (answer.text, answer.json()) == (text, json.loads(text))


MULTIPART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--\r\n'


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", ""])
def test_a_form_of_parts_is_refused_in_words(content_type: str) -> None:
    with pytest.raises(ValueError, match="multipart/form-data"):
        request(MULTIPART, content_type).form().result()
    assert list(request(b"--x=1&a=%2B+b", "").form().result()) == [("--x", "1"), ("a", "+ b")]


@given(
    st.binary(max_size=40),
    st.sampled_from(["", "a/b", "a/b;charset="]),
    st.text(max_size=10) | st.sampled_from(["utf-16", "ascii", "latin1"]),
)
def test_any_bytes_under_any_header_are_text_or_a_fault_in_words(data: bytes, head: str, charset: str) -> None:
    body = JsonBody(data, head + charset)
    assert body.fault or body.value() is None or body.at(()) is not None
    for read in (decoded, decoded_json):
        try:
            assert isinstance(read(data, head + charset), str)
        except ValueError as error:
            assert str(error)
