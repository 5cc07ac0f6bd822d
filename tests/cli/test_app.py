"""The app that is served: what its log hides."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockforge_asgi.cli.app import LOGGERS, AppOptions, hide, make_app
from mockforge_asgi.config import load_config
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.testing import Client

PLUGIN = """\
from mockforge_plugin import ResponsePlugin, log, secret

class Chatty(ResponsePlugin):
    def generate(self, request):
        log.info("it is " + secret("word"))
        return {}
"""
MANIFEST = """\
manifest_version: 1
id: chatty
version: 1.0.0
contract: "0.1"
kinds: [response]
runtime: native
entry: plugin.py
permissions: {secrets: {names: [word]}}
"""
CONFIG = """\
version: 1
plugins: {chatty: {use: ./chatty, native: {trust: path}, grants: {secrets: [word]}}}
secrets: {word: {value: WORD}}
routes: [{match: {path: /a}, response: {plugin: chatty}}]
"""


@pytest.fixture
def loggers() -> Iterator[None]:
    """The loggers that a served app takes over are given back."""
    taken = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in taken]
    yield
    for logger, (handlers, propagate, level) in zip(taken, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_secrets_of_all_configurations_so_far_are_hidden() -> None:
    hidden = Redactor()
    for word in ("first-word", "second-word", "second-word"):
        hide(load_config({"version": 1, "secrets": {"word": {"value": word}}}), hidden)
    assert hidden("first-word second-word third") == "[redacted] [redacted] third"


def test_a_secret_that_cannot_be_read_leaves_the_others_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    hidden = Redactor()
    hide(load_config({"version": 1, "secrets": {"gone": {"env": "NOT_SET"}, "word": {"value": "hush-hush"}}}), hidden)
    assert hidden("it is hush-hush") == "it is [redacted]"


@pytest.mark.usefixtures("loggers")
async def test_a_secret_that_came_with_an_edit_is_not_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "chatty").mkdir()
    (tmp_path / "chatty" / "plugin.yaml").write_text(MANIFEST)
    (tmp_path / "chatty" / "plugin.py").write_text(PLUGIN)
    file = tmp_path / "mockforge.yaml"
    file.write_text(CONFIG.replace("WORD", "hush-one"))
    async with Client(make_app(AppOptions(str(file), dev=True))) as client:
        assert (await client.get("/a")).status == 200
        file.write_text(CONFIG.replace("WORD", "hush-number-two"))
        assert (await client.get("/a")).status == 200
    logged = capsys.readouterr().err
    assert logged.count("chatty says: it is [redacted]") == 2
    assert "hush" not in logged


@pytest.mark.usefixtures("loggers")
async def test_what_is_served_is_logged_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """As a line of ours; not as a record of Python's logging, too, which a mounted application gets."""
    (tmp_path / "chatty").mkdir()
    (tmp_path / "chatty" / "plugin.yaml").write_text(MANIFEST)
    (tmp_path / "chatty" / "plugin.py").write_text(PLUGIN.replace("return {}", "raise RuntimeError('no luck')"))
    file = tmp_path / "mockforge.yaml"
    file.write_text(CONFIG.replace("WORD", "hush-one"))
    async with Client(make_app(AppOptions(str(file), dev=True))) as client:
        assert (await client.get("/a")).status == 502
    assert capsys.readouterr().err.count("chatty (response.generate): failed") == 1
    assert not [record for record in caplog.records if record.name == "mockforge"]


@pytest.mark.parametrize("is_dev", [False, True])
async def test_the_garbage_collector_passes_over_what_was_there_when_serving_began(loggers: None, tmp_path: Path, is_dev: bool) -> None:
    file = tmp_path / "mockforge.yaml"
    file.write_text("version: 1\nroutes: [{match: {path: /a}, response: {text: a}}]\n")
    try:
        async with Client(make_app(AppOptions(str(file), dev=is_dev))) as client:
            assert gc.get_freeze_count() > 0
            assert (await client.get("/a")).body == b"a"
    finally:
        gc.unfreeze()
