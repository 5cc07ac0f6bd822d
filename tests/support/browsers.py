"""A browser without a screen: one cookie jar, redirects followed, an app in this process at an origin, and all else by real HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx

from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp

ORIGIN = "https://app.example"
HEADERS = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@asynccontextmanager
async def browsing(app: ASGIApp, *, origin: str = ORIGIN) -> AsyncIterator[httpx.AsyncClient]:
    """A browser for which that app, started, is at that origin."""
    async with Client(app), browser({origin: app}, base_url=origin) as opened:
        yield opened


@asynccontextmanager
async def browser(apps: dict[str, ASGIApp] | None = None, *, base_url: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A browser for which these apps, started elsewhere, are at these origins."""
    mounts = {origin: httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000)) for origin, app in (apps or {}).items()}
    plain = httpx.AsyncHTTPTransport(verify=False, trust_env=False)  # all else is on the loopback, without TLS
    async with httpx.AsyncClient(mounts=mounts, transport=plain, base_url=base_url, headers=HEADERS, trust_env=False, timeout=20) as opened:
        yield opened


async def log_in(opened: httpx.AsyncClient, path: str = "/", *, user: str = "ada", password: str | None = None) -> httpx.Response:
    """Ask for a page, fill in the provider's form, and go on until there is an answer that leads nowhere else."""
    form = await opened.get(path, follow_redirects=True)
    assert "password" in form.text, f"no login form: {form.status_code} {form.url} {form.text[:500]}"
    return await submit(opened, form, login=user, password=user[::-1] if password is None else password)


async def submit(opened: httpx.AsyncClient, answer: httpx.Response, **fields: str) -> httpx.Response:
    """Send the first form of a page, with its hidden fields and these, and go on."""
    form = re.search(r"<form\b([^>]*)>", answer.text)
    assert form is not None, answer.text[:500]
    hidden = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"', answer.text))
    action = re.search(r'action="([^"]*)"', form[1])
    url = answer.url.join(unescape(action[1])) if action else answer.url
    headers = {"origin": f"{answer.url.scheme}://{answer.url.netloc.decode()}", "sec-fetch-site": "same-origin"}
    return await opened.post(url, data={**hidden, **fields}, headers=headers, follow_redirects=True)


def query_of(answer: httpx.Response) -> dict[str, str]:
    """The query of the address that a redirect leads to."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
