"""Where built-in plugins are found: inside an installed package, beside it in a clone, nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.config.builtin import builtin_plugins, is_builtin
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.plugins.package.package import read_package
from mockforge_asgi.plugins.package.static_checks import validate


def plugins(root: Path, *names: str) -> None:
    for name in names:
        (root / "plugins_builtin" / name).mkdir(parents=True)
        (root / "plugins_builtin" / name / "plugin.yaml").write_text("id: it\n")


def test_a_clone_has_them_beside_the_package(tmp_path: Path) -> None:
    plugins(tmp_path, "auth_two", "auth_one")
    (tmp_path / "plugins_builtin" / "no_plugin").mkdir()
    (tmp_path / "hatch_build.py").touch()
    found = builtin_plugins(tmp_path / "package")
    assert list(found) == ["auth-one", "auth-two"] and found["auth-one"] == tmp_path / "plugins_builtin" / "auth_one"


def test_an_installed_package_has_them_inside_and_looks_nowhere_else(tmp_path: Path) -> None:
    plugins(tmp_path / "package", "auth_one")
    plugins(tmp_path, "auth_forged")
    (tmp_path / "hatch_build.py").touch()
    assert list(builtin_plugins(tmp_path / "package")) == ["auth-one"]


def test_a_folder_beside_an_installed_package_is_not_taken_for_them(tmp_path: Path) -> None:
    plugins(tmp_path, "auth_forged")
    assert builtin_plugins(tmp_path / "package") == {}


@pytest.mark.parametrize("use", ["greet", "greeet-it", "auth"])
def test_an_unknown_bare_name_is_told_with_those_there_are(use: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no built-in plugin '{use}'") as raised:
        load_config({"version": 1, "plugins": {"p": {"use": use}}})
    (problem,) = raised.value.problems
    assert all(id in problem.remedy for id in builtin_plugins()) and f"./plugins/{use.replace('-', '_')}" in problem.remedy


def test_a_folder_is_built_in_by_any_of_its_names(tmp_path: Path) -> None:
    assert not is_builtin(tmp_path)
    for folder in builtin_plugins().values():
        (tmp_path / folder.name).symlink_to(folder)
        assert is_builtin(folder) and is_builtin(tmp_path / folder.name) and is_builtin(folder / ".." / folder.name)


@pytest.mark.parametrize("id", builtin_plugins())
def test_each_of_them_can_be_loaded_here(id: str) -> None:
    package = read_package(builtin_plugins()[id], id)
    assert package.manifest.id == id and not any(path.startswith("tests/") for path in package.files)
    if package.manifest.requires.missing and "CI" not in os.environ:
        pytest.skip(f"{id}: {package.manifest.requires.remedy}")
    assert package.manifest.requires.missing == ()


@pytest.mark.parametrize("id", builtin_plugins())
def test_each_of_them_is_described_so_that_an_operator_can_judge_it(id: str) -> None:
    assert validate(builtin_plugins()[id], id).warnings == ()
