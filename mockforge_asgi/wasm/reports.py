"""What a guest says at the end of a call, read: an answer, the failure that it reports, the words it left before it gave up.

The same for every kind of guest; how the text is fetched is the affair of `extism/guest.py` and `component/guest.py`.
"""

from __future__ import annotations

from mockforge_asgi.bounded_json import RESULT, BadJson, parse
from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import plugin_failure
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.text import escape
from mockforge_asgi.wasm.fiber import Fiber


def reported(fiber: Fiber, text: bytes) -> PluginFailed:
    """The failure a guest reports in its error arm; text that is no envelope becomes the message."""
    try:
        return plugin_failure(fiber.plugin, fiber.op, parse(text, RESULT))
    except (KeyError, TypeError, AttributeError, ValueError):
        return PluginFailed(fiber.plugin, fiber.op, escape(text[:8000].decode(errors="replace")[:2000]) or "no reason given")


def trapped(fiber: Fiber, failed: PluginFailed, said: bytes | None) -> PluginFailed:
    """A trap told in the words that the guest left before it gave up, if it left any."""
    if said is None or "unreachable" not in failed.message:
        return failed
    told = reported(fiber, said)
    traceback, details = told.author_traceback, told.details
    return type(failed)(fiber.plugin, fiber.op, told.message, code=told.code, details=details, author_traceback=traceback)


def answer_json(fiber: Fiber, text: bytes) -> Json:
    """A guest's answer as data. Raises PluginFailed."""
    try:
        return parse(text, RESULT)
    except BadJson as error:
        raise unreadable(fiber, error) from None


def unreadable(fiber: Fiber, error: BadJson) -> PluginFailed:
    """The failure of a guest whose answer is no JSON that is accepted."""
    return PluginFailed(fiber.plugin, fiber.op, f"its answer is {error}", code="invalid_output")
