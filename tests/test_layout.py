"""The shape of the code: module sizes, import direction, where libraries may be imported, tests that mirror the tree, docstrings.

Each rule is one test that lists every place that breaks it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
HOST, KIT, BUILTIN = ROOT / "mockforge_asgi", ROOT / "mockforge_plugin", ROOT / "plugins_builtin"

LAYERS = (
    ("exact_json", "locks", "text"),
    ("errors", "types"),
    ("begun",),
    ("bounded_json", "forwarded"),
    ("events",),
    ("http", "telemetry"),
    ("routing",),
    ("contract",),
    ("config",),
    ("security", "state"),
    ("wasm", "sources"),
    ("plugins",),
    ("reload",),
    ("runtime",),
    ("lifespan", "per_load"),
    ("mocks", "auth", "templates"),
    ("pipeline", "request_events"),
    ("middleware",),
    ("cli", "admin"),
    ("__main__", "testing"),
)
"""From the bottom up. A part imports from layers below its own, and from itself."""

MAX_MODULES = 15
"""The most modules of one folder, its `__init__.py` left out."""

LONG_MODULES: dict[str, str] = {
    "mockforge_asgi/config/objects.py": "every section of the configuration as a frozen object, a few lines each",
    "mockforge_plugin/operations/dispatch.py": "one table of operations; each entry's conversions stand beside it",
}
"""Modules of more than 300 lines, each with the reason why it is not two."""

CROSS_CUTTING = (
    "docs",
    "examples",
    "benchmarks",
    "fuzz",
    "hostile",
    "integration",
    "servers",
    "golden",
    "transparency",
    "scripts",
    "support",
)
"""Folders of tests that concern no single module."""

IMPORT_NAMES = {
    "argon2-cffi": "argon2",
    "google-re2": "re2",
    "jsonschema-rs": "jsonschema_rs",
    "python-ldap": "ldap",
    "pyyaml": "yaml",
}
"""Import names of distributions that call themselves otherwise."""

WEBSOCKET_AND_LOOP = {"httptools", "uvloop", "websockets"}
"""Extras that uvicorn finds by itself: never imported by us."""


def files(*folders: Path) -> list[Path]:
    """Python files below the folders, in order."""
    return sorted(p for folder in folders for p in folder.rglob("*.py") if not {"target", "node_modules"} & set(p.parts))


def builtin_code() -> list[Path]:
    """Python files of the built-in plugins, their tests left out."""
    return [p for p in files(BUILTIN) if "tests" not in p.parts and p.name != "conftest.py"]


def name(path: Path) -> str:
    """The path as it is written in messages and tables."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of every import in a file, at any depth."""
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module in ("mockforge_asgi", "mockforge_plugin"):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def declared() -> tuple[set[str], set[str]]:
    """Import names of (required, optional) dependencies in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        found = {re.split(r"[<>=!;\[ ]", line, maxsplit=1)[0].lower() for line in requirements} - {project["name"]}
        return {IMPORT_NAMES.get(n, n.replace("-", "_")) for n in found}

    extras = {k: v for k, v in project["optional-dependencies"].items() if k not in ("dev", "bench", "all")}
    return names(project["dependencies"]), names([r for group in extras.values() for r in group]) - WEBSOCKET_AND_LOOP


def test_modules_are_short() -> None:
    sizes = {name(p): len(p.read_text().splitlines()) for p in files(HOST, KIT, BUILTIN, ROOT / "tests", ROOT / "benchmarks")}
    broken = [f"{n}: {lines} lines, the most is 500" for n, lines in sizes.items() if lines > 500]
    broken += [
        f"{n}: {lines} lines; split it, or give the reason in LONG_MODULES"
        for n, lines in sizes.items()
        if 300 < lines <= 500 and n not in LONG_MODULES and "tests/" not in n
    ]
    broken += [f"{n}: in LONG_MODULES, but not longer than 300 lines" for n in LONG_MODULES if sizes.get(n, 0) <= 300]
    assert not broken, "\n".join(broken)


def test_folders_hold_few_modules() -> None:
    sizes = Counter(name(p.parent) for p in [*files(HOST, KIT), *builtin_code()] if p.name != "__init__.py")
    broken = [
        f"{folder}: {count} modules, the most is {MAX_MODULES}; give some of them a room"
        for folder, count in sizes.items()
        if count > MAX_MODULES
    ]
    assert not broken, "\n".join(broken)


def test_imports_point_down() -> None:
    level = {part: height for height, parts in enumerate(LAYERS) for part in parts}
    broken = []
    for path in files(HOST):
        own = path.relative_to(HOST).with_suffix("").parts[0]
        if own == "__init__":
            continue
        if own not in level:
            broken.append(f"{name(path)}: '{own}' has no place in LAYERS")
            continue
        for line, module in imports(path):
            part = module.split(".")[1] if module.startswith("mockforge_asgi.") else own
            if part != own and part in level and level[part] >= level[own]:
                broken.append(f"{name(path)}:{line} imports {module}, which is not below '{own}'")
    assert not broken, "\n".join(broken)


def test_only_wasm_imports_wasmtime() -> None:
    broken = [
        f"{name(p)}:{line}"
        for p in files(HOST, KIT)
        if p.relative_to(ROOT).parts[:2] != ("mockforge_asgi", "wasm")
        for line, module in imports(p)
        if module.split(".")[0] == "wasmtime"
    ]
    assert not broken, "\n".join(broken)


def test_every_imported_library_is_declared() -> None:
    required, optional = declared()
    known = required | optional | set(sys.stdlib_module_names) | {"mockforge_asgi", "mockforge_plugin", "pydantic_core"}
    known |= {"pytest"}  # which itself loads the module that imports it
    broken = [
        f"{name(p)}:{line} imports {module}, which pyproject.toml does not name"
        for p in files(HOST)
        for line, module in imports(p)
        if module.split(".")[0] not in known
    ]
    assert not broken, "\n".join(broken)


def test_each_optional_library_is_imported_in_one_module() -> None:
    _, optional = declared()
    users: dict[str, set[str]] = defaultdict(set)
    for path in files(HOST):
        for _, module in imports(path):
            if module.split(".")[0] in optional:
                users[module.split(".")[0]].add(name(path))
    broken = [f"{library}: {', '.join(sorted(where))}" for library, where in users.items() if len(where) > 1]
    assert not broken, "\n".join(broken)


def test_the_plugin_kit_imports_only_the_standard_library() -> None:
    allowed = set(sys.stdlib_module_names) | {"mockforge_plugin", "annotationlib"}  # the last one is in 3.14
    # What the sandbox component itself provides to the kit's own glue.
    allowed |= {"wit_world", "componentize_py_types"}
    # `login/` and `engines/` are for native plugins, which import them when they need them.
    rooms = {"login": {"joserfc"}, "engines": declared()[0] | declared()[1]}
    broken = [
        f"{name(p)}:{line} imports {module}"
        for p in files(KIT)
        for line, module in imports(p)
        if module.split(".")[0] not in allowed | rooms.get(p.relative_to(KIT).parts[0], set())
    ]
    assert not broken, "\n".join(broken)


def test_builtin_plugins_import_the_kit_and_what_they_require() -> None:
    broken = []
    for manifest in sorted(BUILTIN.glob("*/plugin.yaml")):
        required = yaml.safe_load(manifest.read_text(encoding="utf-8")).get("requires") or {}
        allowed = set(sys.stdlib_module_names) | {"mockforge_plugin", *required.get("modules", ())}
        for path in (p for p in builtin_code() if manifest.parent in p.parents):
            own = name(manifest.parent).replace("/", ".")
            broken += [
                f"{name(path)}:{line} imports {module}: `requires:` does not name it; siblings are `from .x import y`"
                for line, module in imports(path)
                if module.split(".")[0] not in allowed and not module.startswith(own)
            ]
    assert not broken, "\n".join(broken)


def test_tests_mirror_the_tree() -> None:
    broken = []
    for path in files(ROOT / "tests"):
        if not path.name.startswith("test_") or path.name == "test_layout.py":
            continue
        folder = path.relative_to(ROOT / "tests").parent
        if folder.parts and folder.parts[0] in CROSS_CUTTING:
            continue
        base = KIT / Path(*folder.parts[1:]) if folder.parts[:1] == ("plugin_kit",) else HOST / folder
        subject = base / path.stem.removeprefix("test_")
        if not (subject.with_suffix(".py").exists() or subject.is_dir()):
            broken.append(f"{name(path)}: there is no {name(subject)}.py")
    assert not broken, "\n".join(broken)


def public(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Public functions, classes and methods by qualified name, without those that only fill in what a library declares."""
    foreign = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if isinstance(node, ast.Import) or (node.module or "").split(".")[0] not in ("mockforge_asgi", "mockforge_plugin", "typing")
    }

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            decorators = {d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "") for d in node.decorator_list}
            if not decorators & {"overload", "setter", "override"}:
                yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                bases = {n.id for base in node.bases for n in ast.walk(base) if isinstance(n, ast.Name)}
                if not bases & foreign:
                    yield from walk(node.body, f"{prefix}{node.name}.")

    return walk(tree(path).body, "")


def test_every_module_opens_with_a_docstring() -> None:
    parts = [p for p in files(HOST, KIT, BUILTIN, ROOT / "tests", ROOT / "benchmarks", ROOT / "examples") if p.read_text().strip()]
    broken = [name(p) for p in parts if not ast.get_docstring(tree(p))]
    assert not broken, "\n".join(broken)


def test_every_public_name_has_a_docstring() -> None:
    broken = [
        f"{name(p)}:{node.lineno} {what}"
        for p in [*files(HOST, KIT), *builtin_code()]
        if not p.stem.startswith("_") or p.stem == "__init__"
        for what, node in public(p)
        if not ast.get_docstring(node)
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("heavy", ["pydantic", "yaml", "jinja2", "wasmtime", "starlette"])
def test_importing_the_package_loads_nothing_heavy(heavy: str) -> None:
    code = f"import sys, mockforge_asgi; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_text_names_no_machine_and_no_plan() -> None:
    forbidden = re.compile(r"/work/(?:main|shared|\.library)|/root/|/tmp/plan|\bissue \d+\b|\bH[1-7]\b \(|pypi\.org/simple|registry\.npmjs")
    texts = [
        p
        for folder in (HOST, KIT, BUILTIN, ROOT / "docs", ROOT / "scripts", ROOT / "examples", ROOT / "benchmarks", ROOT / ".ci")
        for p in sorted(folder.rglob("*"))
        if p.is_file()
        and p.suffix in ("", ".py", ".md", ".yaml", ".toml", ".json", ".wit", ".wat", ".rs")
        and not {"target", "node_modules", "__pycache__"} & set(p.parts)
    ]
    broken = [f"{name(p)}: {m.group()}" for p in [*texts, *ROOT.glob("*.md")] for m in forbidden.finditer(p.read_text(encoding="utf-8"))]
    assert not broken, "\n".join(broken)


def test_what_changed_stands_in_files_that_the_changelog_takes() -> None:
    types = [each["directory"] for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]]
    named = re.compile(rf"[a-z0-9]+(-[a-z0-9]+)*\.({'|'.join(types)})\.md|README\.md")
    files = list((ROOT / "changes").iterdir())
    assert [file.name for file in files if not named.fullmatch(file.name) or not file.read_text().strip()] == []
