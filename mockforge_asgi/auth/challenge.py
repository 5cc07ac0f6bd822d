"""Challenges, the `WWW-Authenticate` of a refusal: merged from what the plugins of a rule want, where the one that refused names none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from mockforge_asgi.plugins.plugin import Plugin

DEFAULT_CHALLENGE: Final = "Bearer"
"""The challenge of a 401 whose plugin named none: every 401 must carry one (RFC 9110 §15.5.2)."""
OTHER_CHALLENGE: Final = "Custom"
"""The same where credentials are not in `Authorization`: a scheme that no client takes for one it knows."""
_ITEM: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"|")+')
"""What stands between commas, those in quotes left alone."""
_PARAMETER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\s*=(?!=*\Z)")
_OF_ERRORS: Final = re.compile(r"(?:error|error_description|error_uri|scope)\s*=", re.IGNORECASE)


def merged_challenge(plugins: Iterable[Plugin]) -> str:
    """One challenge for all of those plugins, each of theirs once (RFC 9110 §11.6.1)."""
    return ", ".join(dict.fromkeys(map(_challenge, plugins)))


def insufficient_scope(plugins: Iterable[Plugin], scopes: Iterable[str]) -> str | None:
    """The challenge of a 403 for a caller that one of those plugins let pass with a bearer token (RFC 6750 §3.1); None where none did."""
    bearers = dict.fromkeys(found for plugin in plugins for found in challenges(_challenge(plugin)) if _scheme(found) == "bearer")
    wanted = " ".join(scopes)
    more = ['error="insufficient_scope"', *([f'scope="{wanted}"'] if wanted else [])]
    return ", ".join(_with_parameters(bearer, more) for bearer in bearers) or None


def challenges(text: str) -> Iterator[str]:
    """Each challenge of a `WWW-Authenticate`: a scheme with its parameters."""
    held: list[str] = []
    for item in map(str.strip, _ITEM.findall(text)):
        if held and item and not _PARAMETER.match(item):
            yield ", ".join(held)
            held = []
        if item:
            held.append(item)
    if held:
        yield ", ".join(held)


def _scheme(challenge: str) -> str:
    return challenge.partition(" ")[0].lower()


def _with_parameters(challenge: str, more: list[str]) -> str:
    """The challenge with those parameters in place of what it says of errors and scopes."""
    scheme, _, rest = challenge.partition(" ")
    kept = [item for item in map(str.strip, _ITEM.findall(rest)) if item and not _OF_ERRORS.match(item)]
    return f"{scheme} {', '.join([*kept, *more])}"


def _challenge(plugin: Plugin) -> str:
    """What the plugin says that it wants; otherwise `Bearer` if it may read the header that a client would answer it with."""
    said, headers = plugin.description.capabilities.get("challenge"), plugin.view.headers
    if isinstance(said, str) and said:
        return said
    return DEFAULT_CHALLENGE if headers is None or "authorization" in headers else OTHER_CHALLENGE
