"""The published list is what can be imported, all of it; the rest is a clean ImportError."""

from __future__ import annotations

import pytest
from wasmtime import WasmtimeError

from mockforge_plugin.sandbox.stdlib import HINTS, MODULES, offered, refusal
from tests.support.asking_plugin import PLUGIN, run
from tests.support.error_envelopes import GuestError
from tests.support.memory_host_calls import HostCalls
from tests.support.python_sandbox_harness import Sandbox


def test_every_published_module_can_be_imported(sandbox: Sandbox) -> None:
    lines = "\n".join(f"import {name}" for name in MODULES if name != "__future__")
    assert run(sandbox, f"{lines}\nr = {len(MODULES)}") == len(MODULES)


OUTSIDE = [*sorted(HINTS), "mockforge_plugin.login", "numpy", "ctypes", "_ctypes", "test", "zipimport", "mockforge_plugin.sandbox.app"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_anything_else_is_an_import_error_that_says_what_to_do(sandbox: Sandbox, name: str) -> None:
    instance = sandbox.load(PLUGIN)
    with pytest.raises(GuestError, match=f"the sandbox has no module '{name}") as failed:
        instance.call("template.call", {"function": "run", "args": [f"import {name}"], "kwargs": {}})
    assert failed.value.error["details"]["exception"] == "ModuleNotFoundError"
    assert failed.value.error["message"] == f"ModuleNotFoundError: {refusal(name)}" and len(refusal(name)) < 200
    assert instance.call("template.call", {"function": "run", "args": ["r = 1"], "kwargs": {}}) == 1


def test_parents_are_offered_with_their_modules() -> None:
    assert {"xml", "xml.etree", "xml.etree.ElementTree", "email"} <= offered()


def test_a_hint_leads_to_the_kit() -> None:
    assert "from mockforge_plugin import http" in refusal("requests.adapters")


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (
            "from zoneinfo import ZoneInfo as Z\nfrom datetime import datetime as D\nr = D(2024, 7, 1, tzinfo=Z('Asia/Tokyo')).isoformat()",
            "2024-07-01T00:00:00+09:00",
        ),
        ("import json\nr = json.loads('[' * 900 + ']' * 900) is not None", True),
        ("r = ['ä'.encode(name).hex() for name in ('latin-1', 'cp1252', 'utf-16-le', 'idna')]", ["e4", "e4", "e400", "786e2d2d346361"]),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\nr = A().x", 1),
        ("import xml.etree.ElementTree as E; r = E.tostring(E.fromstring('<a>ü</a>'), 'unicode')", "<a>ü</a>"),
    ],
)
def test_modules_work_to_their_ends(sandbox: Sandbox, code: str, value: object) -> None:
    assert run(sandbox, code) == value


SWEEP = """
import sys
module, skipped = sys.modules[NAME], {"setrecursionlimit", "exit"}
ARGUMENTS = [(), ("x",), ("x", "x"), ("a b", "x", "exec"), (1,), (b"x",), (1, 1), ("x", 1), (1.5,), (None,), ([],), (open,), ("/x", "rb")]
ARGUMENTS += [("time",)]
count = 0
for name in sorted(dir(module)):
    found = getattr(module, name, None)
    if not callable(found) or name in skipped or name.startswith("_set"):
        continue
    every = [(name, found)]
    if isinstance(found, type):
        shown = {"__init__", "__enter__", "__fspath__", "__repr__"}
        every += [(f"{name}.{sub}", getattr(found, sub, None)) for sub in sorted(vars(found)) if sub in shown or not sub.startswith("__")]
    for label, function in every:
        if callable(function):
            print(label)
            for arguments in ARGUMENTS:
                count += 1
                try:
                    made = function(*arguments)
                    if hasattr(made, "__next__"):
                        list(zip(range(5), made))
                except BaseException:
                    pass
r = count
"""


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__future__"])
def test_whatever_a_published_module_is_asked_the_instance_lives_on(sandbox: Sandbox, name: str) -> None:
    """Every function, class and method of the module, with arguments of many kinds: an answer or an exception, never a trap."""
    doors = HostCalls()
    try:
        assert run(sandbox, SWEEP.replace("NAME", repr(name)), doors) >= 0
    except WasmtimeError as trap:
        raise AssertionError(f"{name}.{doors.logged[-1][1]} ended the instance") from trap
