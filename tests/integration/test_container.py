"""The container's recipe holds together: what it copies is there, what it starts is a command. Nothing is built here."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from mockforge_asgi.cli.commands import mockforge, serve
from mockforge_asgi.config import load_config

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
LINES = [line.split(maxsplit=1) for line in RECIPE.splitlines() if line and not line.startswith("#")]


def words(instruction: str) -> list[str]:
    """The list that the last such instruction has."""
    found: list[str] = json.loads([rest for name, rest in LINES if name == instruction][-1])
    return found


def compose() -> dict[str, Any]:
    """The one service of the compose file."""
    whole = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert list(whole["services"]) == ["mockforge"]
    service: dict[str, Any] = whole["services"]["mockforge"]
    return service


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    sources = [s for name, rest in LINES if name == "COPY" and "--from" not in rest for s in rest.split()[:-1]]
    assert "mockforge_asgi" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        last = [rule for rule in rules if fnmatch(source, rule.removeprefix("!"))][-1]
        assert last.startswith("!"), f"{source} is left out by {last}"


def test_all_that_the_package_build_reads_is_copied() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    named = [
        *re.findall(r'^(?:readme|path) = "([^"]+)"', project, re.MULTILINE),
        "LICENSE",
        "mockforge_asgi",
        "mockforge_plugin",
        "plugins_builtin",
    ]
    copied = {s for name, rest in LINES if name == "COPY" for s in rest.split()[:-1]}
    assert set(named) <= copied and len(named) == 6


def test_the_command_is_one() -> None:
    assert words("ENTRYPOINT") == [mockforge.name]
    name, *arguments = words("CMD")
    assert name == serve.name
    given = serve.make_context(name, arguments).params
    assert (given["host"], given["file"]) == ("0.0.0.0", "mockforge.yaml")
    assert str(given["port"]) == next(rest for name, rest in LINES if name == "EXPOSE")


def test_the_compose_file_serves_the_quickstart() -> None:
    service = compose()
    folder, target, mode = service["volumes"][0].split(":")
    assert (target, mode) == (next(rest for name, rest in LINES if name == "WORKDIR" and rest != "/src"), "ro")
    assert load_config(ROOT / folder / words("CMD")[-1]).routes
    assert service["ports"] == ["127.0.0.1:8000:8000"]


def test_compiled_code_is_kept_in_a_volume() -> None:
    _, cache = compose()["volumes"][1].split(":")
    assert words("VOLUME") == [cache] and f"mkdir -p {cache}" in RECIPE


def test_it_does_not_run_as_root() -> None:
    assert [rest for name, rest in LINES if name == "USER"] == ["10001:10001"] and "--uid 10001" in RECIPE
