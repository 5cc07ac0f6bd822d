"""The Python sandbox's component, as a file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.wasm.component.python import MAX_SOURCE_BYTES, sandbox_digest, sandbox_path
from tests.support.plugin_packages import minimal


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


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("x" * MAX_SOURCE_BYTES, r"2,097,16\d"),
        ('"' * (MAX_SOURCE_BYTES // 2), r"2,097,1\d\d"),
        ("\f" * (MAX_SOURCE_BYTES // 2), r"2,097,1\d\d"),
        ("\x01" * (MAX_SOURCE_BYTES // 6), r"2,097,1\d\d"),
        ("é" * (MAX_SOURCE_BYTES // 2), r"2,097,1\d\d"),
    ],
    ids=["letters", "quotes", "form feeds", "control characters", "two bytes each"],
)
async def test_more_source_than_an_instance_may_be_handed_is_refused(tmp_path: Path, words: str, size: str) -> None:
    (tmp_path / "plugin.yaml").write_text(minimal("large"))
    (tmp_path / "plugin.py").write_text("")
    (tmp_path / "words.py").write_text(f"WORDS = '''{words}'''")
    runtime = PluginRuntime({"version": 1, "dev": True, "plugins": {"large": {"use": str(tmp_path)}}})
    with pytest.raises(PluginRejected, match=f"take {size} bytes as JSON; the most is 2,097,152. Put data in other files"):
        await runtime.start()
