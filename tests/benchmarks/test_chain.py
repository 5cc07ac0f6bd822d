"""The chain under measurement: in every runtime an answer is its own request's, and nothing is in development mode."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmarks import chain
from benchmarks.cases import CHAINS
from benchmarks.driver import Loaded


@pytest.mark.parametrize("name", CHAINS)
async def test_every_answer_is_of_its_own_request(name: str, tmp_path: Path) -> None:
    loaded = Loaded(tmp_path, name)
    try:
        await loaded.check()
        await loaded.check()
    finally:
        await loaded.stop()


def test_a_native_plugin_is_trusted_by_its_digest(tmp_path: Path) -> None:
    config = yaml.safe_load(chain.write(tmp_path, "native").read_text())
    assert "dev" not in config
    for name, use in config["plugins"].items():
        assert use["native"] == {"trust": chain.digest(tmp_path / name)}


def test_a_folder_that_is_no_plugin_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no digest of"):
        chain.digest(tmp_path)


def test_what_a_guest_looks_for_is_eight_characters_long() -> None:
    with pytest.raises(AssertionError, match="short"):
        chain.guest({"template_call": [chain.Found("short")]})
