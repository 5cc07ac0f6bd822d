"""What an error says."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import PluginFailed

FRAMES = 'Traceback (most recent call last):\n  File "plugin.py", line 7, in init\nPluginError: no'


@pytest.mark.parametrize(
    ("code", "traceback", "shown"),
    [("internal", FRAMES, f"\n{FRAMES}"), ("internal", "PluginError: no", ""), ("invalid_config", FRAMES, "")],
    ids=["frames", "one line", "the configuration"],
)
def test_a_failure_shows_the_frames_of_code_and_not_those_of_a_wrong_configuration(code: str, traceback: str, shown: str) -> None:
    failed = PluginFailed("p", "plugin.init", "no", code=code, author_traceback=traceback)
    assert str(failed) == f"plugin 'p' failed in plugin.init: no{shown}"
    assert failed.author_traceback == traceback
