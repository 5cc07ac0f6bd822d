"""What the source of a sandboxed Python plugin shows without being run: modules that are not there, rights nobody asked for.

Only what is plain to see is told: literal names, host calls imported from the kit, parameters called `request` or declared as one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from mockforge_asgi.config.parsing.pydantic_errors import suggest
from mockforge_asgi.errors import Problem
from mockforge_asgi.plugins.package.package import Package
from mockforge_asgi.security.permissions import is_asked
from mockforge_asgi.text import clip

KIT: Final = "mockforge_plugin"
CALLS: Final = {"kv": "kv", "http": "network", "secret": "secrets", "resource": "files"}
"""Host calls that need a permission, and which."""
PARTS: Final = {
    "header": "request.headers",
    "header_values": "request.headers",
    "headers": "request.headers",
    "cookies": "request.cookies",
    "query": "request.query",
    "client": "request.client",
    "principal": "request.principal",
    "claims": "request.principal",
    **dict.fromkeys(("read", "text", "json", "form"), "request.body"),
}
"""Parts of a request that are empty without a permission, and which."""
NAMED: Final = {
    "request.headers": "names",
    "request.cookies": "names",
    "request.query": "names",
    "secrets": "names",
    "files": "read",
    "network": "allow",
}
"""Permissions with a list of names, and the field that holds it."""
MAX_PARSED_BYTES: Final = 512 * 1024
"""How much source of a package is parsed: it takes up to a thousand times as much memory, and two seconds."""


def parsed_files(package: Package) -> dict[str, bytes]:
    """The Python files that may be parsed, the entry before all others; those for which there is no room are left out."""
    left, found = MAX_PARSED_BYTES, {}
    for path in sorted(
        (path for path in package.files if path.endswith(".py")), key=lambda path: (path != package.manifest.entry.file, path)
    ):
        data = package.files[path]
        if len(data) <= left:
            found[path], left = data, left - len(data)
    return found


def absent_modules(package: Package) -> Iterator[Problem]:
    """Modules and names of the kit that the entry imports first thing and that are not there: the plugin cannot be loaded."""
    import mockforge_plugin
    from mockforge_plugin.sandbox.stdlib import offered, refusal

    entry = package.manifest.entry.file
    own = {KIT} | {part.removesuffix(".py") for path in package.files if path.endswith(".py") for part in path.split("/")}
    known = offered()
    for node in _tree(parsed_files(package).get(entry, b"")).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        place = f"{package.source}/{entry}:{node.lineno}"
        for name in names:
            if name not in known and name.partition(".")[0] not in own:
                yield Problem(place, f"{refusal(clip(name, 80))}.")
        if isinstance(node, ast.ImportFrom):
            yield from _absent_names(node, f"{package.source}/{entry}")
        if isinstance(node, ast.ImportFrom) and node.module == KIT and not node.level:
            for alias in node.names:
                if alias.name != "*" and not hasattr(mockforge_plugin, alias.name):
                    yield Problem(place, f"the kit has no '{clip(alias.name, 80)}'.", suggest(alias.name, mockforge_plugin.__all__))


def unasked_uses(package: Package) -> Iterator[Problem]:
    """Where the code uses what the manifest does not ask for: it finds nothing there, or is refused."""
    if package.manifest.runtime != "python":
        return
    asked = package.manifest.permissions
    for path, data in parsed_files(package).items():
        seen: set[tuple[str, str]] = set()
        tree = _tree(data)
        yield from _absent_names(tree, f"{package.source}/{path}")
        for line, permission, name in sorted(_uses(tree)):
            if is_asked(asked, permission, name) or (permission, name) in seen:
                continue
            seen.add((permission, name))
            yield Problem(f"{package.source}/{path}:{line}", *_words(permission, clip(name, 80)))


def _absent_names(tree: ast.AST, place: str) -> Iterator[Problem]:
    """Where the code uses what a module of the standard library does not have in the sandbox."""
    from mockforge_plugin.sandbox.stdlib import ABSENT

    modules = {a.asname or a.name: a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{modules.get(node.value.id)}.{node.attr}"]
        else:
            continue
        yield from (Problem(f"{place}:{node.lineno}", f"the sandbox has no `{name}`.", ABSENT[name]) for name in names if name in ABSENT)


def _words(permission: str, name: str) -> tuple[str, str]:
    """(what, remedy)."""
    shown = f"{permission} '{name}'" if name else permission
    lacking = "the manifest does not ask for it"
    what = f"uses {shown}, and {lacking}{'.' if permission in CALLS.values() else ': it is never there.'}"
    fields = [f"{NAMED[permission]}: [{name or '…'}]"] if permission in NAMED else []
    return what, f"Add `{permission}: {{{', '.join([*fields, 'reason: …'])}}}` under `permissions:`, and grant it."


def _tree(data: bytes) -> ast.Module:
    try:
        return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _uses(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(line, permission, name or nothing) of each use."""
    kit = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == KIT
        for alias in node.names
    }
    if "*" in kit:
        kit |= {name: name for name in CALLS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _host_call(node, kit)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for argument in node.args.args:
                if argument.arg == "request" or _annotation(argument, kit) == "Request":
                    yield from _parts(node, argument.arg)


def _host_call(call: ast.Call, kit: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    called = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    name = kit.get(called.id, "") if isinstance(called, ast.Name) else ""
    if name in CALLS:
        yield call.lineno, CALLS[name], _literal(call.args[:1]) if name in ("secret", "resource") else ""


def _annotation(argument: ast.arg, kit: Mapping[str, str]) -> str:
    return kit.get(argument.annotation.id, "") if isinstance(argument.annotation, ast.Name) else ""


def _parts(function: ast.AST, request: str) -> Iterator[tuple[int, str, str]]:
    """What a function reads of its request. A part that is looked into by name counts for that name."""
    looked_into: set[ast.Attribute] = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner), attr="headers" | "query" | "cookies") as part)):
                arguments: list[ast.expr] = node.args[:1]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="header" | "header_values") as part):
                arguments = node.args[:1]
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id=owner), attr="headers" | "query" | "cookies") as part):
                arguments = [node.slice]
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[ast.Attribute(value=ast.Name(id=owner)) as part]):
                arguments = [node.left]
            case _:
                continue
        if owner == request and part.attr in PARTS:
            looked_into.add(part)
            yield node.lineno, PARTS[part.attr], _literal(arguments)
    for node in ast.walk(function):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attr) if owner == request and attr in PARTS and node not in looked_into:
                yield node.lineno, PARTS[attr], ""


def _literal(arguments: list[ast.expr]) -> str:
    match arguments:
        case [ast.Constant(value=str(text))]:
            return text
        case _:
            return ""
