"""Golden cases are read strictly: every fault at once, each with its line."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.plugins.testkit.cases import find_cases, read_cases, read_json, read_setting

FILE = """\
config: {header: X-Key}
doors:
  secrets: {keys: k1}
  kv: {visits: 3}
  clock: 1790000000
cases:
  - {name: known, op: auth.authenticate, in: {headers: [[x-key, k1]]}, out: null}
  - op: auth.authenticate
    error: {code: internal}
    logged: [{level: warning, message: odd}, {message: plain}]
    config: {header: X-Other}
"""


def test_cases_share_a_setting_and_may_have_their_own() -> None:
    read = read_cases(FILE, "cases.yaml")
    known, failing = read.cases
    assert (known.name, known.op, known.document, known.expected) == ("known", "auth.authenticate", {"headers": [["x-key", "k1"]]}, None)
    assert known.setting is None and known.kind == "out" and known.logged is None
    assert read.setting.doors.secrets == {"keys": "k1"} and read.setting.doors.clock == 1790000000
    assert failing.name == "case 2" and failing.kind == "error" and failing.expected == {"code": "internal"}
    assert failing.logged == (("warning", "odd"), ("info", "plain"))
    assert failing.setting is not None and failing.setting.config == {"header": "X-Other"}
    assert failing.setting.doors is read.setting.doors


def test_a_list_stands_for_the_cases_and_json_is_read_by_its_own_rules() -> None:
    assert read_cases("- {op: template.call, out: 1}", "cases.yaml").cases[0].expected == 1
    assert read_cases('[{"op": "template.call", "out": "\\ud83d\\ude00"}]', "cases.json").cases[0].expected == "😀"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cases: []", "cases.yaml:1 cases: is empty."),
        ("- {op: template.call}", "cases.yaml:1 cases[0]: must have just one of `out`, `has` and `error`."),
        ("- {op: template.call, out: 1, error: {}}", "must have just one of `out`, `has` and `error`."),
        ("\n- {op: a, out: 1}\n- {op: a, outt: 1, out: 1}", "cases.yaml:3 cases[1].outt: the key 'outt' is not known. Did you mean 'out'?"),
        ("cases: [{out: 1}]", "cases.yaml:1 cases[0]: `op` is missing."),
        ("{doors: {secret: {a: b}}, cases: [{op: a, out: 1}]}", "cases.yaml:1 doors.secret: the key 'secret' is not known."),
        ("{doors: {request_body: {}}, cases: [{op: a, out: 1}]}", "must have just one of `text`, `base64` and `json`."),
        (
            "{doors: {http: {GET http://a/: {body: hi}}}, cases: [{op: a, out: 1}]}",
            "doors.http['GET http://a/'].body: must be a mapping, not 'hi'.",
        ),
        ("{doors: {http: {GET http://a/: {stauts: 200}}}, cases: [{op: a, out: 1}]}", "the key 'stauts' is not known."),
        ("{doors: {http: {GET http://a/: {headers: [[a]]}}}, cases: [{op: a, out: 1}]}", "its headers must be pairs."),
        ("- {op: template.call, out: 1, has: 1}", "must have just one of `out`, `has` and `error`."),
        ("\n- {op: a, has: {b: [{regex: '('}]}}", "cases.yaml:2 cases[0]: `has`: '(' is not a regular expression: missing )"),
        ("7", "cases.yaml must be an object, not 7."),
        ("# nothing yet", "cases.yaml is empty. Write a case: `- {op: …, in: …, out: …}`."),
        ("a: [", "cases.yaml cannot be read:"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_cases(text, "cases.yaml")
    assert words in str(raised.value)


def test_the_package_may_hold_one_file_of_cases() -> None:
    case = b"- {op: a, out: 1}"
    assert find_cases({"plugin.py": b""}, "./greet") is None
    found = find_cases({"cases.yaml": case}, "./greet")
    assert found is not None and found.places.where(("cases", 0)) == "./greet/cases.yaml:1 cases[0]"
    with pytest.raises(ConfigError, match=r"\./greet/cases\.json: there is a cases\.yaml too\. Keep one of them\."):
        find_cases({"cases.yaml": case, "cases.json": b"[]"}, "./greet")


def test_a_command_line_overrides_what_the_file_says() -> None:
    shared = read_cases(FILE, "cases.yaml").setting
    assert read_setting(None, None, shared) is shared
    changed = read_setting('{"header": "X-New"}', '{"secrets": {"keys": "k2"}}', shared)
    assert changed.config == {"header": "X-New"} and changed.places.name == "--config"
    assert changed.doors.secrets == {"keys": "k2"} and changed.doors.kv == {}
    with pytest.raises(ConfigError, match=r"--config must be an object, not a list\."):
        read_setting("[]", None, shared)
    with pytest.raises(ConfigError, match=r"--host-calls kvv: the key 'kvv' is not known\. Did you mean 'kv'\?"):
        read_setting(None, '{"kvv": {}}', shared)


@pytest.mark.parametrize("text", ["{", "NaN", "[" * 100_000, '"\\ud800"', "[" * 70 + "]" * 70])
def test_what_is_no_json_is_told_in_words(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^the document (is not JSON|cannot be used):"):
        read_json(text, "the document")
