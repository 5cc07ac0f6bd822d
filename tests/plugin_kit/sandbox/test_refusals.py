"""What cannot be done is refused in words, and the instance lives on."""

from __future__ import annotations

import pytest

from tests.support.asking_plugin import PLUGIN, run
from tests.support.error_envelopes import GuestError
from tests.support.python_sandbox_harness import Sandbox


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
        ("import io; io.FileIO('a')", "open is not possible"),
        ("import io; io.FileIO(1, 'w')", "open is not possible"),
        ("open(0)", "open is not possible"),
        ("import io; io.open_code('/a')", "open is not possible"),
        ("import io, sys; sys.modules['tokenize'].open('a')", "open is not possible"),
        ("import sys; sys.modules['socket'].gethostbyname('a')", "socket.gethostbyname is not possible in the sandbox; for HTTP use"),
        ("import gzip; gzip.open('a')", "open is not possible"),
        ("import pathlib; list(pathlib.Path('a').iterdir())", "os.scandir is not possible"),
    ],
)
def test_reaching_outside_is_a_permission_error(sandbox: Sandbox, code: str, words: str) -> None:
    instance = sandbox.load(PLUGIN)
    with pytest.raises(GuestError, match=words) as failed:
        instance.call("template.call", {"function": "run", "args": [code], "kwargs": {}})
    assert failed.value.error["details"]["exception"] == "PermissionError"
    assert instance.call("template.call", {"function": "run", "args": ["r = 1"], "kwargs": {}}) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("exec('a b')", "SyntaxError: invalid syntax"),
        ("compile('return', 'plugin.py', 'exec')", "SyntaxError: 'return' outside function"),
        ("compile('x =', '/etc/passwd', 'exec')", "SyntaxError"),
        ("import sys; sys.modules['ast'].parse('def f(:')", "SyntaxError"),
        ("import timeit; timeit.timeit('a b')", "SyntaxError"),
    ],
)
def test_wrong_source_text_is_a_syntax_error(sandbox: Sandbox, code: str, words: str) -> None:
    instance = sandbox.load(PLUGIN)
    with pytest.raises(GuestError, match=words):
        instance.call("template.call", {"function": "run", "args": [code], "kwargs": {}})
    shown = f"import traceback\ntry:\n    {code}\nexcept SyntaxError:\n    traceback.print_exc(); r = traceback.format_exc()"
    assert "SyntaxError" in str(instance.call("template.call", {"function": "run", "args": [shown], "kwargs": {}}))


def test_the_recursion_limit_stays_within_the_guests_stack(sandbox: Sandbox) -> None:
    instance = sandbox.load(PLUGIN)
    code = "import sys; sys.setrecursionlimit(10**6)\ndef down(n): return down(n + 1)\ndown(0)"
    with pytest.raises(GuestError, match="RecursionError"):
        instance.call("template.call", {"function": "run", "args": [code], "kwargs": {}})
    code = "import sys; sys.setrecursionlimit(700); r = sys.getrecursionlimit()"
    assert instance.call("template.call", {"function": "run", "args": [code], "kwargs": {}}) == 700


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("import io; r = isinstance(io.StringIO(), io.FileIO)", False),
        ("import email.utils; r = email.utils.make_msgid().endswith('@localhost>')", True),
        ("import linecache; r = linecache.getlines('/etc/passwd')", []),
        (
            "import os; p = os.path; r = [p.join('a', 'b'), p.normpath('a/../b'), p.exists('/e'), os.sep, os.getpid(), dict(os.environ)]",
            ["a/b", "b", False, "/", 1, {}],
        ),
        ("import pathlib; r = pathlib.PurePosixPath('a/b.txt').suffix", ".txt"),
    ],
)
def test_what_needs_no_system_works(sandbox: Sandbox, code: str, value: object) -> None:
    assert run(sandbox, code) == value
