"""A plugin tried out from its folder runs as in production: host, limits, doors, reading of answers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from mockforge_asgi.errors import ConfigError, PluginFailed, PluginRejected
from mockforge_asgi.plugins.testkit.case_verdict import Verdict
from mockforge_asgi.plugins.testkit.harness import Harness
from tests.support.extism_guests import GREET, wat
from tests.support.plugin_packages import folder, minimal

KEEPER = """\
from mockforge_plugin import function, kv, log

seen = []

@function
def remember(word: str):
    seen.append(word)
    log.info(f"heard {word}")
    return [seen, kv.incr("count").result()]

@function
def spin():
    while True:
        pass

@function
def deep(n: int):
    value = []
    for _ in range(n):
        value = [value]
    return value

def generate(request):
    return {"path": request.path, "n": request.headers and len(request.headers)}
"""
MORE = "limits: {memory_mb: 64, cpu_ms: 40, timeout_ms: 20000}\npermissions: {kv: {}, request.headers: {names: [x-a]}}"


def plugin(root: Path, code: str = KEEPER, more: str = MORE, kinds: str = "[template, response]", **files: str) -> Path:
    return folder(root, {"plugin.yaml": minimal("keeper", more, kinds=kinds), "plugin.py": code, **files}, name="keeper")


def call(function: str, *args: object) -> Mapping[str, object]:
    return {"function": function, "args": list(args), "kwargs": {}}


async def verdicts(path: Path) -> list[Verdict]:
    async with Harness(path) as trial:
        return [verdict async for verdict in trial.run()]


async def test_calls_share_an_instance_and_tell_what_they_took(tmp_path: Path) -> None:
    async with Harness(plugin(tmp_path)) as trial:
        first = await trial.call("template.call", call("remember", "a"))
        second = await trial.call("template.call", call("remember", "b"))
        assert (first.answer, second.answer) == ([["a"], 1], [["a", "b"], 2])
        assert second.log == (("info", "heard b"),) and second.wall_s > 0 and second.error is None
        spun = await trial.call("template.call", call("spin"))
        assert spun.error is not None and spun.error["code"] == "limit" and spun.cpu_s >= 0.04 and spun.slices > 0
        again = await trial.call("template.call", call("remember", "c"))
        assert again.answer == [["c"], 3], "a fresh instance, the same storage"


async def test_whoever_tries_it_gives_what_its_manifest_asks_for(tmp_path: Path) -> None:
    limits = "limits: {memory_mb: 128, output_kb: 2048, cpu_ms: 500, timeout_ms: 20000}"
    async with Harness(
        plugin(tmp_path, "from mockforge_plugin import function\n@function\ndef f():\n    return 'x' * 1_500_000", limits, "[template]")
    ) as trial:
        assert len((await trial.call("template.call", call("f"))).answer) == 1_500_000


async def test_a_compiled_guest_tells_its_memory() -> None:
    async with Harness(GREET.parent) as trial:
        outcome = await trial.call("response.generate", {"request": {"path_params": {"name": "Ada"}}})
        assert outcome.answer["status"] == 200 and outcome.memory_bytes >= 1 << 16
        described = await trial.call("describe")
        assert "response.generate" in described.answer["ops"]


async def test_a_failure_names_the_authors_line(tmp_path: Path) -> None:
    async with Harness(plugin(tmp_path)) as trial:
        outcome = await trial.call("template.call", call("remember"))
    assert outcome.error is not None and "word" in outcome.error["message"] and outcome.answer is None


async def test_an_answer_is_read_as_in_production(tmp_path: Path) -> None:
    code = "def generate(request):\n    from mockforge_plugin import Response\n    return Response(200, [('set-cookie', 'a=1')], b'x')\n"
    async with Harness(plugin(tmp_path, code, kinds="[response]")) as trial:
        outcome = await trial.call("response.generate")
    assert outcome.denied == ("response.set_headers: set-cookie: left out of its answer; ask for it in plugin.yaml",)
    odd = folder(tmp_path, {"plugin.yaml": EXTISM_MANIFEST}, name="odd")
    (odd / "odd.wasm").write_bytes(ODD)
    async with Harness(odd) as trial:
        outcome = await trial.call("response.generate")
        decided = await trial.call("auth.authenticate")
    assert outcome.error is not None and outcome.error["code"] == "invalid_output"
    assert outcome.error["message"] == "it answered status 99; a final response has 200 to 599"
    assert decided.error is not None and decided.error["message"] == "it answered 'status' without an object"


STAMP = """\
from mockforge_plugin import Response

def modify(request, response):
    if request.path == "/template":
        return Response.render("page.html")
    return response.replace(headers=[*response.headers, ("x-stamp", "1")])
"""


async def test_a_changed_answer_is_read_as_in_production(tmp_path: Path) -> None:
    more = "permissions: {response.headers: {names: ['*']}}"
    async with Harness(plugin(tmp_path, STAMP, more, kinds="[modifier]")) as trial:
        kept = await trial.call("response.modify", {"response": {"headers": [["Set-Cookie", "a=1"]]}})
        drawn = await trial.call("response.modify", {"request": {"path": "/template"}})
    assert kept.denied == () and kept.answer["headers"] == [["set-cookie", "a=1"], ["x-stamp", "1"]], (
        "headers it was shown may be given back"
    )
    assert drawn.error is not None and drawn.error["message"] == "it answered a template; a modifier returns a finished body"


@pytest.mark.parametrize(
    ("op", "document", "words"),
    [
        ("auth.authenticate", None, "auth.authenticate: 'keeper' does not implement it. It implements "),
        ("template.cal", None, "template.cal: 'keeper' does not implement it."),
        ("response.generate", {"request": {"headers": [["x-b", "1"]]}}, "response.generate request.headers: the plugin would not be sent"),
        ("response.generate", {"request": {"client": "::1"}}, "Ask for it in plugin.yaml: permissions: {request.client: {}}."),
    ],
)
async def test_what_no_host_would_send_is_not_sent(tmp_path: Path, op: str, document: object, words: str) -> None:
    async with Harness(plugin(tmp_path)) as trial:
        with pytest.raises(ConfigError) as raised:
            await trial.call(op, document)
    assert words in str(raised.value)


async def test_what_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    with pytest.raises(PluginRejected, match=r"is neither a folder nor a file"):
        Harness(tmp_path / "none")
    async with Harness(plugin(tmp_path, "def generate(:\n")) as trial:
        with pytest.raises((PluginRejected, PluginFailed), match=r"plugin\.py"):
            await trial.call("response.generate")
    shutil.rmtree(tmp_path / "keeper")
    config = "config: {type: object, additionalProperties: false, properties: {n: {type: integer}}}"
    async with Harness(plugin(tmp_path, more=config, **{"cases.yaml": "config: {n: x}\ncases: [{op: a, out: 1}]"})) as trial:
        with pytest.raises(ConfigError, match=r"cases\.yaml:1 config\.n: "):
            await trial.call("response.generate")


async def test_native_code_runs_only_where_it_is_trusted(tmp_path: Path) -> None:
    manifest = minimal("keeper", MORE, kinds="[template]").replace("runtime: python", "runtime: native")
    made = folder(tmp_path, {"plugin.yaml": manifest, "plugin.py": KEEPER}, name="keeper")
    async with Harness(made) as trial:
        with pytest.raises(ConfigError, match="runs unconfined"):
            await trial.call("template.call", call("remember", "a"))
    async with Harness(made, trust_native=True) as trial:
        assert (await trial.call("template.call", call("remember", "a"))).answer == [["a"], 1]


CASES = """\
doors: {kv: {count: 10}}
cases:
  - {name: first, op: template.call, in: {function: remember, args: [a], kwargs: {}}, out: [[a], 11], logged: [{message: heard a}]}
  - {name: next, op: template.call, in: {function: remember, args: [b], kwargs: {}}, out: [[a, b], 12]}
  - {name: apart, op: template.call, in: {function: remember, args: [c], kwargs: {}}, doors: {kv: {count: 1}}, out: [[c], 2]}
  - {name: back, op: template.call, in: {function: remember, args: [d], kwargs: {}}, out: [[a, b, d], 13]}
  - name: denied
    op: template.call
    in: {function: remember, args: [e], kwargs: {}}
    grants: {request: {headers: [x-a]}}
    error: {code: denied}
  - {name: ended, op: template.call, in: {function: spin, args: [], kwargs: {}}, error: {code: limit, retryable: false}}
  - name: page
    op: response.generate
    in: {request: {path: /x, headers: [[x-a, "1"]]}}
    out: {status: 200, headers: [[content-type, application/json]], body: {json: {path: /x, n: 1}}}
"""


async def test_cases_run_in_order_and_those_with_their_own_setting_apart(tmp_path: Path) -> None:
    more = MORE.replace("kv: {}", "kv: {optional: true}")
    found = await verdicts(plugin(tmp_path, more=more, **{"cases.yaml": CASES}))
    assert [(v.case.name, v.differs) for v in found if v.differs] == []
    assert len(found) == 7


@pytest.mark.parametrize(
    ("case", "what", "got"),
    [
        ("in: {function: deep, args: [0], kwargs: {}}, out: [1]", "out", []),
        ("in: {function: deep, args: [0], kwargs: {}}, error: {code: limit}", "error", {"out": []}),
        ("in: {function: spin, args: [], kwargs: {}}, out: 1", "out", {"code": "limit"}),
        ("in: {function: spin, args: [], kwargs: {}}, error: {code: denied}", "error", {"code": "limit"}),
        ("in: {function: deep, args: [0], kwargs: {}}, out: [], logged: [{message: x}]", "logged", []),
        ("in: {function: deep, args: [600], kwargs: {}}, out: []", "out", None),
    ],
)
async def test_a_case_that_fails_says_what_differs(tmp_path: Path, case: str, what: str, got: object) -> None:
    (verdict,) = await verdicts(plugin(tmp_path, **{"cases.yaml": f"- {{op: template.call, {case}}}"}))
    assert verdict.differs is not None and verdict.differs.what == what
    if isinstance(got, dict) and "code" in got:
        shown = verdict.differs.got
        assert (shown.get("error") or shown)["code"] == "limit"
    elif got is not None:
        assert verdict.differs.got == got


async def test_a_case_that_cannot_be_run_does_not_stop_the_others(tmp_path: Path) -> None:
    text = "- {op: nope, out: 1}\n- {op: template.call, in: {function: deep, args: [0], kwargs: {}}, out: []}\n"
    odd, good = await verdicts(plugin(tmp_path, **{"cases.yaml": text}))
    assert odd.outcome is None and odd.differs is not None and good.differs is None
    assert odd.place.endswith("keeper/cases.yaml:1 cases[0]") and odd.differs.what == "cannot be run"


CHOOSY = """\
from mockforge_plugin import function

def validate_config(config):
    if config.get("n") == 1:
        return [("n", "must not be 1")]

def init(config):
    1 / (config.get("n", 5) - 2)

@function
def n():
    return {1}
"""
CONFIG = "config: {type: object, additionalProperties: false, properties: {n: {type: integer}}}"


async def test_cases_whose_own_setting_cannot_be_loaded_fail_alone(tmp_path: Path) -> None:
    case = "op: template.call, in: {function: n}, error: {code: internal}"
    text = "".join(f"- {{{case}, config: {{n: {n}}}}}\n" for n in (1, 2, 3, "x"))
    found = await verdicts(plugin(tmp_path, CHOOSY, CONFIG, "[template]", **{"cases.yaml": text}))
    refused, broken, good, odd = (str(verdict.differs.got) if verdict.differs else "" for verdict in found)
    assert "must not be 1" in refused and 'File "plugin.py", line 8, in init' in broken and "cases[3].config.n: must be integer" in odd
    assert good == "" and found[2].outcome is not None and 'File "plugin.py", line 11, in n\n    def n():' in found[2].outcome.traceback


async def test_what_all_cases_share_is_told_once_where_it_cannot_be_loaded(tmp_path: Path) -> None:
    text = "config: {n: 1}\ncases: [{op: template.call, in: {function: n}, out: 1}, {op: describe, out: 1}]"
    with pytest.raises(ConfigError, match="must not be 1"):
        await verdicts(plugin(tmp_path, CHOOSY, CONFIG, "[template]", **{"cases.yaml": text}))


async def test_code_that_is_not_what_its_manifest_says_is_told_with_the_manifests_line(tmp_path: Path) -> None:
    more = "endpoints: [/one, /two]"
    code = "from mockforge_plugin import endpoint\n\n@endpoint('one')\ndef one(request):\n    return 1\n"
    async with Harness(plugin(tmp_path, code, more, "[auth]"), "keeper") as trial:
        with pytest.raises(PluginRejected) as raised:
            await trial.call("describe")
    assert [str(problem).partition(" Implement")[0] for problem in raised.value.problems] == [
        "keeper/plugin.yaml:5 kinds: auth: the code does not implement auth.authenticate.",
        "keeper/plugin.yaml:8 endpoints[1]: the code has no handler 'two'; it has one. Mark one so.",
    ]


async def test_a_plugin_that_answers_at_its_endpoints_alone_has_some(tmp_path: Path) -> None:
    code = "from mockforge_plugin import Response, endpoint\n\n@endpoint('one')\ndef one(request):\n    return Response.text('1')\n"
    async with Harness(plugin(tmp_path, code, "", "[endpoint]"), "keeper") as trial:
        with pytest.raises(PluginRejected, match="there are none under `endpoints`"):
            await trial.call("describe")


async def test_without_cases_there_is_nothing_to_test(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no cases\.yaml and no cases\.json\."):
        await verdicts(plugin(tmp_path))


EXTISM_MANIFEST = """\
manifest_version: 1
id: odd
version: 1.0.0
contract: "0.1"
kinds: [response, auth]
runtime: extism
entry: odd.wasm
"""

SAID = b'{"status":99}   '
LOW, HIGH = (int.from_bytes(SAID[i : i + 8], "little") for i in (0, 8))
ODD = wat(
    f"""(func $say (export "response_generate") (result i32) (local $at i64)
      (local.set $at (call $alloc (i64.const 16)))
      (call $store_u64 (local.get $at) (i64.const {LOW}))
      (call $store_u64 (i64.add (local.get $at) (i64.const 8)) (i64.const {HIGH}))
      (call $output_set (local.get $at) (i64.const 16))
      (i32.const 0))
    (export "auth_authenticate" (func $say))""",
    "alloc",
    "store_u64",
    "output_set",
)
"""A guest that answers everything with the same odd document."""
