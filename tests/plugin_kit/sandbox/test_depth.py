"""JSON that is nested too deeply is a RecursionError, as elsewhere in Python, and never the end of the instance."""

from __future__ import annotations

import pytest

from mockforge_plugin.sandbox.depth import MAX_DEPTH, is_too_deep
from tests.support.asking_plugin import run
from tests.support.error_envelopes import GuestError
from tests.support.python_sandbox_harness import Sandbox


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        ("[" * MAX_DEPTH, False),
        ("[" * (MAX_DEPTH + 1), True),
        ('{"a":' * (MAX_DEPTH + 1), True),
        ("[]" * 5000, False),
        ('"' + "[" * 5000 + '"', False),
        ('["\\"' + "[" * 5000 + '"]', False),
        ('"' + "[" * 5000, True),
    ],
)
def test_depth_counts_brackets_outside_strings(text: str, deep: bool) -> None:
    assert is_too_deep(text) is deep


@pytest.mark.parametrize("text", ["'[' * 100_000", "'{\"a\":' * 100_000", "'[' * 100_000 + ']' * 100_000"])
def test_a_deep_text_is_refused(sandbox: Sandbox, text: str) -> None:
    with pytest.raises(GuestError, match="nested deeper"):
        run(sandbox, f"import json; json.loads({text})")
