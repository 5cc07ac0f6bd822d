"""The challenge of a 401, its `WWW-Authenticate`: merged from what the plugins of a rule want, where the one that refused names none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mockforge_asgi.plugins.plugin import Plugin

DEFAULT_CHALLENGE: Final = "Bearer"
"""The challenge of a 401 whose plugin named none: every 401 must carry one (RFC 9110 §15.5.2)."""
OTHER_CHALLENGE: Final = "Custom"
"""The same where credentials are not in `Authorization`: a scheme that no client takes for one it knows."""


def merged_challenge(plugins: Iterable[Plugin]) -> str:
    """One challenge for all of those plugins, each of theirs once (RFC 9110 §11.6.1)."""
    return ", ".join(dict.fromkeys(map(_challenge, plugins)))


def _challenge(plugin: Plugin) -> str:
    """What the plugin says that it wants; otherwise `Bearer` if it may read the header that a client would answer it with."""
    said, headers = plugin.description.capabilities.get("challenge"), plugin.view.headers
    if isinstance(said, str) and said:
        return said
    return DEFAULT_CHALLENGE if headers is None or "authorization" in headers else OTHER_CHALLENGE
