"""What `plugin validate` finds before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.python_source import MAX_PARSED_BYTES
from mockforge_asgi.plugins.package.static_checks import validate
from tests.support.plugin_packages import FILES, MANIFEST, folder


def refusal(path: Path) -> str:
    with pytest.raises(PluginRejected) as raised:
        validate(path, "p")
    return "; ".join(map(str, raised.value.problems))


def test_a_good_plugin_says_what_it_asks_for(tmp_path: Path) -> None:
    found = validate(folder(tmp_path))
    assert found.asks == (
        "reads headers: x-api-key: reads the key the caller sends",
        "reads secrets: api_keys: the keys to accept",
    )
    assert found.warnings == ()


def test_a_syntax_error_has_the_authors_line(tmp_path: Path) -> None:
    words = refusal(folder(tmp_path, {**FILES, "helper.py": "x = 1\ndef broken(:\n"}))
    assert words.startswith("p/helper.py:2: invalid syntax: `def broken(:`.")


def test_syntax_newer_than_the_floor_is_refused(tmp_path: Path) -> None:
    assert "helper.py:1" in refusal(folder(tmp_path, {**FILES, "helper.py": "type X = int\n"}))


def test_more_source_than_can_be_parsed_is_not(tmp_path: Path) -> None:
    data = "# " + "x" * MAX_PARSED_BYTES
    found = validate(folder(tmp_path / "p", {**FILES, "data.py": data + "\ndef broken(:\n"}))
    assert [(w.place.rpartition("/")[2], w.what) for w in found.warnings] == [("data.py", "is not checked: of Python source 512 KiB are.")]
    assert "plugin.py:" in refusal(
        folder(tmp_path / "q", {**FILES, "data.py": data, "plugin.py": FILES["plugin.py"] + "\nimport socket\n"})
    )


def test_missing_code_is_told(tmp_path: Path) -> None:
    assert "there is no file 'plugin.py' in the package" in refusal(folder(tmp_path, {"plugin.yaml": MANIFEST}))


@pytest.mark.parametrize("runtime", ["extism", "component"])
def test_code_that_is_no_webassembly_is_refused(tmp_path: Path, runtime: str) -> None:
    manifest = MANIFEST.replace("runtime: python", f"runtime: {runtime}").replace("plugin.py", "p.wasm")
    assert "p/p.wasm" in refusal(folder(tmp_path, {"plugin.yaml": manifest, "p.wasm": "(module)"}))


def test_what_an_author_might_improve_is_a_warning(tmp_path: Path) -> None:
    text = MANIFEST.replace("description: Accepts requests that carry a known key.\nlicense: MIT\n", "")
    text = text.replace(", reason: the keys to accept", "").replace("runtime: python", "runtime: native")
    found = validate(folder(tmp_path, {**FILES, "plugin.yaml": text}))
    assert [w.what for w in found.warnings] == [
        "has no description.",
        "names no license.",
        "gives no reason.",
        "native code runs unconfined; permissions do not hold it.",
    ]
