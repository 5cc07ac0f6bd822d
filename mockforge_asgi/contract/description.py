"""Reads what a guest says of itself; whatever it says is hostile until checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from mockforge_asgi.bounded_json import crowded
from mockforge_asgi.contract import CONTRACT, OPS, OPTIONAL_OPS, Description, Json
from mockforge_asgi.errors import ConfigError, PluginRejected, Problem
from mockforge_asgi.http.headers import BadHeader, wire_header
from mockforge_asgi.text import clip, quote, show_path, text_of
from mockforge_plugin.values import FunctionMetadata, Parameter

_KNOWN_OPS: Final = frozenset(op for ops in OPS.values() for op in ops) | frozenset(OPTIONAL_OPS)
_MAX_TEXT: Final = 2000
_MAX_CHALLENGE: Final = 1000
_MAX_PROBLEMS: Final = 100
_FROM_CONFIG: Final = re.compile(r"\{config\.([A-Za-z_][A-Za-z0-9_-]{0,63})\}")


def read_description(plugin: str, described: Json) -> Description:
    """The description as values. Raises PluginRejected with every fault, an unknown contract version by name among them."""
    if not isinstance(described, dict):
        raise PluginRejected(plugin, f"describe() must answer a JSON object, not {type(described).__name__}.")
    if (long := crowded(described)) is not None:
        raise PluginRejected(
            plugin, "what it says of itself is wrong:", [Problem(f"describe() {show_path(long[0])}".rstrip(), f"has {long[1]}.")]
        )
    problems: list[Problem] = []
    contract = described.get("contract", CONTRACT)
    if contract != CONTRACT:
        problems.append(Problem("describe().contract", f"version {quote(contract)} is unknown here.", f"This host speaks {CONTRACT}."))
    ops = described.get("ops", [])
    if not isinstance(ops, list) or not all(isinstance(op, str) for op in ops):
        problems.append(Problem("describe().ops", "must be a list of operation names."))
        ops = []
    functions = described.get("functions", [])
    if not isinstance(functions, list):
        problems.append(Problem("describe().functions", "must be a list of functions."))
        functions = []
    read = tuple(f for i, entry in enumerate(functions) if (f := _function(entry, f"describe().functions[{i}]", problems)) is not None)
    capabilities, kit = described.get("capabilities"), text_of(described.get("kit", ""), 80)
    capabilities = capabilities if isinstance(capabilities, dict) else {}
    challenge = capabilities.get("challenge")
    if challenge is not None and not _is_challenge(challenge):
        place = "describe().capabilities.challenge"
        problems.append(Problem(place, f"must be a text that a header can carry, of at most {_MAX_CHALLENGE} characters."))
    if problems:
        raise PluginRejected(plugin, "what it says of itself is wrong:", problems)
    return Description(contract, frozenset(ops) & _KNOWN_OPS, read, capabilities, kit, _endpoints(described.get("endpoints")))


def with_config(plugin: str, description: Description, config: Json) -> Description:
    """The description whose challenge has the configuration in it: `Bearer realm="{config.realm}"`, as a quoted string has it.

    Raises PluginRejected for a challenge that cannot be sent then.
    """
    said = description.capabilities.get("challenge")
    if not isinstance(said, str) or "{config." not in said:
        return description

    def value(found: re.Match[str]) -> str:
        configured = config.get(found[1]) if isinstance(config, dict) else None
        return re.sub(r'(["\\\\])', r"\\\1", configured if isinstance(configured, str) else "")

    challenge = _FROM_CONFIG.sub(value, said)
    if not _is_challenge(challenge):
        problem = Problem("describe().capabilities.challenge", f"with the configuration in it cannot be sent: {quote(challenge)}.")
        raise PluginRejected(plugin, "what it says of itself is wrong:", [problem])
    return replace(description, capabilities={**description.capabilities, "challenge": challenge})


def accept_config(plugin: str, found: Json, where: Callable[[str], str] | None = None) -> None:
    """Raises ConfigError, in bounds, for the problems that `plugin.validate_config` answered, if there are any.

    `where` gives the place of a part of the configuration that the plugin names.
    """
    if not found:
        return
    problems = []
    for item in (found if isinstance(found, list) else [found])[:_MAX_PROBLEMS]:
        path, message = (item.get("path", ""), item.get("message", item)) if isinstance(item, dict) else ("", item)
        part = clip(text_of(path, 200), 200)
        place = where(part) if where else f"plugins.{plugin}.config.{part}".rstrip(".")
        problems.append(Problem(place, clip(text_of(message, 1001), 1000) or "is not accepted."))
    raise ConfigError(f"plugin '{plugin}' does not accept its configuration:", problems)


def _is_challenge(described: Json) -> bool:
    try:
        return isinstance(described, str) and len(described) <= _MAX_CHALLENGE and wire_header("www-authenticate", described)[1] != b""
    except BadHeader:
        return False


def _endpoints(described: Json) -> tuple[str, ...] | None:
    return tuple(name for name in described if isinstance(name, str)) if isinstance(described, list) else None


def _function(entry: Json, place: str, problems: list[Problem]) -> FunctionMetadata | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        problems.append(Problem(place, "a template function needs a name that is an identifier without a leading underscore."))
        return None
    parameters = tuple(
        Parameter(
            text_of(p.get("name", ""), 100),
            text_of(p.get("type", "any"), 100),
            text_of(p.get("description", ""), _MAX_TEXT),
            p.get("required") is not False,
            p.get("default"),
            p.get("var_args") is True,
        )
        for p in _items(entry.get("parameters"))
        if isinstance(p, dict)
    )
    return FunctionMetadata(
        name,
        text_of(entry.get("description", ""), _MAX_TEXT),
        parameters,
        text_of(entry.get("returns", "any"), 100),
        tuple(text_of(example, _MAX_TEXT) for example in _items(entry.get("examples"))[:20]),
        category if isinstance(category := entry.get("category"), str) else None,
        entry.get("pure") is True,
    )


def _items(described: Json) -> list[Json]:
    return described if isinstance(described, list) else []
