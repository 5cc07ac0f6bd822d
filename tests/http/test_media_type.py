"""What a Content-Type header says."""

from __future__ import annotations

import pytest

from mockforge_asgi.http.media_type import MediaType


@pytest.mark.parametrize(
    ("header", "name", "charset"),
    [
        ("", "", ""),
        ("application/json", "application/json", ""),
        (" Text/HTML ; Charset=UTF-8", "text/html", "utf-8"),
        ('text/plain; charset="iso-8859-1"; format=flowed', "text/plain", "iso-8859-1"),
        ("text/plain;charset = utf-16 ;x=y", "text/plain", "utf-16"),
        ("text/plain; xcharset=utf-16", "text/plain", ""),
        ("text/plain; charset=", "text/plain", ""),
    ],
)
def test_name_and_charset(header: str, name: str, charset: str) -> None:
    assert MediaType.of(header) == MediaType(name, charset)
    assert MediaType.among(((b"x", b"y"), (b"Content-Type", header.encode()), (b"content-type", b"a/b"))) == MediaType(name, charset)


@pytest.mark.parametrize(
    ("header", "is_json", "is_xml"),
    [
        ("application/json", True, False),
        ("text/json", True, False),
        ("application/problem+json; charset=utf-8", True, False),
        ("APPLICATION/VND.API+JSON", True, False),
        ("application/xml", False, True),
        ("text/xml", False, True),
        ("image/svg+xml", False, True),
        ("application/xhtml+xml", False, True),
        ("application/json+zip", False, False),
        ("application/x-ndjson", False, False),
        ("application/jsonp", False, False),
        ("text/html", False, False),
        ("", False, False),
    ],
)
def test_structured_suffixes_tell_the_syntax(header: str, is_json: bool, is_xml: bool) -> None:
    kind = MediaType.of(header)
    assert (kind.is_json, kind.is_xml) == (is_json, is_xml)
    assert ("application/json" in kind.ranges, "application/xml" in kind.ranges) == (is_json, is_xml)
