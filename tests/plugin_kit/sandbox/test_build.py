"""The build knows when there is nothing to do."""

from __future__ import annotations

import json
from pathlib import Path

from mockforge_plugin.sandbox.build import NAME, OUT, inputs, is_fresh
from tests.support.python_sandbox_harness import Sandbox


def test_a_built_component_is_fresh_until_an_input_changes(sandbox: Sandbox, tmp_path: Path) -> None:
    assert is_fresh(OUT)
    record = json.loads((OUT / f"{NAME}.json").read_text())
    (tmp_path / f"{NAME}.wasm").write_bytes(b"\0" * record["bytes"])
    (tmp_path / f"{NAME}.json").write_text(json.dumps(record))
    assert is_fresh(tmp_path)
    (tmp_path / f"{NAME}.json").write_text(json.dumps({**record, "inputs": {**record["inputs"], "values.py": "0"}}))
    assert not is_fresh(tmp_path)


def test_an_empty_folder_is_not_fresh(tmp_path: Path) -> None:
    assert not is_fresh(tmp_path)


def test_inputs_are_sources_contract_and_tools() -> None:
    assert {"componentize-py", "tzdata", "values.py", "sandbox/app.py", "wit/plugin.wit"} <= set(inputs())
    assert "sandbox/build.py" not in inputs()
