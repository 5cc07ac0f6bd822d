"""A login or session that does not go on."""

from __future__ import annotations

from mockforge_plugin.failure import PluginError


class LoginFailed(PluginError):
    """A login that cannot go on; `reason` is for the person at the browser, and has nothing of the request in it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason, code="denied")
