"""`mockforge plugin call` and `mockforge plugin test`, by the real console script."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockforge_asgi.cli.commands import mockforge
from mockforge_asgi.cli.trial import TrialOptions
from mockforge_asgi.events import Compiling
from tests.cli.test_commands import SCRIPT, run
from tests.support.plugin_packages import folder, minimal

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "examples" / "quickstart" / "plugins"
CODE = """\
from mockforge_plugin import function, log, secret

@function
def double(n: int):
    log.info("doubling")
    return 2 * n

@function
def tell():
    return secret("word")
"""
MORE = "permissions: {secrets: {names: [word]}}\nlimits: {cpu_ms: 5000, timeout_ms: 20000}"
CASES = """\
doors: {secrets: {word: hush}}
cases:
  - {name: it doubles, op: template.call, in: {function: double, args: [2], kwargs: {}}, out: 4}
  - {name: it adds, op: template.call, in: {function: double, args: [3], kwargs: {}}, out: 5}
  - {name: odd, op: nope, out: 5}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder(tmp_path, {"plugin.yaml": minimal("sums", MORE), "plugin.py": CODE}, name="sums")
    return tmp_path


def double(n: object) -> str:
    return json.dumps({"function": "double", "args": [n], "kwargs": {}})


def test_call_prints_the_answer_and_what_it_took(place: Path) -> None:
    done = run("plugin", "call", "sums", "template.call", double(2), cwd=place)
    assert (done.returncode, done.stdout) == (0, "4\n")
    said = [line for line in done.stderr.splitlines() if not line.startswith("compiling ")]
    assert said[0] == "info: doubling"
    slices = r"(within one slice|\d+\.\d\d ms computing in \d+ slices)"
    assert re.fullmatch(rf"template\.call: \d+\.\d\d ms in all, {slices}, at most 64 MiB of memory", said[1])


def test_compiling_is_announced_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial = TrialOptions(str(place / "sums")).open()
    for wall_s in (0, 2.0, 4.0):
        trial.events.emit(Compiling(what="sums", size_bytes=1 << 20, wall_s=wall_s))
    assert capsys.readouterr().err == "compiling sums (1.0 MiB): once, then it is in the cache\n"


def test_call_takes_its_document_from_a_file_or_standard_input(place: Path) -> None:
    (place / "in.json").write_text(double(21))
    assert run("plugin", "call", "sums", "template.call", "@in.json", cwd=place).stdout == "42\n"
    command = [str(SCRIPT), "plugin", "call", "sums", "template.call", "-"]
    done = subprocess.run(command, cwd=place, input=double(4), capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "8\n"


def test_call_gives_doors_and_configuration(place: Path) -> None:
    tell = '{"function": "tell", "args": [], "kwargs": {}}'
    done = run("plugin", "call", "sums", "template.call", tell, "--host-calls", '{"secrets": {"word": "hush"}}', cwd=place)
    assert (done.returncode, done.stdout) == (0, '"hush"\n')
    done = run("plugin", "call", "sums", "template.call", tell, cwd=place)
    assert done.returncode == 1
    assert (
        "the secret 'word' has no value; set it under `doors.secrets` of its cases, or `--host-calls '{\"secrets\": {…}}'`" in done.stderr
    )
    (place / "config.json").write_text("{}")
    assert run("plugin", "call", "sums", "template.call", double(1), "--config", "@config.json", cwd=place).returncode == 0


def test_nothing_printed_moves_the_terminals_cursor(place: Path) -> None:
    code = "from mockforge_plugin import function\n\n@function\ndef odd():\n    return '\\u009b2J \\u202e'\n"
    cases = "- {op: template.call, in: {function: odd}, out: 1}"
    folder(place, {"plugin.yaml": minimal("odd", MORE), "plugin.py": code, "cases.yaml": cases}, name="odd")
    called = run("plugin", "call", "odd", "template.call", '{"function": "odd"}', cwd=place)
    tested = run("plugin", "test", "odd", cwd=place)
    assert called.returncode == 0 and tested.returncode == 1
    for printed in (called.stdout, tested.stdout):
        assert "2J" in printed and not {"\u009b", "\u202e"} & set(printed)


def test_a_failure_shows_the_authors_own_lines(place: Path) -> None:
    done = run("plugin", "call", "sums", "template.call", double({}), cwd=place)
    assert done.returncode == 1 and done.stdout == ""
    assert 'File "plugin.py", line 6, in double' in done.stderr and "failed: TypeError" in done.stderr


def test_a_long_answer_takes_several_lines_and_a_compiled_guest_tells_its_memory(tmp_path: Path) -> None:
    call = '{"request": {"path": "/a/rather/long/path/to/a/greeting/of/somebody", "path_params": {"name": "Ada"}}}'
    done = run("plugin", "call", str(PLUGINS / "greet"), "response.generate", call, cwd=tmp_path)
    assert json.loads(done.stdout)["status"] == 200 and len(done.stdout.splitlines()) > 5
    assert re.search(r"response\.generate: .*, \d+\.\d MiB of memory\n$", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none", "template.call"), "none: is neither a folder nor a file. Check the path."),
        (("sums", "template.cal"), "'sums' does not implement it. It implements "),
        (("sums", "template.call", "{"), "the document is not JSON: "),
        (("sums", "template.call", "@none.json"), "the document cannot be read: @none.json: No such file or directory."),
        (("sums", "template.call", "@sums/latin"), "the document cannot be read: @sums/latin is not UTF-8 text"),
        (("sums", "template.call", "--config", "[]"), "--config must be an object, not a list."),
        (("sums", "template.call", "--config", '{"n": 1}'), "--config n: "),
        (("sums", "template.call", "--host-calls", '{"secrets": 1}'), "--host-calls secrets: must be a mapping"),
    ],
)
def test_bad_input_is_told_in_words(place: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str) -> None:
    (place / "sums" / "latin").write_bytes(b'{"a": "\xe9"}')
    monkeypatch.chdir(place)
    done = CliRunner().invoke(mockforge, ["plugin", "call", *arguments])
    assert done.exit_code == 1 and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_test_shows_each_case_and_how_those_that_fail_differ(place: Path) -> None:
    (place / "sums" / "cases.yaml").write_text(CASES)
    done = run("plugin", "test", "sums", cwd=place)
    assert done.returncode == 1
    lines = [re.sub(r"\d+\.\d\d ms", "N ms", line) for line in done.stdout.splitlines()]
    assert lines == [
        "ok    template.call  it doubles  (N ms)",
        "FAIL  template.call  it adds  (N ms)",
        "      sums/cases.yaml:4 cases[1]: out differs:",
        "      --- expected",
        "      +++ got",
        "      @@ -1 +1 @@",
        "      -5",
        "      +6",
        "      info: doubling",
        "FAIL  nope  odd",
        "      sums/cases.yaml:5 cases[2]: cannot be run:",
        f"      {lines[11].strip()}",
        "sums: 2 of 3 cases failed.",
    ]
    assert lines[11].strip().startswith("nope: 'sums' does not implement it.")


def test_test_shows_why_a_plugin_failed_once(place: Path) -> None:
    case = "doors: {secrets: {word: hush}}\ncases:\n- {name: text, op: template.call, in: {function: double, args: [{}]}, out: [4]}\n"
    (place / "sums" / "cases.yaml").write_text(case)
    done = run("plugin", "test", "sums", cwd=place)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "      sums/cases.yaml:3 cases[0]: it failed; expected:",
        "      [4]",
        "      failed: TypeError: unsupported operand type(s) for *: 'int' and 'dict' (internal)",
        "      Traceback (most recent call last):",
        '        File "plugin.py", line 6, in double',
        "          return 2 * n",
        "      TypeError: unsupported operand type(s) for *: 'int' and 'dict'",
        "      info: doubling",
        "sums: 1 of 1 cases failed.",
    ]


def test_test_without_cases_says_what_to_write(place: Path) -> None:
    done = run("plugin", "test", "sums", cwd=place)
    assert done.returncode == 1 and "sums: there is no cases.yaml and no cases.json." in done.stderr


@pytest.mark.parametrize("name", ["greet", "hello_auth", "names"])
def test_the_plugins_of_the_quickstart_pass_their_cases(name: str) -> None:
    done = run("plugin", "test", f"plugins/{name}", cwd=PLUGINS.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" cases passed.\n")


def test_test_runs_the_cases_that_are_asked_for(place: Path) -> None:
    (place / "sums" / "cases.yaml").write_text(CASES)
    done = run("plugin", "test", "sums", "-k", "DOUBLES", cwd=place)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "sums: 1 cases passed.")
    done = run("plugin", "test", "sums", "-k", "triples", cwd=place)
    assert done.returncode == 1 and "no case of sums has 'triples' in its name or operation." in done.stderr


def test_test_updates_what_was_expected_and_nothing_else(place: Path) -> None:
    file = place / "sums" / "cases.yaml"
    fails = "  - {name: text, op: template.call, in: {function: double, args: [{}]}, out: 1}\n"
    file.write_text(CASES.replace("  - {name: odd, op: nope, out: 5}\n", fails))
    done = run("plugin", "test", "sums", "--update", cwd=place)
    assert (done.returncode, done.stdout.splitlines()[-2:]) == (
        1,
        ["sums/cases.yaml: 1 expectations updated.", "sums: 1 of 3 cases failed."],
    )
    assert file.read_text() == CASES.replace("  - {name: odd, op: nope, out: 5}\n", fails).replace("out: 5}", "out: 6}")
    done = run("plugin", "test", "sums", "-k", "it ", "--update", cwd=place)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "sums: 2 cases passed.")


def test_test_watches_the_folder_until_it_is_ended(place: Path) -> None:
    one = CASES.partition("  - {name: it adds")[0]

    def save(name: str, text: str) -> None:
        """As editors do: whole, or not at all."""
        (place / name).write_text(text)
        (place / name).replace(place / "sums" / name)

    save("cases.yaml", one)
    command = [str(SCRIPT), "plugin", "test", "sums", "--watch"]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None

        def said() -> list[str]:
            lines: list[str] = []
            while not lines or not lines[-1].startswith("waiting for an edit"):
                lines.append(running.stdout.readline())  # type: ignore[union-attr]
                assert lines[-1], lines
            return [line.rstrip() for line in lines if not line.startswith("compiling ")]

        assert said()[-2] == "sums: 1 cases passed."
        save("cases.yaml", one.replace("out: 4", "out: 40"))
        assert said()[-2] == "sums: 1 of 1 cases failed."
        save("cases.yaml", "cases: [")
        assert any("cases.yaml cannot be read" in line for line in said())
        save("cases.yaml", one.replace("out: 4", "out: 40"))
        assert said()[-2] == "sums: 1 of 1 cases failed."
        save("plugin.py", CODE.replace("2 * n", "20 * n"))
        assert said()[-2] == "sums: 1 cases passed."
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
