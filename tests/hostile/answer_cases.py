"""Guests that end well and answer badly: what they say is read as a stranger's. Core modules; the reader is the same for all runtimes."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile import core
from tests.hostile.cases import Case, later

answers = later(core.answers)

_MANY = "[" + ",".join(['["x-a","b"]'] * 101) + "]"
_LONG = '[["x-a","' + "b" * 20_000 + '"]]'


def _says(what: str, document: str | bytes, words: str, budget: str = "", limits: Mapping[str, int] = {}) -> Case:
    return Case(what, answers(document), "PluginFailed", words, budget=budget, limits={"output_kb": 256, **limits}, many=False)


CASES = [
    _says("invalid UTF-8", b'{"status":200,"body":{"text":"\xff\xfe"}}', "not JSON"),
    _says("a lone surrogate", rb'{"status":200,"body":{"text":"\ud800"}}', "not JSON"),
    _says("invalid JSON", '{"status":200', "not JSON"),
    _says("two documents", "null null", "not JSON"),
    _says("NaN", '{"status":NaN}', "not JSON"),
    _says("JSON depth bomb", "[" * 15_000 + "]" * 15_000, "not JSON|nested more than 100 deep", "100 levels"),
    _says("a status of a thousand lists", '{"status":' + "[" * 1000 + "]" * 1000 + "}", "nested more than 100 deep", "100 levels"),
    _says(
        "forty thousand empty lists",
        '{"status":200,"x":[' + ",".join(["[]"] * 40_000) + "]}",
        "more than 20,000 lists",
        "20,000 lists and objects",
    ),
    _says(
        "eight hundred thousand numbers",
        '{"status":200,"x":[' + ",".join(["0"] * 800_000) + "]}",
        "more than 100,000 values",
        "100,000 values",
        {"output_kb": 16384, "cpu_ms": 500},
    ),
    _says("a number instead of an answer", "42", "int instead of a response object"),
    _says("a list instead of an answer", "[1]", "list instead of a response object"),
    _says("text instead of an answer", '"ok"', "str instead of a response object"),
    _says("a body that is a number", '{"status":200,"body":7}', "neither"),
    _says("a body in two forms", '{"status":200,"body":{"text":"a","base64":"YQ=="}}', "neither"),
    _says("a body that is no base64", '{"status":200,"body":{"base64":"!!!"}}', "not valid base64"),
    _says("status 0", '{"status":0}', "status 0; a final response has 200 to 599"),
    _says("status 999", '{"status":999}', "status 999; a final response has 200 to 599"),
    _says("status 101", '{"status":101}', "status 101; a final response has 200 to 599"),
    _says("a negative status", '{"status":-1}', "status -1; a final response"),
    _says("status true", '{"status":true}', "status true; a final response"),
    _says("a status larger than any number", '{"status":1' + "0" * 400 + "}", "not JSON|status"),
    _says("header injection in a value", r'{"status":200,"headers":[["x-a","b\r\nset-cookie: c=d"]]}', "header"),
    _says("header injection in a name", r'{"status":200,"headers":[["x-a\r\nset-cookie: c","d"]]}', "header"),
    _says("a header with NUL", r'{"status":200,"headers":[["x-a","b\u0000c"]]}', "header"),
    _says("a header outside latin-1", r'{"status":200,"headers":[["x-a","\u2028"]]}', "header"),
    _says("an empty header name", '{"status":200,"headers":[["","b"]]}', "header"),
    _says("headers that are no pairs", '{"status":200,"headers":[["x-a"]]}', "not a .name, value. pair"),
    _says("a huge list of headers", f'{{"status":200,"headers":{_MANY}}}', "not a list of at most 100 pairs", "100 headers"),
    _says("a huge header", f'{{"status":200,"headers":{_LONG}}}', "more than 16384 bytes of headers", "16 KiB of headers"),
    _says("variables that are a list", '{"status":200,"template":"a","vars":[]}', "not an object"),
]
