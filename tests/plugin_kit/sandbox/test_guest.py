"""The component's exports: loading, calling, failing, state, what can be awaited, what survives."""

from __future__ import annotations

import pytest

from tests.support.error_envelopes import GuestError
from tests.support.memory_host_calls import HostCalls
from tests.support.python_sandbox_harness import Instance, Sandbox

COUNTER = """
import random
from mockforge_plugin import TemplatePlugin, function

class Counter(TemplatePlugin):
    seen = 0
    @function
    def up(self):
        self.seen += 1
        return self.seen
    @function
    def drawn(self):
        return random.random()
    @function
    def down(self, n=0):
        return self.down(n + 1)
    @function
    def sorted_down(self, n=0):
        return sorted([1], key=lambda _: self.sorted_down(n + 1))
    @function
    def fill(self, size):
        return len(bytearray(size))
    @function
    def leave(self):
        raise SystemExit(1)
    @function
    def hashed(self):
        return hash("mockforge")
"""

AWAITS = """
from mockforge_plugin import kv, function

class Never:
    def __await__(self):
        yield "a future of some event loop"

async def inner():
    return await kv.incr("n")

@function
async def good():
    return [await inner(), await kv.incr("n")]

@function
async def bad():
    await Never()

@function
async def stubborn():
    while True:
        try:
            await Never()
        except Exception:
            pass
"""


def call(instance: Instance, name: str, *args: object) -> object:
    """A template function's value."""
    return instance.call("template.call", {"function": name, "args": list(args), "kwargs": {}})


def test_state_lives_in_the_instance_and_not_beside_it(sandbox: Sandbox) -> None:
    one, other = sandbox.load(COUNTER), sandbox.load(COUNTER)
    assert [call(one, "up"), call(one, "up"), call(other, "up")] == [1, 2, 1]


def test_the_seed_decides_what_random_gives(sandbox: Sandbox) -> None:
    drawn = [call(sandbox.load(COUNTER, seed=seed), "drawn") for seed in ("00" * 32, "00" * 32, "01" * 32)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(("function", "words"), [("down", "RecursionError"), ("leave", "SystemExit")])
def test_an_instance_survives_a_failing_call(sandbox: Sandbox, function: str, words: str) -> None:
    instance = sandbox.load(COUNTER)
    with pytest.raises(GuestError, match=words) as failed:
        call(instance, function)
    assert 'File "plugin.py", line' in failed.value.error["details"]["traceback"]
    assert call(instance, "up") == 1


def test_recursion_through_built_in_functions_ends_as_in_python(sandbox: Sandbox) -> None:
    instance = sandbox.load(COUNTER)
    with pytest.raises(GuestError, match="RecursionError"):
        call(instance, "sorted_down")
    assert call(instance, "up") == 1


def test_memory_that_cannot_be_had_is_a_memory_error(sandbox: Sandbox) -> None:
    instance = sandbox.load(COUNTER)
    with pytest.raises(GuestError, match="MemoryError"):
        call(instance, "fill", 200_000_000)
    assert call(instance, "fill", 1000) == 1000


def test_kit_calls_and_own_coroutines_can_be_awaited(sandbox: Sandbox) -> None:
    assert call(sandbox.load(AWAITS), "good") == [1, 2]


@pytest.mark.parametrize("name", ["bad", "stubborn"])
def test_awaiting_anything_else_is_refused_in_words(sandbox: Sandbox, name: str) -> None:
    instance = sandbox.load(AWAITS)
    with pytest.raises(GuestError, match="cannot await this") as failed:
        call(instance, name)
    assert failed.value.error["code"] == "unsupported_op"
    assert call(instance, "good") == [1, 2]


def test_the_place_of_a_refused_await_is_told(sandbox: Sandbox) -> None:
    with pytest.raises(GuestError) as failed:
        call(sandbox.load(AWAITS), "bad")
    assert "line 17, in bad\n    await Never()" in failed.value.error["details"]["traceback"]


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("x = 1\ndef broken(:\n    pass\n", "SyntaxError", 2),
        ("import json\n\nraise ValueError('no')\n", "ValueError: no", 3),
        ("x = 1\n", "no plugin here", None),
    ],
)
def test_code_that_cannot_be_loaded_names_its_line(sandbox: Sandbox, source: str, message: str, line: int | None) -> None:
    with pytest.raises(GuestError, match=message) as failed:
        sandbox.load(source)
    assert failed.value.error["details"].get("line") == line
    assert "libpython" not in str(failed.value.error) and "mockforge_plugin/" not in failed.value.error["details"]["traceback"]


def test_authors_files_may_have_names_of_the_standard_library(sandbox: Sandbox) -> None:
    files = dict.fromkeys(("types.py", "json.py", "copyreg.py", "linecache.py", "warnings.py", "_strptime.py"), "mine = 1")
    source = """
import copy, datetime, types, json, warnings, linecache, copyreg, _strptime, sys
from mockforge_plugin import function

@function
def all_mine():
    assert sys.modules["json"].dumps(1) == "1"
    day = datetime.datetime.strptime("2024-02-29", "%Y-%m-%d")
    return [types.mine, json.mine, warnings.mine, linecache.mine, copyreg.mine, _strptime.mine, copy.deepcopy(day).day, __name__]

@function
def fails():
    raise KeyError("x")
"""
    instance = sandbox.load({**files, "plugin.py": source})
    assert call(instance, "all_mine") == [1, 1, 1, 1, 1, 1, 29, "plugin_files.plugin"]
    with pytest.raises(GuestError) as failed:
        call(instance, "fails")
    assert failed.value.error["details"]["source"] == 'raise KeyError("x")'


def test_a_folder_without_init_is_a_package(sandbox: Sandbox) -> None:
    source = "import rules.known\nfrom mockforge_plugin import function\n@function\ndef f():\n    return rules.known.value\n"
    assert call(sandbox.load({"plugin.py": source, "rules/known.py": "value = 7"}), "f") == 7


def test_a_doubtful_escape_is_a_warning_with_its_line(sandbox: Sandbox) -> None:
    doors = HostCalls()
    sandbox.load("from mockforge_plugin import function\nodd = '\\d'\n@function\ndef f(): pass\n", doors)
    assert [level for level, _ in doors.logged] == ["warning", "warning"]
    assert doors.logged[0][1].startswith('plugin.py:2: SyntaxWarning: "\\d" is an invalid escape sequence')


@pytest.mark.parametrize(
    "error",
    ["class E(BaseException):\n    def __str__(self): raise SystemExit",
     "class E(Exception):\n    def __str__(self): raise KeyboardInterrupt",
     "class E(SyntaxError):\n    filename = []", "class E(Exception):\n    def __str__(self): return 5"],
)  # fmt: skip
def test_an_exception_that_cannot_be_told_leaves_the_instance_whole(sandbox: Sandbox, error: str) -> None:
    instance = sandbox.load(f"from mockforge_plugin import function\n{error}\n@function\ndef f(): raise E\n@function\ndef g(): return 1\n")
    with pytest.raises(GuestError, match="E"):
        call(instance, "f")
    assert call(instance, "g") == 1


def test_nothing_loaded_is_said(sandbox: Sandbox) -> None:
    with pytest.raises(GuestError, match="nothing is loaded"):
        sandbox.instance().call("plugin.health", {})


def test_host_answers_that_are_errors_reach_the_author(sandbox: Sandbox) -> None:
    source = "from mockforge_plugin import HostError, secret\ndef generate(request):\n    return secret('a')\n"
    with pytest.raises(GuestError) as failed:
        sandbox.load(source, HostCalls()).call("response.generate", {"request": {"method": "GET", "path": "/", "headers": []}})
    assert (failed.value.error["code"], failed.value.error["details"]["line"]) == ("denied", 3)


def test_the_component_imports_the_doors_and_nothing_else(sandbox: Sandbox) -> None:
    imports = sandbox.component.type.imports(sandbox.engine)
    assert set(imports) == {"mockforge:plugin/host@0.1.0"}


def test_an_answer_that_holds_itself_is_an_error_and_ends_nothing(sandbox: Sandbox) -> None:
    source = (
        "from mockforge_plugin import function\n@function\ndef cycle(again):\n a = {'a': [again]}\n a['b'] = a if again else 1\n return a"
    )
    instance = sandbox.load(source)
    with pytest.raises(GuestError, match="nested too deeply") as failed:
        call(instance, "cycle", True)
    assert failed.value.error["details"]["source"] == "def cycle(again):"
    assert call(instance, "cycle", False) == {"a": [False], "b": 1}
