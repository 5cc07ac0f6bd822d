"""The golden cases in TypeScript, in the product's host: the same answers, errors with the author's file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.golden import typescript
from tests.golden.production import Production, ProductionInstance
from tests.support.error_envelopes import GuestError
from tests.support.golden_cases import NAMES, doors_of, expected, golden, replay
from tests.support.memory_host_calls import HostCalls

PYTHON_ALONE = {"stdlib_tour"}
"""Golden files that are about Python: its standard library."""

OWN_WORDS = ("exception", "traceback", "file", "line", "source")
"""Details of an error that name the author's code."""


def instance(production: Production, component: Path, name: str) -> ProductionInstance:
    """A fresh instance that is the plugin of that name."""
    made = production.component(component, doors_of(golden(name)["doors"]))
    made.call("golden.use", name)
    return made


def bare(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what names the author's code."""
    if "error" not in answer:
        return answer
    error = answer["error"]
    return {**answer, "error": {**error, "details": {k: v for k, v in error["details"].items() if k not in OWN_WORDS}}}


def wanted(name: str) -> list[dict[str, Any]]:
    """What TypeScript answers: as the golden file says, but for the words that differ."""
    differs = typescript.differing()
    found = []
    for answer in map(bare, expected(golden(name))):
        own = differs.get(f"{name}: {answer['name']}", {})
        if "out" in own:
            answer = {**answer, "out": own["out"]}
        if "message" in own:
            answer = {**answer, "error": {**answer["error"], "message": own["message"]}}
        found.append(answer)
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PYTHON_ALONE])
def test_a_plugin_answers_its_golden_cases(production: Production, typescript_component: Path, name: str) -> None:
    document, made = golden(name), instance(production, typescript_component, name)
    assert made.describe() == {**document["describe"], "kit": "typescript 0.1.0"}
    answers = replay(made, document)
    assert [bare(answer) for answer in answers] == wanted(name)
    assert [list(line) for line in made.doors.logged] == document.get("logged", [])
    pairs = zip(document["cases"], answers, strict=True)
    placed = {case["name"]: answer["error"]["details"] for case, answer in pairs if "line" in case.get("error", {}).get("details", {})}
    placed.pop("generate /exit", None)  # a number, not an Error, is thrown there: it has no place
    for details in placed.values():
        lines = (typescript.KIT / "golden" / details["file"]).read_text().splitlines()
        assert lines[details["line"] - 1].strip() == details["source"]
        assert (
            f"{details['file']}:{details['line']})" in details["traceback"]
            or f"at {details['file']}:{details['line']}" in details["traceback"]
        )


def test_every_difference_is_of_a_case_that_there_is() -> None:
    cases = {f"{name}: {case['name']}" for name in NAMES for case in golden(name)["cases"]}
    assert set(typescript.differing()) <= cases
    assert all(own["why"] for own in typescript.differing().values())


def test_what_fails_names_the_innermost_line_of_the_author(production: Production, typescript_component: Path) -> None:
    made = instance(production, typescript_component, "failing")
    case = next(c for c in golden("failing")["cases"] if c["name"] == "generate /chain")
    with pytest.raises(GuestError) as failed:
        made.call(case["op"], case["in"])
    text = failed.value.error["details"]["traceback"]
    assert failed.value.error["details"]["source"].startswith("throw new RuntimeError("), "not a line of its constructor"
    assert "caused by: TypeError: not a function\n    at check" in text
    assert "failing/rules.ts:3)\n        return known[path]!();" in text
    assert "node_modules" not in text and "src/" not in text


def test_a_promise_that_nobody_settles_is_the_authors_error(production: Production, typescript_component: Path) -> None:
    made = instance(production, typescript_component, "failing")
    case = next(c for c in golden("failing")["cases"] if c["name"] == "generate /code")
    request = {**case["in"]["request"], "path": "/deep"}
    with pytest.raises(GuestError, match="waits for something that never comes") as failed:
        made.call(case["op"], {**case["in"], "request": request})
    assert failed.value.error["code"] == "unsupported_op"
    with pytest.raises(GuestError, match="come back later"):
        made.call(case["op"], case["in"])


ENVIRONMENT = """
import { fn, plugin } from "mockforge-plugin";

const seen: unknown[] = [];
const tell = (returns: "any", call: (...args: any[]) => unknown) => fn({ returns, call });

export default plugin({
  functions: {
    chance: tell("any", () => [Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(4))]]),
    clock: tell("any", () => [new Date().toISOString(), Date.now(), performance.now(), typeof Date(), new Date(0).getHours(),
      new Date() instanceof Date]),
    text: tell("any", () => new TextDecoder().decode(new TextEncoder().encode("grün 李 🙂"))),
    printed: tell("any", () => { console.log("plain", 1, { a: [2] }); console.error(new TypeError("odd")); }),
    timers: tell("any", async () => {
      setTimeout(() => seen.push("late"), 30);
      setTimeout(() => seen.push("early"), 10);
      clearTimeout(setTimeout(() => seen.push("never"), 20));
      queueMicrotask(() => seen.push("job"));
      await new Promise((resolve) => setTimeout(resolve, 40));
      for await (const part of (async function* () { yield "a"; yield "b"; })()) seen.push(part);
      return [seen, await Promise.allSettled([Promise.reject(new Error("no")), 1]).then((all) => all.map((one) => one.status))];
    }),
    deep: tell("any", function down(): unknown { return [down()]; }),
    large: tell("any", () => { const kept = []; for (;;) kept.push(new Uint8Array(100_000).fill(kept.length)); }),
    fine: tell("any", () => 1),
    circle: tell("any", () => { const made: any = {}; made.self = made; return made; }),
  },
});
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin that uses what the kit puts in place."""
    folder = tmp_path_factory.mktemp("environment")
    (folder / "plugin.ts").write_text(ENVIRONMENT)
    done = typescript.built(folder, folder / "plugin.wasm")
    assert done.returncode == 0, done.stderr
    return folder / "plugin.wasm"


def called(made: ProductionInstance, function: str) -> Any:
    """A template function without arguments."""
    return made.call("template.call", {"function": function, "args": [], "kwargs": {}})


def test_clock_chance_timers_and_console_are_the_hosts(production: Production, environment: Path) -> None:
    doors = HostCalls()
    made = production.component(environment, doors)
    chance, uuid, _ = called(made, "chance")
    assert 0 <= chance < 1 and doors.asked == ["random.bytes"] * 3
    assert (uuid[14], len(uuid)) == ("4", 36) and called(made, "chance") != [chance, uuid, _]
    assert called(made, "clock") == ["2026-09-21T14:13:20.123Z", 1_790_000_000_123, 5000, "string", 0, True]
    assert called(made, "text") == "grün 李 🙂"
    assert called(made, "printed") is None
    assert doors.logged == [("info", 'plain 1 {"a":[2]}'), ("error", "TypeError: odd")]
    assert called(made, "timers") == [["job", "early", "late", "a", "b"], ["rejected", "fulfilled"]]
    assert doors.slept_ns == [10_000_000, 20_000_000, 10_000_000]


def test_too_much_memory_is_an_error_and_the_instance_lives_on(production: Production, environment: Path) -> None:
    made = production.component(environment)
    with pytest.raises(GuestError, match="out of memory"):
        called(made, "large")
    assert called(made, "fine") == 1


def test_endless_recursion_ends_the_call_in_words(production: Production, environment: Path) -> None:
    with pytest.raises(GuestError, match="recursed too deeply"):
        called(production.component(environment), "deep")


def test_what_only_the_engine_refuses_names_the_method_whose_answer_it_is(production: Production, environment: Path) -> None:
    with pytest.raises(GuestError, match="TypeError: circular reference") as failed:
        called(production.component(environment), "circle")
    details = failed.value.error["details"]
    line = ENVIRONMENT.splitlines().index(details["source"].rjust(len(details["source"]) + 4)) + 1
    assert (details["file"], details["line"]) == ("plugin.ts", line)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import { plugin } from 'mockforge-plugin';\n\nconst x: number = ;\nexport default plugin({});\n", "plugin.ts:3:"),
        ("import { plugin } from 'mockforge-plugin';\n\nnull!.x;\nexport default plugin({});\n", "(plugin.ts:3)"),
        (
            "import { plugin } from 'mockforge-plugin';\nconst at = Date.now();\nexport default plugin({});\n",
            "move it from module level into a method",
        ),
        ("import fs from 'node:fs';\nexport default fs;\n", "plugin.ts:1:"),
        ("import { plugin } from 'mockforge-plugin';\nawait null;\nexport default plugin({});\n", "plugin.ts:2:"),
        ("export const x = 1;\n", 'No matching export in "plugin.ts" for import "default"'),
        ("export default class Plugin {}\n", "the default export of plugin.ts is not a plugin({ ... })"),
    ],
    ids=["syntax", "thrown", "door", "node", "await", "default", "class"],
)
def test_what_cannot_be_built_is_told_with_its_line(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "plugin.ts").write_text(source)
    done = typescript.built(tmp_path, tmp_path / "plugin.wasm")
    assert done.returncode == 1
    assert words in done.stderr
    assert "plugin.ts" in done.stderr
    assert not (tmp_path / "plugin.wasm").exists()
