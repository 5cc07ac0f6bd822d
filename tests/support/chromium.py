"""Debian's Chromium without a screen, driven by Playwright; where CI is set, neither may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.toolchains import missing

EXECUTABLE: Final = "/usr/bin/chromium"
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)
TIMEOUT_MS: Final = 20_000
_NO_ANSWER: Final = "Failed to load resource"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for all tests of a module, of which none may be a coroutine: Playwright's own event loop runs in their thread."""
    if not Path(EXECUTABLE).exists():
        missing("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def fresh_page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that knows nothing yet. What its console complains of fails the test, but for answers that are errors."""
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    page, complaints = context.new_page(), list[str]()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type == "error" and _NO_ANSWER not in message.text else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
        assert complaints == []
    finally:
        context.close()
