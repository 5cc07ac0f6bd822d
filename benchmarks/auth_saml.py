"""SAML responses made beforehand, and a client that logs in with them as a browser does: sent away, back with a form, and on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

URL = "https://bench.example"
"""Where browsers would reach the mock."""
_MOST_A_SECOND = 150
"""More than this are not made for a second: a client that has none left waits."""


@dataclass(frozen=True, slots=True)
class Responses:
    """A configuration whose provider has made these; each is good once."""

    file: Path
    left: Iterator[str]

    async def client(self, host: str, port: int) -> Callable[[], Awaitable[int]]:
        """What logs in once, over a connection of its own, and gives 200 where a session came of it."""

        async def login() -> int:
            response = next(self.left, None)
            if response is None:
                await asyncio.sleep(3600)
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await _login(partial(_ask, reader, writer, host), response or "")
            finally:
                writer.close()

        return login


Ask = Callable[..., Awaitable[tuple[int, dict[str, str]]]]


async def _login(ask: Ask, response: str) -> int:
    sent, _ = await ask("GET", "/health")
    posted, headers = await ask("POST", "/guard/acs", response)
    if (sent, posted) != (302, 303):
        return posted
    on = urlsplit(headers["location"])
    status, headers = await ask("GET", f"{on.path}?{on.query}")
    return 200 if status == 303 and "set-cookie" in headers else status


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, method: str, path: str, body: str = ""
) -> tuple[int, dict[str, str]]:
    kind = "content-type: application/x-www-form-urlencoded\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/html\r\n{kind}content-length: {len(body)}\r\n\r\n"
    writer.write((head + body).encode())
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(lines[0].split()[1]), headers


def responses(folder: Path, often: tuple[float, int]) -> Responses:
    """Enough for so many turns of so many seconds, and the configuration of a mock that takes them."""
    from plugins_builtin.auth_saml.tests.forge import Login, encoded, metadata, pair

    key = pair("bench")
    (folder / "idp.xml").write_text(metadata(key))
    config = {"idps": {"corp": {"metadata_file": str(folder / "idp.xml")}}, "public_url": URL, "idp_initiated": True}
    document = {
        "version": 1,
        "plugins": {"guard": {"use": "auth-saml", "config": {**config, "session": {"key": "session_key"}}}},
        "secrets": {"session_key": {"value": "0123456789abcdef" * 2}},
        "protect": [{"path": "/health", "auth": "guard"}],
        "routes": [{"match": {"path": path}, "response": {"json": {"status": "ok"}}} for path in ("/health", "/open")],
    }
    file = folder / "saml_logins.json"
    file.write_text(json.dumps(document))
    seconds, turns = often
    login = Login(f"{URL}/guard/acs", f"{URL}/guard/metadata", until_s=3600, confirmed_until_s=3600)
    count = round((_MOST_A_SECOND * seconds + 20 * (seconds + 2)) * turns) + 40
    each = (login.anew(assertion_id=f"_a{n}", name=f"user-{n}") for n in range(count))
    return Responses(file, iter([f"SAMLResponse={quote(encoded(made.signed(key)), safe='')}" for made in each]))
