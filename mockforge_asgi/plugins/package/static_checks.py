"""Static checks of a plugin, before anything of it runs: package, manifest, code, and a summary of what it asks for.

What `mockforge plugin validate` prints. Finding nothing wrong says nothing of what the code does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mockforge_asgi.config.builtin import is_builtin
from mockforge_asgi.errors import PluginRejected, Problem
from mockforge_asgi.plugins.authorization import ASK_FOR_BODY, empty_input, hidden_query, remedy_for_absent
from mockforge_asgi.plugins.consistency import CheckReport
from mockforge_asgi.plugins.package.package import Package, read_package
from mockforge_asgi.plugins.package.python_source import MAX_PARSED_BYTES, absent_modules, parsed_files, unasked_uses
from mockforge_asgi.security.messages import describe_ask
from mockforge_asgi.text import clip

PYTHON_FLOOR: Final = (3, 11)
"""The syntax that plugins in Python may use."""


@dataclass(frozen=True, slots=True)
class Validation:
    """A plugin without faults: what it is, what it asks for, and what its author might improve."""

    package: Package
    asks: tuple[str, ...]
    warnings: tuple[Problem, ...]


def validate(path: Path, source: str | None = None) -> Validation:
    """Check the plugin in a folder or archive. Raises PluginRejected with every problem found."""
    package = read_package(path, source)
    manifest = package.manifest
    if refusal := _refusal(package, manifest.limits.memory_mb):
        raise refusal
    asks = tuple(describe_ask(p) + (f": {clip(p.reason, 200)}" if p.reason else "") for p in manifest.permissions.asked.values())
    return Validation(package, asks, tuple(_advice(package)))


def check_code(report: CheckReport) -> CheckReport:
    """The report with those plugins refused, too, whose code cannot be used; of the others, what is odd in it."""
    authorizations = report.authorized.items()
    faults = {name: refusal for name, a in authorizations if (refusal := _refusal(a.package, a.limits.memory_mb))}
    authorized = {
        name: replace(authorization, warnings=tuple(dict.fromkeys((*authorization.warnings, *unasked_uses(authorization.package)))))
        for name, authorization in authorizations
        if name not in faults
    }
    return CheckReport(authorized, {**report.refused, **faults}, report.idle)


def _refusal(package: Package, memory_mb: int) -> PluginRejected | None:
    problems = list(_code_problems(package, memory_mb))
    return PluginRejected(package.manifest.id, "its code cannot be used:", problems) if problems else None


def _code_problems(package: Package, memory_mb: int) -> Iterator[Problem]:
    manifest = package.manifest
    entry = manifest.entry.file
    if entry not in package.files:
        yield manifest.places.problem(("entry",), f"there is no file '{clip(entry)}' in the package.", remedy_for_absent(manifest))
        return
    if manifest.runtime in ("python", "native"):
        yield from _python_problems(package)
        if manifest.runtime == "python":
            yield from absent_modules(package)
    else:
        yield from _wasm_problems(package, entry, memory_mb)


def _python_problems(package: Package) -> Iterator[Problem]:
    """Syntax errors of every module that is parsed, with the author's own line."""
    for path, data in parsed_files(package).items():
        place = f"{package.source}/{path}"
        try:
            ast.parse(data, path, feature_version=PYTHON_FLOOR)
        except SyntaxError as error:
            line = f": `{clip(error.text.strip(), 80)}`" if error.text else ""
            yield Problem(f"{place}:{error.lineno or 1}", f"{error.msg}{line}.", "Correct the syntax; plugins may use that of Python 3.11.")
        except (ValueError, RecursionError, MemoryError) as error:
            yield Problem(place, f"is no Python source: {clip(str(error), 100)}.")


def _wasm_problems(package: Package, entry: str, memory_mb: int) -> Iterator[Problem]:
    from mockforge_asgi.wasm.inspect.limits import PAGES_PER_MIB, inspect, memory_needed

    place = f"{package.source}/{entry}"
    try:
        facts = inspect(
            package.files[entry],
            plugin=package.manifest.id,
            place=place,
            expect="component" if package.manifest.runtime == "component" else "core",
        )
    except PluginRejected as error:
        yield from error.problems or (Problem(place, str(error)),)
        return
    if facts.memory_pages > memory_mb * PAGES_PER_MIB:
        yield Problem(place, *memory_needed(facts.memory_pages))


def _advice(package: Package) -> Iterator[Problem]:
    manifest = package.manifest
    places = manifest.places
    if not manifest.description:
        yield places.problem((), "has no description.", "Say in a sentence what the plugin does.")
    if not manifest.license:
        yield places.problem((), "names no license.", "Add `license:`, such as MIT.")
    for name, permission in manifest.permissions.asked.items():
        if not permission.reason:
            yield places.problem(
                ("permissions", name), "gives no reason.", "Say why the plugin needs it; operators see it when they decide."
            )
    yield from unasked_uses(package)
    if manifest.runtime in ("python", "native") and (
        unread := {p for p in package.files if p.endswith(".py")} - parsed_files(package).keys()
    ):
        what = f"is not checked: of Python source {MAX_PARSED_BYTES // 1024} KiB are."
        yield Problem(f"{package.source}/{min(unread)}", what, "Keep data in files of another kind.")
    if "request.body" not in manifest.permissions.asked:
        yield from empty_input(manifest, places.where(("entry",)), ASK_FOR_BODY)
    yield from hidden_query(manifest, places.where(("permissions", "request.query")))
    if manifest.runtime == "native" and (package.folder is None or not is_builtin(package.folder)):
        yield places.problem(("runtime",), "native code runs unconfined; permissions do not hold it.", "Use `python` where it will do.")
