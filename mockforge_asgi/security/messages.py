"""Permissions in words: what a right lets a plugin do, what is lacking, and the lines that would grant it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import Final

from mockforge_asgi.config.network import DEFAULT_PORTS
from mockforge_asgi.config.objects import Grants, Right
from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.errors import Problem
from mockforge_asgi.security.permissions import DEFAULT_MAX_BYTES, DEFAULT_MAX_KEYS, NAMES, NetworkRule, Permission

_MAX_TOLD: Final = 3
"""Network rules that are held against what is granted."""


def missing_problems(
    missing: Iterable[Permission], granted: Grants, places: Locations, path: Path, *, secrets: Container[str] = frozenset()
) -> list[Problem]:
    """One problem that names every right that is needed and not granted, with the lines that `grants:` is to have.

    `secrets` are those that the configuration has; entries for the others are told too.
    """
    rights = tuple(missing)
    if not rights:
        return []
    what = f"the plugin needs {', '.join(p.right.name for p in rights)}, which {'is' if len(rights) == 1 else 'are'} not granted."
    what += "".join(f" {words}" for words in _near_misses(rights, granted))
    remedy = grant_remedy(rights, granted)
    if absent := [name for p in rights if p.right.name == "secrets" for name in sorted(p.right.names) if name not in secrets]:
        remedy += "\n      and under `secrets:`" + "".join(f"\n        {name}: {{env: {_variable(name)}}}" for name in absent)
    return [places.problem(path, what, remedy)]


def grant_remedy(rights: Iterable[Permission], granted: Grants) -> str:
    """The lines that grant those rights too; each stands in place of the line of its name, if there is one."""
    wanted = tuple(rights)
    sections = {p.right.name.partition(".")[0] for p in wanted}
    given = {name: right for name, right in granted.rights.items() if name.partition(".")[0] in sections}
    together = {p.right.name: Permission(_joined(given.pop(p.right.name, None), p.right), reason=p.reason) for p in wanted}
    replaced = sorted(sections & {name.partition(".")[0] for name in granted.rights})
    instead = f", in place of {' and '.join(f'`{name}:`' for name in replaced)} there" if replaced else ""
    lines = grant_lines([*map(Permission, given.values()), *together.values()])
    return f"If that is meant, write under `grants:`{instead}" + "".join(f"\n        {line}" for line in lines)


def _joined(one: Right | None, other: Right) -> Right:
    if one is None:
        return other
    rules = dict.fromkeys((*one.network, *other.network))
    return Right(other.name, one.names | other.names, tuple(rules), one.max_keys, one.max_bytes)


def _variable(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name).upper()


def _near_misses(missing: Iterable[Permission], granted: Grants) -> Iterator[str]:
    """For network rules that are lacking: how what is granted differs from them."""
    rules = granted.rights["network"].network if "network" in granted.rights else ()
    asked = [rule for permission in missing for rule in permission.right.network]
    for rule in asked[:_MAX_TOLD] if rules else ():
        nearest = min(rules, key=lambda other: len(_differences(rule, other)))
        yield f"It asks for {rule}; granted is {nearest}, another {' and '.join(_differences(rule, nearest))}."


def _differences(asked: NetworkRule, granted: NetworkRule) -> list[str]:
    """The parts of two rules that do not meet. A port counts where somebody wrote it."""
    ports = [0 if rule.port == DEFAULT_PORTS[rule.scheme] else rule.port for rule in (asked, granted)]
    same_host = NetworkRule(granted.scheme, asked.host, granted.port)
    return [
        *(["scheme"] if asked.scheme != granted.scheme else []),
        *(["host"] if not same_host.covers(granted) and not granted.covers(same_host) else []),
        *(["port"] if asked.host != "*" and ports[0] != ports[1] else []),
    ]


def unasked_problems(unasked: Iterable[Right], places: Locations, path: Path) -> list[Problem]:
    """Grants without effect, to be shown as warnings: the plugin does not ask for them."""
    return [
        places.problem(
            (*path, *right.name.split(".")),
            f"{describe(right)}: granted, but the manifest does not ask for it.",
            "Ask there, or remove it.",
        )
        for right in unasked
    ]


def grant_lines(missing: Iterable[Permission]) -> list[str]:
    """The YAML that grants those rights, as it stands under `grants:`; each line ends with the plugin's reasons."""
    sections: dict[str, list[Permission]] = {}
    for permission in missing:
        sections.setdefault(permission.right.name.partition(".")[0], []).append(permission)
    return [_grant_line(name, entries) for name, entries in sections.items()]


def _grant_line(section: str, entries: list[Permission]) -> str:
    reasons = "; ".join(p.reason for p in entries if p.reason)
    rights = {p.right.name: p.right for p in entries}
    if section in ("request", "response"):
        value = "{" + ", ".join(f"{name.partition('.')[2]}: {_yaml(right)}" for name, right in rights.items()) + "}"
    elif section == "data" and "data.raw" in rights:
        inner = [f"queries: {_yaml(rights['data'])}"] if "data" in rights else []
        value = "{" + ", ".join([*inner, f"raw: {_yaml(rights['data.raw'])}"]) + "}"
    else:
        value = _yaml(rights[section])
    return f"{section}: {value}" + (f"   # {reasons}" if reasons else "")


def _yaml(right: Right) -> str:
    if right.name == "network":
        return "[" + ", ".join(_rule_yaml(rule) for rule in right.network) + "]"
    if right.names:
        return "[" + ", ".join(_scalar(n) for n in sorted(right.names)) + "]"
    sizes = {"max_keys": right.max_keys, "max_bytes": right.max_bytes}
    given = ", ".join(f"{k}: {v}" for k, v in sizes.items() if v is not None)
    return f"{{{given}}}" if given else "true"


def _rule_yaml(rule: NetworkRule) -> str:
    if rule.host == "*":
        return f"{rule.scheme}://HOST"
    text = str(rule)
    quoted = f'"{text}"' if any(c in text for c in "*[") else text
    return f'{{allow: "{text}", private: true}}' if rule.is_inside or rule.private else quoted


def _scalar(name: str) -> str:
    return (
        name
        if name.replace("-", "").replace("_", "").replace("/", "").replace(".", "").isalnum()
        else f"'{name.replace(chr(39), chr(39) * 2)}'"
    )


def describe_ask(permission: Permission) -> str:
    """What a manifest asks for, in words."""
    words = describe(permission.right) if permission.right.names or permission.right.network or not permission.config else ""
    keys = " and ".join(f"`{key}`" for key in permission.config)
    said = f"what the configuration says at {keys}" if keys else ""
    if said:
        words = f"{words}; {said}" if words else f"{NAMES[permission.right.name]}: {said}"
    return words + (" (optional)" if permission.optional else "")


def describe(right: Right) -> str:
    """A right in words: `reads secrets: api_keys`."""
    what = [str(rule) if rule.host != "*" else f"any {rule.scheme} host" for rule in right.network] or sorted(right.names)
    if right.max_keys or right.max_bytes:
        what = [f"{right.max_keys or DEFAULT_MAX_KEYS} keys", f"{right.max_bytes or DEFAULT_MAX_BYTES} bytes"]
    return NAMES[right.name] + (f": {', '.join('all' if w == '*' else w for w in what)}" if what else "")
