"""What a plugin prints and logs reaches the host's log."""

from __future__ import annotations

import pytest

from mockforge_plugin.sandbox.output import MAX_LINE, LogStream
from tests.support.asking_plugin import run
from tests.support.memory_host_calls import HostCalls
from tests.support.python_sandbox_harness import Sandbox


def logged(sandbox: Sandbox, code: str) -> list[tuple[str, str]]:
    """The lines that the code leaves in the log."""
    doors = HostCalls()
    run(sandbox, code, doors)
    return doors.logged


def test_printed_lines_are_log_lines(sandbox: Sandbox) -> None:
    assert logged(sandbox, "print('a', 'ü'); print('b\\nc', end='')") == [("info", "a ü"), ("info", "b"), ("info", "c")]


def test_the_error_stream_is_a_warning(sandbox: Sandbox) -> None:
    assert logged(sandbox, "import sys; sys.stderr.write('odd')") == [("warning", "odd")]


def test_the_standard_logging_works(sandbox: Sandbox) -> None:
    assert logged(sandbox, "import logging; logging.getLogger('x').warning('n=%s', 1); logging.info('quiet')") == [("warning", "n=1")]


def test_a_failed_call_sends_what_it_printed(sandbox: Sandbox) -> None:
    doors = HostCalls()
    try:
        run(sandbox, "print('before', end=''); raise ValueError", doors)
    except Exception:
        assert doors.logged == [("info", "before")]
    else:
        raise AssertionError("the call must fail")


def test_a_long_line_is_told_in_pieces(sandbox: Sandbox) -> None:
    code = f"for _ in range(100): print('x' * {MAX_LINE // 50 + 1}, end='')\nprint('y' * 6_000_000)"
    lines = [line for _, line in logged(sandbox, code)]
    assert max(map(len, lines)) == MAX_LINE
    assert "".join(lines) == "x" * 100 * (MAX_LINE // 50 + 1) + "y" * 6_000_000


def test_lone_surrogates_are_shown_and_do_not_fail_the_call(sandbox: Sandbox) -> None:
    assert logged(sandbox, "print('a\\ud83d')") == [("info", "a\\ud83d")]


@pytest.mark.parametrize("size", [0, 1, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 2 * MAX_LINE])
def test_lines_of_every_length_come_whole(size: int) -> None:
    told: list[str] = []
    stream = LogStream("info", lambda level, line: told.append(line))
    stream.write("a" * size + "\nb")
    stream.end()
    assert "".join(told) == "a" * size + "b" and told[-1] == "b" and len(told) == max(2, -(-size // MAX_LINE) + 1)


def test_the_kits_log_has_levels(sandbox: Sandbox) -> None:
    code = "from mockforge_plugin import log; log.debug(1); log.info('i'); log.warning('w'); log.error('e')"
    assert logged(sandbox, code) == [("debug", "1"), ("info", "i"), ("warning", "w"), ("error", "e")]
