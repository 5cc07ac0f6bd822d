"""The logins that are measured are logins: each gives a session, once."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.auth_saml import Responses, responses
from benchmarks.servers import measured


async def test_each_response_logs_in_once(tmp_path: Path) -> None:
    made = responses(tmp_path, (0.1, 1))
    first = next(made.left)
    async with measured("configured", made.file) as server:
        at = urlsplit(server.url)
        login = await Responses(made.file, iter([first, next(made.left), first])).client(at.hostname or "", at.port or 0)
        assert [await login() for _ in range(3)] == [200, 200, 403]
