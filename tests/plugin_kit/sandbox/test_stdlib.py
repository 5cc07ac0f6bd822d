"""The published list is what can be imported, all of it; the rest is a clean ImportError."""

from __future__ import annotations

import pytest

from mockforge_plugin.sandbox.stdlib import HINTS, MODULES, offered, refusal
from tests.plugin_kit.errors import GuestError
from tests.plugin_kit.sandbox.asking import PLUGIN, run
from tests.plugin_kit.sandbox_harness import Sandbox


def test_every_published_module_can_be_imported(sandbox: Sandbox) -> None:
    lines = "\n".join(f"import {name}" for name in MODULES if name != "__future__")
    assert run(sandbox, f"{lines}\nr = {len(MODULES)}") == len(MODULES)


OUTSIDE = [*sorted(HINTS), "numpy", "ctypes", "_ctypes", "test", "zipimport", "mockforge_plugin.sandbox.app"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_anything_else_is_an_import_error_that_says_what_to_do(sandbox: Sandbox, name: str) -> None:
    instance = sandbox.load(PLUGIN)
    with pytest.raises(GuestError, match=f"the sandbox has no module '{name}") as failed:
        instance.call("template.call", {"function": "run", "args": [f"import {name}"], "kwargs": {}})
    assert failed.value.error["details"]["exception"] == "ModuleNotFoundError"
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
