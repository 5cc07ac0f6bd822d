"""What the operator must have said before a plugin runs: digest, native trust, grants, configuration."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError, PluginRejected
from mockforge_asgi.plugins.authorization import Authorization, authorize
from mockforge_asgi.plugins.package.manifest import Limits
from mockforge_asgi.plugins.package.package import read_package
from mockforge_asgi.plugins.package.static_checks import validate
from tests.support.plugin_packages import FILES, MANIFEST, archive, folder

GRANTS = {"request": {"headers": ["x-api-key"]}, "secrets": ["api_keys"]}
OTHER = "sha256-" + "0" * 64


def use(path: Path, *, dev: bool = False, **more: Any) -> Authorization:
    plugin = {"use": str(path), "grants": GRANTS, **more}
    config = load_config({"version": 1, "dev": dev, "plugins": {"auth": plugin}, "secrets": {"api_keys": {"value": "k"}}})
    return authorize(config.plugins["auth"], config)


def refusal(path: Path, **more: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        use(path, **more)
    return "; ".join(map(str, raised.value.problems))


def native(root: Path) -> Path:
    return folder(root, {**FILES, "plugin.yaml": MANIFEST.replace("runtime: python", "runtime: native")}, name="native")


def test_a_folder_that_is_granted_what_it_needs_is_approved(tmp_path: Path) -> None:
    found = use(folder(tmp_path), limits={"cpu_ms": 99}, isolation="per_request")
    assert found.config == {"header": "X-API-Key"}
    assert found.effective.secrets == {"api_keys"}
    assert (found.limits, found.isolation, found.warnings) == (Limits(64, 99, 200, 64), "per_request", ())


@pytest.mark.parametrize(
    ("runtime", "asked", "words"),
    [
        ("python", {"memory_mb": 64, "output_kb": 1024, "cpu_ms": 10_000, "timeout_ms": 60_000}, ""),
        ("python", {"memory_mb": 65}, "auth.limits: the plugin asks for memory_mb=65, over 64: "),
        ("extism", {"memory_mb": 32}, ""),
        ("extism", {"memory_mb": 33}, "write `limits: {(cpu_ms: 5, )?memory_mb: 33}`"),
        (
            "component",
            {"memory_mb": 512, "output_kb": 16_384},
            "memory_mb=512, over 32; output_kb=16384, over 1024: .* `limits: {(cpu_ms: 5, )?memory_mb: 512, output_kb",
        ),
    ],
)
def test_what_may_hold_the_loop_is_for_the_operator_to_give(tmp_path: Path, runtime: str, asked: dict[str, int], words: str) -> None:
    manifest = {**yaml.safe_load(MANIFEST), "runtime": runtime, "limits": asked}
    if runtime != "python":
        manifest["entry"] = "plugin.wasm"
    made = folder(tmp_path, {**FILES, "plugin.yaml": yaml.safe_dump(manifest), "plugin.wasm": "x"})
    if not words:
        assert use(made, limits={"cpu_ms": 5}).limits.memory_mb == asked["memory_mb"]
        return
    assert re.search(words, refusal(made))
    assert re.search(words, refusal(made, dev=True, limits={"cpu_ms": 5}))
    given = dict.fromkeys(asked, 2048)
    assert use(made, limits=given).limits.memory_mb == given.get("memory_mb", 64)


def test_a_folder_that_is_not_there_is_told_by_its_place_in_the_configuration(tmp_path: Path) -> None:
    words = refusal(tmp_path / "gone")
    assert words == f"configuration plugins.auth.use: {tmp_path / 'gone'}: is neither a folder nor a file. Check the path."


def test_a_pinned_digest_must_be_the_packages(tmp_path: Path) -> None:
    made = folder(tmp_path)
    digest = read_package(made).digest
    assert use(made, digest=digest)
    assert f"the package is not the approved one; its digest is {digest}" in refusal(made, digest=OTHER)


def test_an_archive_needs_its_digest_outside_dev_mode(tmp_path: Path) -> None:
    made = archive(tmp_path)
    digest = read_package(made).digest
    assert f"If you trust it, add `digest: {digest}`." in refusal(made)
    assert use(made, digest=digest)
    assert use(made, dev=True)
    assert "not the approved one" in refusal(made, dev=True, digest=OTHER)


def test_in_dev_mode_a_folder_is_trusted_by_its_path(tmp_path: Path) -> None:
    assert use(folder(tmp_path), dev=True, digest=OTHER)


def test_a_manifest_alone_never_turns_code_native(tmp_path: Path) -> None:
    made = native(tmp_path)
    digest = read_package(made).digest
    assert "runs unconfined in this process" in refusal(made)
    assert f"native: {{trust: {digest}}}" in refusal(made)
    assert "is not the trusted one" in refusal(made, native={"trust": OTHER})
    assert "`path` is for dev mode only" in refusal(made, native={"trust": "path"})
    assert use(made, native={"trust": digest})
    assert use(made, dev=True, native={"trust": "path"})
    assert "runs unconfined" in refusal(made, dev=True)


def test_missing_grants_are_named_with_the_lines_to_add(tmp_path: Path) -> None:
    words = refusal(folder(tmp_path), grants={})
    assert "the plugin needs request.headers, secrets, which are not granted." in words
    assert "request: {headers: [x-api-key]}   # reads the key the caller sends" in words
    assert "secrets: [api_keys]   # the keys to accept" in words


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    words = refusal(folder(tmp_path), grants={}, digest=OTHER, config={"header": 1, "hedaer": "x"})
    assert [part in words for part in ("not the approved one", "which are not granted", "must be string", "Did you mean 'header'?")] == [
        True
    ] * 4


def test_grants_and_settings_without_effect_are_warnings(tmp_path: Path) -> None:
    found = use(folder(tmp_path), grants={**GRANTS, "kv": True}, native={"trust": OTHER}, on_failure={"text": "x"})
    assert [str(w) for w in found.warnings] == [
        (
            "configuration plugins.auth.grants.kv: keeps data in key-value storage: granted, but the manifest does not ask for it. "
            "Ask there, or remove it."
        ),
        "configuration plugins.auth.native: has no effect: the plugin's runtime is python. Remove it.",
        (
            "configuration plugins.auth.on_failure: has no effect: only response plugins and modifiers have an answer in their place. "
            "Write `error` or `skip`."
        ),
    ]


def test_an_auth_plugin_that_answers_too_is_warned_of_query_parameters_it_will_not_see(tmp_path: Path) -> None:
    both = MANIFEST.replace("kinds: [auth]", "kinds: [auth, response]")
    both = both.replace("permissions:\n", "permissions:\n  request.query: {names: [page]}\n")
    made = folder(tmp_path, {**FILES, "plugin.yaml": both})
    (told,) = use(made, grants={**GRANTS, "request": {"headers": ["x-api-key"], "query": ["page"]}}).warnings
    assert str(told).startswith("configuration plugins.auth: authenticates too, so that query parameters count as credentials")
    assert any("authenticates too" in str(warning) for warning in validate(made).warnings)


def test_a_package_without_its_code_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(PluginRejected, match=r"there is no file 'plugin.py' in the package"):
        use(folder(tmp_path, {"plugin.yaml": MANIFEST}))


def test_a_package_that_is_not_built_yet_is_to_be_built(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("runtime: python", "runtime: component").replace("plugin.py", "plugin.wasm")
    with pytest.raises(PluginRejected, match=r"there is no file 'plugin.wasm' in the package\. Build it, or correct the path\."):
        use(folder(tmp_path, {"plugin.yaml": manifest}))


def test_network_grants_without_the_http_extra_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = MANIFEST.replace("permissions:\n", "permissions:\n  network: {allow: [https://a.example], reason: asks}\n")
    made = folder(tmp_path, {**FILES, "plugin.yaml": asking})
    grants = {**GRANTS, "network": ["https://a.example"]}
    assert use(made, grants=grants)
    monkeypatch.setitem(sys.modules, "httpcore2", None)
    assert "plugins.auth.grants.network: needs the http extra, which is not installed. In a clone: pip install" in refusal(
        made, grants=grants
    )
