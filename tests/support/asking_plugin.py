"""A plugin that runs what a test says, inside the sandbox."""

from __future__ import annotations

from typing import Any

from tests.support.memory_host_calls import HostCalls
from tests.support.python_sandbox_harness import Sandbox

PLUGIN = """
from mockforge_plugin import function

@function
def run(text):
    names = {"__builtins__": __builtins__}
    exec(text, names)
    return names.get("r")
"""


def run(sandbox: Sandbox, text: str, doors: HostCalls | None = None) -> Any:
    """The value that the code leaves in `r`. Raises: GuestError."""
    return sandbox.load(PLUGIN, doors).call("template.call", {"function": "run", "args": [text], "kwargs": {}})
