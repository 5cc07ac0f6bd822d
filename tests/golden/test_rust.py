"""The golden cases in Rust: the same documents, in the production host; what is Python's own affair is named here with its reason."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from mockforge_asgi.plugins.testkit.cases import DoorsModel, Setting
from mockforge_asgi.plugins.testkit.diff import agrees, difference_lines
from mockforge_asgi.plugins.testkit.harness import Harness
from tests.support.golden_cases import GOLDEN, NAMES, golden

CRATE: Final = GOLDEN.parent / "rust" / "golden"
NOT_HERE: Final = {
    "failing": "answers of wrong Python types",
    "stdlib_tour": "Python's standard library",
    "with_helpers": "Python's imports",
}
SKIPPED: Final = {
    ("plain", "/number"): "a number is no Response in Rust's types",
    ("stamp", "dict"): "a dict is no Response in Rust's types",
    ("large_body", "digest"): "hashlib",
    ("text_functions", "any"): "names of Python's types",
    ("text_functions", "many arguments"): "None as text",
    ("text_functions", "the author's TypeError"): "Python's exception",
    ("text_functions", "NaN"): "serde_json writes null",
    ("text_functions", "a set"): "Python's type",
    ("text_functions", "a lone surrogate"): "no Rust text holds one",
    ("text_functions", "a KeyError"): "Python's exception",
    ("text_functions", "no such operation"): "refused before it is called, since the module has no such export",
}
OWN_WORDS: Final = {
    ("text_functions", "too few arguments"),
    ("text_functions", "unknown argument"),
    ("text_functions", "unknown function"),
}
"""Errors whose code is the same and whose message is each kit's own."""

MANIFEST: Final = """\
manifest_version: 1
id: {id}
version: 1.0.0
contract: "0.1"
kinds: [auth, response, modifier, template, data_source]
runtime: extism
entry: golden.wasm
config: {{type: object, additionalProperties: true}}
limits: {{cpu_ms: 2000, timeout_ms: 20000}}
permissions:
  request.headers: {{names: ["*"]}}
  request.cookies: {{names: ["*"]}}
  request.query: {{names: ["*"]}}
  request.body: {{}}
  request.client: {{}}
  request.principal: {{}}
  response.headers: {{names: ["*"]}}
  response.body: {{}}
  secrets: {{names: [api_keys, token]}}
  kv: {{}}
  network: {{allow: ["https://idp.example"]}}
  data: {{queries: [shop/orders, shop/orders_of]}}
  files: {{read: ["data/*"]}}
"""


def placed(folder: Path, name: str, files: Mapping[str, Any] = {}) -> Path:
    """A folder with the golden module under that name."""
    made = folder / name
    (made / "data").mkdir(parents=True)
    (made / "plugin.yaml").write_text(MANIFEST.format(id=name.replace("_", "-")))
    (made / "golden.wasm").write_bytes((CRATE / "golden.wasm").read_bytes())
    for path, body in files.items():
        (made / path).write_bytes(body["text"].encode() if "text" in body else b64decode(body["base64"]))
    return made


def with_json(answer: Any) -> Any:
    """The answer with a JSON body as JSON, without the time that only Python's plugin tells."""
    answer = copy.deepcopy(answer)
    if (
        isinstance(answer, dict)
        and ["content-type", "application/json"] in answer.get("headers", ())
        and "text" in (answer.get("body") or {})
    ):
        answer["body"] = {"json": json.loads(answer["body"]["text"])}
        if isinstance(answer["body"]["json"], dict):
            answer["body"]["json"].pop("now", None)
    return answer


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_HERE])
async def test_a_rust_plugin_answers_the_golden_cases(name: str, tmp_path: Path) -> None:
    document = golden(name)
    doors = {key: value for key, value in document["doors"].items() if key != "files"}
    async with Harness(placed(tmp_path, name, document["doors"].get("files", {}))) as trial:
        config = document["cases"][0]["in"]["config"] if document["cases"][0]["op"] == "plugin.init" else {}
        trial.setting = Setting(config, DoorsModel.model_validate({**doors, "clock": 1790000000}))
        wrong, logged, ran = [], [], 0
        for case in document["cases"]:
            if case["op"] == "plugin.init" or (name, case["name"]) in SKIPPED:
                continue
            outcome, ran = await trial.call(case["op"], case["in"]), ran + 1
            logged += [list(line) for line in outcome.log]
            keys = ("code", "retryable") if (name, case["name"]) in OWN_WORDS else ("code", "message", "retryable")
            told = {key: outcome.error[key] for key in keys} if outcome.error else None
            wanted = {key: case["error"][key] for key in keys} if "error" in case else None
            if told != wanted or not agrees(with_json(case.get("out")), with_json(outcome.answer)):
                differs = difference_lines(wanted or with_json(case.get("out")), told or with_json(outcome.answer))
                wrong.append("\n".join([case["name"], *differs]))
    assert not wrong, "\n".join(wrong)
    assert logged == document.get("logged", []) and ran > 0


async def test_functions_are_described_as_in_python(tmp_path: Path) -> None:
    async with Harness(placed(tmp_path, "plain")) as trial:
        described = {f["name"]: f for f in (await trial.call("describe")).answer["functions"]}
    for name in ("plain", "plates", "text_functions"):
        for function in golden(name)["describe"]["functions"]:
            if function["name"] in described:
                wanted = [{**p, "description": ""} for p in function["parameters"]]
                assert described[function["name"]] == {**function, "parameters": wanted}
    assert set(described) == {"initials", "join", "add", "count", "shout", "plate", "drawn"}


@pytest.mark.parametrize(
    ("path", "code", "message", "source"),
    [
        ("/error", "unavailable", "as asked", 'return Err(Error::new("as asked")'),
        ("/question-mark", "internal", "invalid digit found in string", '"x".parse::<i32>()?'),
        ("/door", "denied", "the secret 'none' is not granted to this plugin", 'secret("none")?'),
        ("/panic", "internal", "panicked: index out of bounds: the len is 0 but the index is 6", "[request.path.len()]"),
        ("/unwrap", "internal", "panicked: called `Option::unwrap()` on a `None` value", "None.unwrap()"),
    ],
)
async def test_a_failure_names_the_authors_file_and_line(tmp_path: Path, path: str, code: str, message: str, source: str) -> None:
    line = next(i for i, text in enumerate((CRATE / "src/lib.rs").read_text().splitlines(), 1) if source in text)
    async with Harness(placed(tmp_path, "failing")) as trial:
        outcome = await trial.call("response.generate", {"request": {"path": path}})
        assert outcome.error is not None
        assert (outcome.error["code"], outcome.error["message"]) == (code, message)
        assert (outcome.error["details"]["file"], outcome.error["details"]["line"]) == ("src/lib.rs", line)
        assert outcome.traceback == f"{message}\n    at src/lib.rs:{line}", "more than one line, so that logs and commands show it"
        assert (await trial.call("response.generate", {"request": {"path": "/fine"}})).error is None, "the next call is served"


async def test_a_configuration_of_the_wrong_type_is_told(tmp_path: Path) -> None:
    assert all((GOLDEN / f"{name}.json").exists() for name in NOT_HERE)
    assert {name for name, _ in (*SKIPPED, *OWN_WORDS)} <= set(NAMES)
