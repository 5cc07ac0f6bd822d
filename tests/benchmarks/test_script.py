"""What wrk runs: requests that count up, answers that are held against them."""

from __future__ import annotations

from benchmarks.cases import Case
from benchmarks.script import expression, script

SENT = Case("configured", "/hello/Ada{n}", {"X-API-Key": "key-{n}"}, "POST", '{"order":{n}}', answer=('"Hello, Ada{n}"', '"order": "{n}"'))


def test_the_number_stands_where_the_case_has_it() -> None:
    assert expression("/hello") == '"/hello"'
    assert expression('{"order":{n}}') == '"{\\"order\\":" .. n .. "}"'


def test_a_request_has_the_case_s_method_path_headers_and_body() -> None:
    text = script(SENT, first=10, check=False)
    assert "local n = 10\n" in text and "n = n + 1" in text
    assert 'return wrk.format("POST", "/hello/Ada" .. n .. "", {["X-API-Key"] = "key-" .. n .. ""}, body)' in text
    assert "response" not in text


def test_answers_are_looked_at_only_where_asked() -> None:
    text = script(SENT, first=0, check=True)
    assert 'ipairs({"\\"Hello, Ada" .. n .. "\\"", "\\"order\\": \\"" .. n .. "\\""})' in text
    assert "seen[n] = true" in text
