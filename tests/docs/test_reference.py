"""The reference pages name every key that the readers know, and their examples load."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

import mockforge_plugin
from mockforge_asgi.config import load_config
from mockforge_asgi.plugins.package.manifest import DEFAULT_LIMITS, read_manifest
from mockforge_asgi.plugins.package.package import digest_of
from mockforge_asgi.plugins.package.schemas import json_schema
from mockforge_asgi.security.permissions import NAMES
from mockforge_plugin.sandbox.output import MAX_LINE
from mockforge_plugin.sandbox.stdlib import MODULES
from tests.docs.pages import ROOT, blocks

CONFIG, MANIFEST = ROOT / "docs" / "reference" / "config.md", ROOT / "docs" / "reference" / "manifest.md"
PYTHON, RUST, TYPESCRIPT = (ROOT / "docs" / "reference" / f"{name}.md" for name in ("python", "rust", "typescript"))


def keys(node: Any) -> set[str]:
    """The names of all properties in a schema."""
    if isinstance(node, list):
        return {key for item in node for key in keys(item)}
    if not isinstance(node, dict):
        return set()
    return set(node.get("properties", {})) | {key for value in node.values() for key in keys(value)}


@pytest.mark.parametrize(("page", "which"), [(CONFIG, "config"), (MANIFEST, "manifest")])
def test_every_key_is_in_the_reference(page: Path, which: Literal["config", "manifest"]) -> None:
    words = set(re.findall(r"[\w.]+", page.read_text())) | set(re.findall(r"\w+", page.read_text()))
    assert sorted(keys(json_schema(which)) - words) == []


def test_every_permission_is_in_the_reference() -> None:
    assert [name for name in NAMES if f"| `{name}` |" not in MANIFEST.read_text()] == []


def test_the_example_configuration_loads(tmp_path: Path) -> None:
    found = [block for block in blocks(CONFIG) if block.title == "mockforge.yaml"]
    assert len(found) == 1
    assert load_config(yaml.safe_load(found[0].text), base_dir=tmp_path).plugins


def test_the_example_grants_load() -> None:
    grants = next(yaml.safe_load(b.text) for b in blocks(CONFIG) if b.language == "yaml" and not b.title and "request:" in b.text)
    data = {
        "version": 1,
        "plugins": {"p": {"use": "./p", "grants": grants}},
        "secrets": {"api_keys": {"value": "k"}},
        "sources": {"users": {"plugin": "p", "queries": {"by_id": "x"}}},
    }
    rights = load_config(data).plugins["p"].grants.rights
    assert set(rights) == set(NAMES)


def test_the_example_answer_for_failures_loads() -> None:
    said = next(yaml.safe_load(b.text) for b in blocks(CONFIG) if "on_failure" in b.text and not b.title)
    answer = load_config({"version": 1, "plugins": {"p": {"use": "./p", **said}}}).plugins["p"].failure_answer
    assert answer is not None and answer.status == 503


def test_the_example_manifests_load() -> None:
    found = [read_manifest(block.text) for block in blocks(MANIFEST) if block.title.endswith("plugin.yaml")]
    assert [manifest.id for manifest in found] == ["hello-auth", "vowels"]


def test_the_default_limits_are_those_of_the_reference() -> None:
    assert (DEFAULT_LIMITS["python"].memory_mb, DEFAULT_LIMITS["extism"].memory_mb, DEFAULT_LIMITS["component"].memory_mb) == (64, 16, 16)
    assert {(x.cpu_ms, x.output_kb, x.vars_kb) for x in DEFAULT_LIMITS.values()} == {(50, 256, 128)}
    assert {name: x.timeout_ms for name, x in DEFAULT_LIMITS.items()} == {"native": 5000, "python": 1000, "component": 1000, "extism": 1000}


def test_the_digest_is_as_the_reference_says() -> None:
    files = {"b": b"xy", "a/c": b""}
    lines = [f"{hashlib.sha256(files[p]).hexdigest()} {len(files[p])} {p}" for p in sorted(files)]
    text = "\n".join(["mockforge package 1", *lines, ""])
    assert digest_of(files) == "sha256-" + hashlib.sha256(text.encode()).hexdigest()


def test_the_python_page_names_the_whole_kit() -> None:
    text = PYTHON.read_text()
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))
    assert set(mockforge_plugin.__all__) - words == set()
    methods = {name: vars(type(getattr(mockforge_plugin, name))) for name in ("kv", "http", "data")}
    calls = {f"`{name}.{method}(" for name, found in methods.items() for method in found if not method.startswith("_")}
    assert {call for call in calls if call not in text} == set()


def test_the_typescript_page_names_the_whole_kit() -> None:
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", TYPESCRIPT.read_text()))))

    def names(module: str, begin: str, end: str, pattern: str) -> set[str]:
        source = (ROOT / "sdk" / "typescript" / "src" / f"{module}.ts").read_text()
        after = source[source.index(begin) :]
        found = re.findall(pattern, after[: after.index(end)], re.MULTILINE)
        assert found
        return set(found) - {"constructor"}

    wanted = names("values", "/**", "export const plugin", r"^export (?:class|const|function) (\w+)")
    wanted |= names("values", "export class Request", "export class Response", r"^  (?:get )?([a-z]\w+)\(")
    wanted |= names("doors", "export const context", "export type Context", r"^ {2,4}(\w+):")
    wanted |= names("types", "export interface Definition", "\n}", r"^ {2,4}(\w+)(?:\?:|\??\()")
    assert wanted - words == set()


def test_the_rust_page_names_the_whole_kit() -> None:
    text = re.sub(r"```.*?```", "", RUST.read_text(), flags=re.DOTALL)
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))

    def names(module: str, pattern: str) -> set[str]:
        source = (ROOT / "sdk" / "rust" / "src" / f"{module}.rs").read_text()
        shown = re.sub(r"#\[doc\(hidden\)\]\n(?:#.*\n)*.*", "", source)
        found = set(re.findall(pattern, shown, re.MULTILINE))
        assert found
        return found

    public = r"^ *pub (?:struct|trait|enum|fn) (\w+)"
    wanted = {name for module in ("types", "values", "doors", "error", "functions", "testing") for name in names(module, public)}
    wanted |= names("types", r"^    fn (\w+)\(")
    assert wanted - words == {"of"}, "what only the kit itself calls"


def test_the_published_modules_are_those_of_the_sandbox() -> None:
    text = PYTHON.read_text()
    listed = text[text.index("## The standard library in the sandbox") : text.index("## What differs")].split("\n\n")[-2]
    assert tuple(re.findall(r"`([\w.]+)`", listed)) == MODULES
    assert f"lines of at most {MAX_LINE} characters" in text
