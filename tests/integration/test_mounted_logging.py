"""Mounted in somebody's application, what plugins do wrong reaches that application's log, once, and Python's own where there is none."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge, PluginRuntime
from mockforge_asgi.events import Event, EventStream, RequestAnswered, RequestTraced
from mockforge_asgi.testing import Client, Conversation
from tests.test_middleware import App

MANIFEST = 'manifest_version: 1\nid: pay\nversion: 1.0.0\ncontract: "0.1"\nkinds: [response]\nruntime: {runtime}\nentry: plugin.py\n'
MANIFEST += "permissions: {{secrets: {{names: [word]}}}}\n"
SOURCE = '''from mockforge_plugin import ResponsePlugin, log, secret


class Pay(ResponsePlugin):
    """Does what the path says."""

    def generate(self, request):
        what = request.path.rsplit("/", 1)[-1]
        if what == "raises":
            return {}["amount"]
        if what == "asks":
            secret("other")
        if what == "spins":
            while True:
                pass
        if what == "odd":
            return 7
        print("printed it")
        log.info("logged it")
        log.error("it is %s" % secret("word"))
        return {}
'''


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What an application that logs everything from INFO on hears."""
    kept: list[logging.LogRecord] = []
    root, handler = logging.getLogger(), logging.Handler()
    handler.emit = kept.append  # type: ignore[assignment, method-assign]
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield kept
    root.removeHandler(handler)
    root.setLevel(before)


def config(root: Path, runtime: str = "python") -> dict[str, Any]:
    folder = root / "pay"
    folder.mkdir()
    (folder / "plugin.yaml").write_text(MANIFEST.format(runtime=runtime))
    (folder / "plugin.py").write_text(SOURCE)
    trusted = {"native": {"trust": "path"}} if runtime == "native" else {}
    return {
        "version": 1,
        "dev": True,
        "plugins": {"pay": {"use": str(folder), "grants": {"secrets": ["word"]}, **trusted}},
        "secrets": {"word": {"value": "hush-hush-1"}},
        "routes": [{"match": {"path": "/{what}"}, "response": {"plugin": "pay"}}],
    }


async def said(forge: MockForge, path: str, records: list[logging.LogRecord]) -> tuple[int, list[tuple[str, str]]]:
    """The status, and (level, text) of what the product logs of the request."""
    async with Client(forge) as client:
        records.clear()
        status = (await client.get(path)).status
        return status, [(r.levelname, r.getMessage()) for r in records if r.name == "mockforge"]


@pytest.mark.parametrize("runtime", ["python", "native"])
async def test_an_error_is_told_once_with_the_authors_file_and_line(tmp_path: Path, records: list[logging.LogRecord], runtime: str) -> None:
    status, lines = await said(MockForge(App(), config(tmp_path, runtime)), "/raises", records)
    assert status == 502
    (text,) = [text for level, text in lines if level == "ERROR"]
    assert text.startswith("pay (response.generate): failed") and "KeyError: 'amount'" in text
    assert "plugin.py" in text and "line 10" in text and 'return {}["amount"]' in text
    assert "/raises → 502" in lines[-1][1]


@pytest.mark.parametrize(
    ("path", "status", "level", "words"),
    [
        ("/asks", 502, "WARNING", "pay was denied secret.get"),
        ("/spins", 504, "WARNING", "cpu_ms"),
        ("/odd", 502, "ERROR", "pay"),
        ("/well", 200, "INFO", "pay says: printed it"),
        ("/well", 200, "INFO", "pay says: logged it"),
        ("/well", 200, "ERROR", "pay says: it is [redacted]"),
        ("/well", 200, "INFO", "GET /well → 200"),
    ],
)
async def test_what_a_plugin_is_denied_uses_up_and_says_is_told(
    tmp_path: Path, records: list[logging.LogRecord], path: str, status: int, level: str, words: str
) -> None:
    answered, lines = await said(MockForge(App(), config(tmp_path)), path, records)
    assert answered == status
    assert [seen for seen, text in lines if words in text][:1] == [level]
    assert "hush" not in str(lines)


@pytest.mark.parametrize("runtime", ["python", "native"])
@pytest.mark.parametrize("messages", [[(b"x" * 9, True), None], [(b"x" * 2000, True)], [(b"no gzip", False)]], ids=["leaves", "413", "400"])
async def test_what_a_client_does_wrong_is_no_error_of_the_plugin_that_reads_its_body(
    tmp_path: Path, records: list[logging.LogRecord], runtime: str, messages: list[tuple[bytes, bool] | None]
) -> None:
    settings = config(tmp_path, runtime)
    manifest, source = tmp_path / "pay" / "plugin.yaml", tmp_path / "pay" / "plugin.py"
    manifest.write_text(manifest.read_text().replace("[response]", "[auth]").replace("secrets: {names: [word]}", "request.body: {}"))
    source.write_text("from mockforge_plugin import AuthPlugin\n\n\nclass Pay(AuthPlugin):\n    def authenticate(self, request):\n")
    source.write_text(source.read_text() + "        return request.read().result() and None\n")
    settings["plugins"]["pay"]["grants"] = {"request": {"body": True}}
    settings |= {"routes": [], "protect": [{"path": "/**", "auth": ["pay"]}], "limits": {"max_body_kb": 1}}
    parts = [{"type": "http.disconnect"} if m is None else {"type": "http.request", "body": m[0], "more_body": m[1]} for m in messages]
    forge, talk = MockForge(App(), settings), Conversation(parts)
    async with Client(forge) as client:
        scope = client.scope("POST", "/", {"content-encoding": "gzip", "transfer-encoding": "chunked"})
        records.clear()
        await forge(scope, talk.receive, talk.send)
    assert [r.getMessage() for r in records if r.levelno > logging.INFO] == []


@pytest.mark.parametrize("path", ["/raises", "/denies"])
async def test_who_follows_a_request_through_its_plugins_is_told_no_secret(tmp_path: Path, path: str) -> None:
    settings, heard = config(tmp_path, "native"), list[Event]()
    manifest, source = tmp_path / "pay" / "plugin.yaml", tmp_path / "pay" / "plugin.py"
    manifest.write_text(manifest.read_text().replace("[response]", "[auth, response]"))
    source.write_text(
        "from mockforge_plugin import AuthPlugin, Deny, ResponsePlugin, secret\n\n\nclass Pay(AuthPlugin, ResponsePlugin):\n"
        "    def authenticate(self, request):\n        return Deny(401, 'not ' + secret('word'))\n"
        "    def generate(self, request):\n        raise ValueError('not ' + secret('word'))\n"
    )
    settings |= {"routes": [], "protect": [{"path": "/denies", "auth": ["pay"]}]}
    settings["plugins"]["pay"]["on_failure"] = "skip"
    runtime = PluginRuntime(settings)
    runtime.events.subscribe(heard.append, RequestTraced)
    async with Client(MockForge(None, runtime=runtime)) as client:
        response = await client.get(path)
    (event,) = heard
    assert isinstance(event, RequestTraced)
    assert "not [redacted]" in event.steps[0].why and "hush" not in str(heard)
    if path == "/raises":
        assert response.status == 404 and "not [redacted]" in response.text and "hush" not in response.text


async def test_a_template_that_fails_is_told_once(records: list[logging.LogRecord]) -> None:
    routes = [{"match": {"path": "/x"}, "response": {"template": "bad.txt"}}]
    status, lines = await said(
        MockForge(App(), {"version": 1, "templates": {"inline": {"bad.txt": "{{ 1 // 0 }}"}}, "routes": routes}), "/x", records
    )
    assert status == 500 and len([text for level, text in lines if level == "ERROR"]) == 1


def test_nothing_secret_is_logged_before_the_runtime_is_started(records: list[logging.LogRecord]) -> None:
    """As on a loop that is not asyncio's, where mocks are answered all the same."""
    event = RequestAnswered(method="GET", path="/password=hunter2", status=200, answered_by="responses", wall_s=0.0)
    PluginRuntime({"version": 1}).events.emit(event)
    assert [r.getMessage()[:30] for r in records] == ["GET /password=[redacted] → 200"]


@pytest.mark.parametrize("runtime", ["python", "native"])
@pytest.mark.parametrize("step", ["init", "start"])
async def test_a_server_that_is_told_why_plugins_do_not_start_is_told_no_secret(tmp_path: Path, runtime: str, step: str) -> None:
    settings, source = config(tmp_path, runtime), tmp_path / "pay" / "plugin.py"
    source.write_text(f"{SOURCE}\n    def {step}(self):\n        raise ValueError('it was ' + secret('word'))\n")
    for start in (Client(MockForge(App(), settings)).__aenter__, PluginRuntime(settings).start):
        with pytest.raises(Exception, match=r"ValueError: it was \[redacted\]") as caught:
            await start()
        assert "hush" not in str(caught.value)


async def test_who_gives_a_stream_of_events_hears_them_in_place_of_the_log(tmp_path: Path, records: list[logging.LogRecord]) -> None:
    events, heard = EventStream(), list[Event]()
    events.subscribe(heard.append)
    runtime = PluginRuntime(config(tmp_path, "native"), events=events)
    assert await said(MockForge(App(), runtime=runtime), "/raises", records) == (502, [])
    assert heard


PROGRAM = """
import asyncio, sys
{logging}
from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client

async def main():
    async with Client(MockForge(None, {config!r})) as client:
        for path in ("/raises", "/well"):
            await client.get(path)

asyncio.run(main())
"""
SETUPS = {
    "nothing": "",
    "uvicorn's": "import logging.config, uvicorn.config; logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)",
    "basicConfig": "import logging; logging.basicConfig(level=logging.INFO)",
}


@pytest.mark.parametrize("setup", SETUPS)
def test_without_any_setup_of_logging_errors_are_on_standard_error(tmp_path: Path, setup: str) -> None:
    script = PROGRAM.format(logging=SETUPS[setup], config=config(tmp_path, "native"))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr.count("pay (response.generate): failed") == 1, ran.stderr
    assert "KeyError: 'amount'" in ran.stderr and "plugin.py" in ran.stderr and "hush" not in ran.stderr
    assert ran.stderr.count("it is [redacted]") == 1
    assert ran.stderr.count("logged it") == (setup == "basicConfig")
