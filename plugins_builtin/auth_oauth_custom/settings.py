"""The configuration of the plugin: what a schema cannot say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mockforge_plugin.login import Sessions, local_path, url_problems

from .oauth.client import OURS
from .presets import whole
from .tokens.principal import path_problem
from .tokens.provider import address_problem

Config = Mapping[str, Any]
_RISK: Final = "tokens and the client's secret can be read on the way"
_REQUIRED: Final = ("authorize_url", "token_url", "user_url", "principal")


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """Each mistake with its place: what, why, and what to do."""
    made = whole(config)
    for key in _REQUIRED:
        if not made.get(key):
            yield key, "it must be configured where no `preset` fills it in"
    for place, url in _urls(made):
        if words := address_problem(url, plain_http=bool(config.get("plain_http")), risk=_RISK):
            yield place, words
    yield from _admission_problems(config, made)
    yield from _browser_problems(config)
    yield from _path_problems(made)


def _urls(config: Config) -> Iterator[tuple[str, str]]:
    yield from ((key, config[key]) for key in ("authorize_url", "token_url", "user_url", "emails_url") if config.get(key))
    yield from ((f"groups_from[{number}].url", each["url"]) for number, each in enumerate(config.get("groups_from") or ()))


def _admission_problems(config: Config, made: Config) -> Iterator[tuple[str, str]]:
    allow = config.get("allow") or {}
    if config.get("anybody") and allow:
        yield "anybody", "it contradicts `allow`. Leave one of them out"
    if not config.get("anybody") and not any(allow.get(key) for key in ("users", "accounts", "groups")):
        yield "allow", "everybody has an account there. Name `users`, `accounts` or `groups` that may come in, or write `anybody: true`"
    if allow.get("groups") and not made.get("groups_from") and not made.get("groups"):
        known = " Add `read:org` to `scopes`" if config.get("preset") else " Write `groups_from`, or `groups`"
        yield "allow.groups", f"nobody says which groups a user belongs to.{known}"


def _browser_problems(config: Config) -> Iterator[tuple[str, str]]:
    session = config.get("session") or {}
    for name in config.get("parameters") or ():
        if name in OURS:
            yield f"parameters.{name}", "this parameter is the plugin's own. Leave it out; `scopes` is a setting"
    if url := config.get("public_url"):
        yield from (("public_url", words) for words in url_problems(url, may_be_plain=session.get("secure") is False))
    if (after := config.get("after_logout")) and local_path(after, "") != after:
        yield "after_logout", "it must be a path of this application, such as /goodbye"
    yield from ((f"session.{path}" if path else "session", words) for path, words in Sessions.problems(session))


def _path_problems(config: Config) -> Iterator[tuple[str, str]]:
    single = ((key, config[key]) for key in ("principal", "account", "name", "email") if config.get(key))
    listed = ((f"{key}[{number}]", path) for key in ("roles", "groups") for number, path in enumerate(config.get(key) or ()))
    in_lists = (
        (f"groups_from[{number}].name[{at}]", path)
        for number, each in enumerate(config.get("groups_from") or ())
        for at, path in enumerate(each["name"])
    )
    for place, path in (*single, *listed, *in_lists):
        if words := path_problem(path):
            yield place, words
