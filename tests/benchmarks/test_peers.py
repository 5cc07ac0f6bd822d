"""Other mock servers: found where they are installed, told of and left out where not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks import peers

TOOLS = {"java": "/opt/java", "node": "/opt/node"}


def test_those_that_are_missing_are_told_with_how_to_install_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(peers.peers(tmp_path, tmp_path / "work")) == []
    told = capsys.readouterr().err
    assert "WireMock is not installed" in told and "Prism is not installed" in told
    assert f"npm install --ignore-scripts --prefix {tmp_path} wiremock @stoplight/prism-cli" in told


def test_those_that_are_installed_serve_what_our_own_cases_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", TOOLS.get)
    for path in ("node_modules/wiremock/build/wiremock-standalone-3.13.2.jar", "node_modules/.bin/prism"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    wiremock, prism = peers.peers(tmp_path, tmp_path / "work")
    assert [*wiremock.cases, *prism.cases] == ["wiremock", "wiremock_templated", "prism"]
    assert wiremock.cases["wiremock_templated"].varies
    assert wiremock.command[:2] == ("/opt/java", "-jar") and wiremock.command[-1] == "--port"
    mappings = json.loads((tmp_path / "work" / "mappings" / "all.json").read_text())["mappings"]
    assert len(mappings) == 22
    assert prism.command[-1] == "-p" and Path(prism.command[2]).exists()


def test_the_folder_is_the_environment_s_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_PEERS", str(tmp_path))
    assert peers.home() == tmp_path
    monkeypatch.delenv("BENCH_PEERS")
    assert peers.home().is_absolute()
