"""A pytest plugin for other people's suites: wraps every app that their test clients are given, and writes down how each test ended.

It is loaded by its bare name, in a process whose `tests` are theirs. `MOCKFORGE_WRAPPER` names the wrapper, `MOCKFORGE_OUTCOMES` the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from starlette import testclient

from mockforge_asgi import MockForge
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send
from mockforge_plugin import Allow, AuthPlugin, Principal, Request

_GUARDED: Final = {
    "version": 1,
    "protect": [{"path": "/**", "auth": ["everyone"]}],
    "routes": [{"match": {"path": "/**", "headers": {"x-never-sent": True}}, "response": {"text": "a mock"}}],
}


class Everyone(AuthPlugin):
    """Lets everyone pass."""

    def authenticate(self, request: Request) -> Allow:
        """Whoever it is."""
        return Allow(Principal("anyone"))


class Null:
    """Wraps an app and does nothing: what a suite says of it is what MockForge is compared to."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand it on."""
        await self.app(scope, receive, send)


def guarded(app: ASGIApp) -> ASGIApp:
    """Every path is protected and may be answered by a route, whose condition never holds: nothing passes by unseen."""
    return MockForge(app, _GUARDED, plugins=[Everyone()])


WRAPPERS: Final[dict[str, Callable[[ASGIApp], ASGIApp]]] = {"null": Null, "bare": MockForge, "guarded": guarded}


class _Seen:
    """A test client as its own `lifespan` is to see it: with the wrapped app."""

    def __init__(self, client: testclient.TestClient, app: ASGIApp) -> None:
        self._client, self.app = client, app

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def wrap_clients(wrapper: Callable[[ASGIApp], ASGIApp]) -> None:
    """From now on test clients call wrapped apps; their `app` stays what they were given."""
    made, lifespan = testclient.TestClient.__init__, testclient.TestClient.lifespan

    def __init__(self: testclient.TestClient, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        self.mockforge_wrapped = self._transport.app = wrapper(self.app)  # type: ignore[attr-defined]

    async def wrapped_lifespan(self: testclient.TestClient) -> None:
        await lifespan(_Seen(self, self.mockforge_wrapped))  # type: ignore[arg-type, attr-defined]

    testclient.TestClient.__init__ = __init__  # type: ignore[method-assign]
    testclient.TestClient.lifespan = wrapped_lifespan  # type: ignore[method-assign]


class Recorder:
    """How each test ended, and the last line of what was said of a failure."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.outcomes: dict[str, tuple[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of set-up, call and tear-down counts."""
        if report.when == "call" or report.outcome != "passed":
            self._put(report.nodeid, report.outcome if report.when == "call" else f"{report.outcome} in {report.when}", report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported."""
        if report.failed:
            self._put(report.nodeid, "not collected", report)

    def _put(self, test: str, outcome: str, report: pytest.TestReport | pytest.CollectReport) -> None:
        lines = report.longreprtext.strip().splitlines() if report.failed else []
        said = next((line for line in reversed(lines) if line.startswith("E  ")), lines[-1] if lines else "")
        if report.failed or test not in self.outcomes:
            self.outcomes[test] = (outcome, said.removeprefix("E").strip()[:300])

    def pytest_sessionfinish(self) -> None:
        """Written at the end, all at once."""
        self.file.write_text(json.dumps(self.outcomes))


def pytest_configure(config: pytest.Config) -> None:
    """Wrap, and listen."""
    config.addinivalue_line("markers", "xdist_group(name): of a plugin that is not used here")
    wrap_clients(WRAPPERS[os.environ["MOCKFORGE_WRAPPER"]])
    config.pluginmanager.register(Recorder(Path(os.environ["MOCKFORGE_OUTCOMES"])))
