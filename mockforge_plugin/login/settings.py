"""The `session:` object of a plugin's configuration, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin.failure import PluginError
from mockforge_plugin.values import Json, PluginInfo

MAX_KEYS: Final = 5
"""The most keys at a time: the first encrypts, all decrypt."""
MIN_KEY_CHARS: Final = 32
MAX_PER_USER: Final = 1000
_COOKIE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PREFIXES: Final = ("__host-", "__secure-")
_NO_KEY: Final = (
    "outside development sessions need a key that all workers have and that outlasts a restart. "
    "Name a secret, `session: {key: session_key}`, and give it at least 32 random characters"
)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How sessions are kept. `keys` are the secrets themselves; none: development makes one."""

    plugin: str
    keys: tuple[str, ...] = ()
    cookie: str = "session"
    login_cookie: str = "session-login"
    lifetime_s: float = 28_800
    login_s: float = 600
    per_user: int = 50
    secure: bool = True
    is_development: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Json] | None, secret: Callable[[str], str], plugin: PluginInfo) -> SessionSettings:
        """The settings. Raises PluginError (`invalid_config`) with every problem; HostError for a secret that may not be read."""
        config = config or {}
        found = [f"session.{path}: {words}" if path else f"session: {words}" for path, words in problems(config)]
        keys: list[str] = []
        if not found:
            for name in key_names(config):
                keys.append(secret(name))
                if len(keys[-1]) < MIN_KEY_CHARS:
                    found.append(f"session.key: the secret '{name}' has fewer than {MIN_KEY_CHARS} characters. Make it of random ones")
            if not keys and not plugin.development:
                found.append(f"session.key: {_NO_KEY}")
        if found:
            raise PluginError("; ".join(found), code="invalid_config")
        given = {name: config[name] for name in ("cookie", "login_cookie", "lifetime_s", "login_s", "per_user", "secure") if name in config}
        return cls(plugin.id, tuple(keys), is_development=plugin.development, **given)


def key_names(config: Mapping[str, Json]) -> list[str]:
    """The names of the secrets that are keys."""
    key = config.get("key")
    return [] if key is None else [key] if isinstance(key, str) else list(key)


def problems(config: Any) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) of a `session:` object."""
    if not isinstance(config, Mapping):
        if config is not None:
            yield "", "it is an object"
        return
    key = config.get("key")
    names = [key] if isinstance(key, str) else key
    if names is not None and not (
        isinstance(names, list | tuple) and 0 < len(names) <= MAX_KEYS and all(isinstance(n, str) for n in names)
    ):
        yield "key", f"it is the name of a secret, or a list of up to {MAX_KEYS}, the newest first"
    elif names is not None and len(set(names)) < len(names):
        yield "key", "a secret is named twice"
    for name in ("cookie", "login_cookie"):
        value = config.get(name, "-")
        if not isinstance(value, str) or not _COOKIE.fullmatch(value):
            yield name, "a cookie's name has up to 64 of A–Z, a–z, 0–9, `_`, `.` and `-`"
        elif value.lower().startswith(_PREFIXES):
            yield name, "leave the prefix out: `__Host-` is put before the name wherever browsers accept it"
    if config.get("cookie", "session") == config.get("login_cookie", "session-login"):
        yield "login_cookie", "it must not be the name of the session's cookie"
    for name, least, most in (("lifetime_s", 60, 31_536_000), ("login_s", 30, 3600)):
        value = config.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            yield name, f"it is a number of seconds from {least} to {most}"
    per_user = config.get("per_user", 1)
    if isinstance(per_user, bool) or not isinstance(per_user, int) or not 1 <= per_user <= MAX_PER_USER:
        yield "per_user", f"it is a whole number from 1 to {MAX_PER_USER}"
    if not isinstance(config.get("secure", True), bool):
        yield "secure", "it is true or false"
