"""The Python sandbox's component, as a file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.wasm.python import MAX_SOURCE_CHARS, sandbox_digest, sandbox_path
from tests.plugins.plugin_folders import minimal


def test_the_digest_that_the_build_noted_is_the_components() -> None:
    path = sandbox_path()
    assert (
        sandbox_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest() == json.loads(path.with_suffix(".json").read_text())["sha256"]
    )


@pytest.mark.parametrize("note", [None, "{", "[]", '{"sha256": "ab"}', '{"sha256": "ab", "bytes": 5}', '{"sha256": 1, "bytes": 4}'])
def test_a_note_that_is_not_of_this_file_is_not_believed(tmp_path: Path, note: str | None) -> None:
    (tmp_path / "guest.wasm").write_bytes(b"code")
    if note is not None:
        (tmp_path / "guest.json").write_text(note)
    assert sandbox_digest(tmp_path / "guest.wasm") == hashlib.sha256(b"code").hexdigest()


async def test_more_source_than_an_instance_may_be_handed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plugin.yaml").write_text(minimal("large"))
    (tmp_path / "plugin.py").write_text("")
    (tmp_path / "words.py").write_text(f"WORDS = '{'x' * MAX_SOURCE_CHARS}'")
    runtime = PluginRuntime({"version": 1, "dev": True, "plugins": {"large": {"use": str(tmp_path)}}})
    with pytest.raises(PluginRejected, match=r"2,097,162 characters in all; the most is 2,097,152. Put data in other files"):
        await runtime.start()
