"""What is found when all plugins of a configuration are looked at together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.config import Config, load_config
from mockforge_asgi.errors import ConfigError, MockForgeError
from mockforge_asgi.plugins.consistency import check_plugins
from mockforge_asgi.runtime import PluginRuntime
from tests.support.plugin_packages import FILES, MANIFEST, folder

GRANTS = {"request": {"headers": ["x-api-key"]}, "secrets": ["api_keys"]}


def test_one_bad_plugin_does_not_hide_the_others(tmp_path: Path) -> None:
    needs = MANIFEST.replace("id: hello-auth", "id: needs").replace("license: MIT", "dependencies: [{id: hello-auth, version: ^2}, absent]")
    plugins = {
        "good": {"use": str(folder(tmp_path)), "grants": GRANTS},
        "gone": {"use": str(tmp_path / "gone")},
        "off": {"use": str(tmp_path / "gone"), "enabled": False},
        "needs": {"use": str(folder(tmp_path, {**FILES, "plugin.yaml": needs}, name="needs")), "grants": GRANTS},
        "ungranted": {"use": str(tmp_path / "hello_auth")},
    }
    found = check_plugins(load_config({"version": 1, "plugins": plugins, "secrets": {"api_keys": {"value": "k"}}}))
    assert set(found.authorized) == {"good"}
    assert set(found.refused) == {"gone", "needs", "ungranted"}
    words = str(found.refused["needs"])
    assert "needs 'hello-auth' ^2, and here is 1.0.0" in words and "needs 'absent', which is not here" in words
    assert all(isinstance(error, MockForgeError) for error in found.refused.values())


def found_together(tmp_path: Path, more: dict[str, Any], **kinds: str) -> dict[str, list[str]]:
    """What is wrong with plugins of these names and manifest lines, under a configuration with more in it."""
    plugins: dict[str, Any] = {}
    for name, line in kinds.items():
        text = MANIFEST.replace("id: hello-auth", f"id: {name}").replace("license: MIT", line if "kinds" not in line else "license: MIT")
        text = text.replace("kinds: [auth]", line) if "kinds" in line else text
        plugins[name] = {"use": str(folder(tmp_path, {**FILES, "plugin.yaml": text}, name=name)), "grants": GRANTS}
    plugins = {name: {**use, **more.get("plugins", {}).get(name, {})} for name, use in plugins.items()}
    config = load_config({"version": 1, "secrets": {"api_keys": {"value": "k"}}, **more, "plugins": plugins})
    return {name: [str(p) for p in getattr(error, "problems", ())] for name, error in check_plugins(config).refused.items()}


def test_a_cycle_of_dependencies_is_found_without_running_anything(tmp_path: Path) -> None:
    (words,) = found_together(tmp_path, {}, one="dependencies: [two]", two="dependencies: [one]")["one"]
    assert words == "configuration plugins.one: plugins depend on each other in a cycle: one → two → one. Remove one of these dependencies."


def test_a_plugin_that_needs_a_refused_one_says_so(tmp_path: Path) -> None:
    found = found_together(tmp_path, {"plugins": {"two": {"grants": {}}}}, one="dependencies: [two]", two="license: MIT")
    assert found["one"] == ["configuration plugins.one: the plugin needs 'two', which cannot be loaded. Fix that one first."]


def test_a_plugin_is_named_only_for_what_it_is(tmp_path: Path) -> None:
    more = {
        "protect": [{"path": "/a", "auth": ["a", "r"]}],
        "routes": [{"match": {"path": "/"}, "response": {"plugin": "a"}}, {"match": {"path": "/r"}, "response": {"plugin": "r"}}],
        "sources": {"s": {"plugin": "r"}},
    }
    found = found_together(tmp_path, more, a="kinds: [auth]", r="kinds: [response, template]")
    assert found == {
        "a": ["configuration routes[0].response.plugin: 'a' is of the kinds auth, not response. Name a plugin of the kind response."],
        "r": [
            "configuration protect[0].auth[1]: 'r' is of the kinds response, template, not auth. Name a plugin of the kind auth.",
            (
                "configuration sources.s.plugin: 'r' is of the kinds response, template, not data_source. "
                "Name a plugin of the kind data_source."
            ),
        ],
    }


def test_asking_for_a_plugin_that_is_not_enabled_is_a_warning() -> None:
    plugins = {"a": {"use": "./a", "enabled": False}}
    found = check_plugins(load_config({"version": 1, "plugins": plugins, "protect": [{"path": "/a", "auth": "a"}]}))
    assert not found.refused
    assert [str(warning) for warning in found.warnings] == [
        (
            "configuration protect[0].auth[0]: 'a' is named here and not enabled: requests that need it are answered 503. "
            "Enable it, or remove it here."
        )
    ]


def test_two_plugins_have_neither_an_alias_nor_an_endpoint_in_common(tmp_path: Path) -> None:
    same = {"plugins": {"b": {"alias": "a", "prefix": "/a"}}}
    found = found_together(tmp_path, same, a="kinds: [template]\nendpoints: [/x, /y]", b="kinds: [template]\nendpoints: [/y]")
    assert found["b"] == [
        "configuration plugins.b.alias: 'a' would be of 'a' and of 'b'. Give one of them another alias.",
        "configuration plugins.b.prefix: '/a/y' would be of 'a' and of 'b'. Give one of them another prefix.",
    ]
    assert not found_together(tmp_path, {}, a="kinds: [template]\nendpoints: [/x]", b="kinds: [template]\nendpoints: [/x]")


def two(tmp_path: Path, *, dev: bool = False) -> Config:
    plugins = {name: {"use": str(tmp_path / name)} for name in ("a", "b")}
    return load_config({"version": 1, "dev": dev, "plugins": plugins})


def test_the_errors_of_all_refused_plugins_are_raised_as_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 plugins cannot be loaded") as raised:
        check_plugins(two(tmp_path)).raise_refused()
    assert len(raised.value.problems) == 2
    check_plugins(load_config({"version": 1})).raise_refused()


@pytest.mark.parametrize("is_dev", [False, True])
async def test_what_was_checked_is_what_the_first_start_loads(tmp_path: Path, is_dev: bool) -> None:
    """In development mode the files are looked at again: they may have been edited since."""
    config = two(tmp_path, dev=is_dev)
    runtime = PluginRuntime(config, checked=check_plugins(load_config({"version": 1})))
    if is_dev:
        with pytest.raises(ConfigError):
            await runtime.start()
        return
    await runtime.start()
    assert not list(runtime.registry)
    await runtime.stop()
    with pytest.raises(ConfigError):
        await runtime.start()
