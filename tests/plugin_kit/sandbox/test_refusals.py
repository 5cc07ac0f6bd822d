"""What cannot be done is refused in words, and the instance lives on."""

from __future__ import annotations

import pytest

from tests.plugin_kit.errors import GuestError
from tests.plugin_kit.sandbox.asking import PLUGIN, run
from tests.plugin_kit.sandbox_harness import Sandbox


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("open('/etc/passwd')", "open is not possible in the sandbox; read the plugin's own files with `resource"),
        ("import io; io.open('a')", "open is not possible"),
        ("import os; os.listdir('.')", "os.listdir is not possible"),
        ("import os; os.getcwd()", "os.getcwd is not possible"),
        ("import os; os.open('a', 0)", "os.open is not possible"),
        ("import pathlib; pathlib.Path('a').read_text()", "open is not possible"),
        ("input()", "no terminal"),
        ("breakpoint()", "natively"),
        ("import os; os._exit(1)", "os._exit is not possible"),
        ("import os; os.abort()", "os.abort is not possible"),
        ("import pathlib; pathlib.Path('a').mkdir()", "os.mkdir is not possible"),
        ("import io; io.FileIO('a')", "not possible"),
    ],
)
def test_reaching_outside_is_a_permission_error(sandbox: Sandbox, code: str, words: str) -> None:
    instance = sandbox.load(PLUGIN)
    with pytest.raises(GuestError, match=words) as failed:
        instance.call("template.call", {"function": "run", "args": [code], "kwargs": {}})
    assert failed.value.error["details"]["exception"] == "PermissionError"
    assert instance.call("template.call", {"function": "run", "args": ["r = 1"], "kwargs": {}}) == 1


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (
            "import os; p = os.path; r = [p.join('a', 'b'), p.normpath('a/../b'), p.exists('/e'), os.sep, os.getpid(), dict(os.environ)]",
            ["a/b", "b", False, "/", 1, {}],
        ),
        ("import pathlib; r = pathlib.PurePosixPath('a/b.txt').suffix", ".txt"),
    ],
)
def test_what_needs_no_system_works(sandbox: Sandbox, code: str, value: object) -> None:
    assert run(sandbox, code) == value
